"""Paths and texts reach Hydra as the user wrote them."""

from __future__ import annotations

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from stance.commands.overrides import quote_path, quote_paths


@given(st.text(min_size=1).filter(lambda text: text[0] not in "'\"[" and "${" not in text))
def test_plain_text_survives_hydra(text: str) -> None:
    if text == "null" or any(character in text for character in "\r\n\x00"):
        return
    (override,) = OverridesParser.create().parse_overrides([quote_path(f"path={text}", ["path"])])
    assert override.value() == text


@pytest.mark.parametrize(
    "override", ["path=null", "path='a b'", "path=[a,b]", "path=${output_dir}/x", "other=a b"]
)
def test_what_hydra_understands_stays_as_it_is(override: str) -> None:
    assert quote_path(override, ["path"]) == override


def test_sweeps_over_paths_stay_sweeps() -> None:
    assert quote_paths(["--multirun", "path=a,b"], ["path"]) == ["--multirun", "path=a,b"]
    assert quote_paths(["path=a,b"], ["path"]) == ["path='a,b'"]
