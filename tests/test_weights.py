"""Packed weights are half the size and the same model but for rounding."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from stance import StanceClassifier
from stance.weights import (
    PACKED_FILE,
    load_model,
    pack_weights,
    save_difference,
    save_packed,
    unpack_weights,
)


@given(st.lists(st.lists(st.floats(-50, 50), min_size=3, max_size=3), min_size=1, max_size=5))
def test_rounding_is_at_most_half_a_step_of_the_row(rows: list[list[float]]) -> None:
    weights = {"w": torch.tensor(rows), "b": torch.tensor([0.5, -1.0])}
    unpacked = unpack_weights(pack_weights(weights))
    assert unpacked.keys() == weights.keys()
    step = weights["w"].abs().amax(dim=1, keepdim=True) / 127
    assert ((unpacked["w"] - weights["w"]).abs() <= step * 0.5001 + 1e-9).all()
    assert torch.equal(unpacked["b"], weights["b"])


def test_a_packed_model_predicts_as_the_plain_one(
    tiny_stance_model_dir: Path, tmp_path: Path
) -> None:
    packed = tmp_path / "packed"
    shutil.copytree(tiny_stance_model_dir, packed)
    plain_file = packed / "model.safetensors"
    packed_file = save_packed(load_model(packed), packed)
    assert packed_file.stat().st_size < plain_file.stat().st_size * 0.45
    plain_file.unlink()
    text = "Frauke Ömmelbach fordert ein Tempolimit. Götz Tüllinger lehnt das Tempolimit ab."
    asked = {"targets": ["Das Tempolimit soll kommen."], "actors": ["Ömmelbach", "Tüllinger"]}
    rows, expected = (
        StanceClassifier.from_pretrained(path, device="cpu").predict(text, **asked)
        for path in (packed, tiny_stance_model_dir)
    )
    for row, other in zip(rows, expected, strict=True):
        assert row.probabilities == pytest.approx(other.probabilities, abs=0.01)


def test_what_the_base_model_has_is_left_to_it(
    tiny_stance_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stance.weights.models_dir", lambda: tmp_path)
    model = load_model(tiny_stance_model_dir)
    base = tmp_path / "base"
    base.mkdir()
    trained = model.state_dict()
    encoder = {
        name.removeprefix("encoder."): tensor.half().float()
        for name, tensor in trained.items()
        if name.startswith("encoder.")
    }
    save_file({name: t.half() for name, t in encoder.items()}, base / "model.safetensors")
    frozen = "embeddings.word_embeddings.weight"
    model.load_state_dict({f"encoder.{frozen}": encoder[frozen]}, strict=False)
    whole = save_packed(model, tmp_path / "whole").stat().st_size
    file = save_packed(model, tmp_path / "part", base="base")
    assert file.stat().st_size < whole - encoder[frozen].numel()
    loaded = load_model(tmp_path / "part").state_dict()
    assert torch.equal(loaded[f"encoder.{frozen}"], encoder[frozen]), "in fp16, not packed"
    for name, tensor in trained.items():
        if name != f"encoder.{frozen}":
            torch.testing.assert_close(loaded[name], tensor, rtol=0.02, atol=0.02)
    (base / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="that of the base model 'base'"):
        load_model(tmp_path / "part")


@pytest.mark.parametrize("bits", [2, 4])
def test_a_model_trained_on_is_stored_as_what_changed(
    bits: int, tiny_stance_model_dir: Path, tmp_path: Path
) -> None:
    save_packed(load_model(tiny_stance_model_dir), tmp_path)
    model = load_model(tmp_path)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "embeddings" not in name:
                parameter += 0.02 * torch.randn(parameter.shape, generator=generator)
    file = save_difference(model, tmp_path, bits)
    stored = load_file(file)
    assert not any("embeddings" in name for name in stored)
    changed = [name for name in before if "embeddings" not in name]
    assert sum(t.numel() * t.element_size() for t in stored.values()) < 0.5 * sum(
        2 * before[name].numel() for name in changed
    )
    loaded, trained = load_model(tmp_path).state_dict(), model.state_dict()
    assert all(torch.equal(loaded[name], before[name]) for name in before.keys() - set(changed))
    matrices = [name for name in changed if before[name].ndim == 2]
    wrong = torch.cat([(loaded[name] - trained[name]).flatten() for name in matrices])
    made = torch.cat([(trained[name] - before[name]).flatten() for name in matrices])
    # What the steps are chosen for: 0.119 of the variance is lost with 2 bits, 0.0115 with 4.
    assert wrong.var() / made.var() < {2: 0.15, 4: 0.02}[bits]
    (tmp_path / PACKED_FILE).unlink()
    with pytest.raises(FileNotFoundError, match=r"packed\.safetensors is not there"):
        load_model(tmp_path)


def test_a_directory_without_weights_is_an_error(
    tiny_stance_model_dir: Path, tmp_path: Path
) -> None:
    shutil.copy(tiny_stance_model_dir / "config.json", tmp_path)
    with pytest.raises(OSError, match=r"model\.safetensors"):
        load_model(tmp_path)
    assert PACKED_FILE not in {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("packed", [False, True])
def test_weights_of_another_version_are_refused(
    packed: bool, tiny_stance_model_dir: Path, tmp_path: Path
) -> None:
    directory = tmp_path / "old"
    shutil.copytree(tiny_stance_model_dir, directory)
    if packed:
        save_packed(load_model(directory), directory)
        (directory / "model.safetensors").unlink()
    file = directory / (PACKED_FILE if packed else "model.safetensors")
    weights = load_file(file)
    for name in [name for name in weights if name.startswith("combine.")]:
        del weights[name]
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"old: the weights are of another version.*combine\."):
        load_model(directory)
