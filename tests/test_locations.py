"""Configs and models are found in a wheel and in the checkout, and missing ones are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from stance import locations


def test_the_installation_at_hand_has_configs_and_the_embedded_base() -> None:
    assert (locations.config_dir() / "model" / "minilm-de.yaml").is_file()
    assert (locations.models_dir() / "minilm-de" / "config.json").is_file()


def test_a_wheel_is_preferred_to_what_lies_beside_it(tmp_path: Path) -> None:
    package = tmp_path / "stance"
    (package / "configs").mkdir(parents=True)
    (tmp_path / "configs").mkdir()
    assert locations.find_directory("configs", package) == package / "configs"


def test_a_checkout_has_the_directory_beside_the_package(tmp_path: Path) -> None:
    package = tmp_path / "stance"
    package.mkdir()
    (tmp_path / "models").mkdir()
    assert locations.find_directory("models", package) == tmp_path / "models"


def test_an_incomplete_installation_says_where_it_looked(tmp_path: Path) -> None:
    package = tmp_path / "stance"
    with pytest.raises(FileNotFoundError) as error:
        locations.find_directory("configs", package)
    assert str(package / "configs") in str(error.value)
    assert str(tmp_path / "configs") in str(error.value)
    assert "reinstall" in str(error.value)


def test_a_missing_default_model_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locations, "models_dir", lambda: tmp_path)
    with pytest.raises(FileNotFoundError, match=r"stance-minilm-de: the default model"):
        locations.default_model_dir()
    (tmp_path / "stance-minilm-de").mkdir()
    assert locations.default_model_dir() == tmp_path / "stance-minilm-de"
