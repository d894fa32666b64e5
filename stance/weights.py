"""Model directories: weights as plain fp16, or packed into bytes to keep a repository small.

``save_pretrained`` of the model writes what Hugging Face expects. A packed directory has
``packed.safetensors`` instead: each matrix as int8 with one scale a row (symmetric, to nearest),
everything else in fp16, half the size of fp16. Weights that a shipped base model has as well, such
as embeddings that were frozen, may be left out and are taken from there. A model that was trained
on from a packed one may be stored as its difference from that (``stance.weight_differences``), in
``difference.safetensors`` beside it. Packing is storage only: the model computes with the unpacked
weights. What it costs in accuracy is measured where a model is packed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from stance.locations import models_dir
from stance.model import StanceConfig, StanceModel
from stance.weight_differences import pack_difference, unpack_difference

PACKED_FILE = "packed.safetensors"
DIFFERENCE_FILE = "difference.safetensors"
SCALE_SUFFIX = ".scale"
CODES_SUFFIX = ".codes"


def load_model(directory: str | Path, config: StanceConfig | None = None) -> StanceModel:
    """The model of a directory, in fp32, from plain or packed weights.

    Args:
        config: instead of the directory's own.

    Raises:
        FileNotFoundError: if there is no config or no weights.
        ValueError: if the directory holds another kind of model, or weights that do not fit this
            version's model.
    """
    directory = Path(directory)
    config_file = directory / "config.json"
    if not config_file.is_file():
        raise FileNotFoundError(f"{directory}: no config.json; give a trained model directory")
    kind = json.loads(config_file.read_text(encoding="utf-8")).get("model_type")
    if kind != StanceConfig.model_type:
        raise ValueError(
            f"{directory}: a {kind!r} model, not a stance model; train one with stance-train"
        )
    packed, difference = directory / PACKED_FILE, directory / DIFFERENCE_FILE
    if packed.is_file() or difference.is_file():
        model = StanceModel(config or StanceConfig.from_pretrained(directory))
        names = model.state_dict().keys()
        weights = (
            read_difference(difference, names)
            if difference.is_file()
            else read_packed(packed, names)
        )
        found = model.load_state_dict(weights, strict=False)
        problems = [*found.missing_keys, *found.unexpected_keys]
    else:
        loaded: Any = StanceModel.from_pretrained(
            directory, config=config, dtype=torch.float32, output_loading_info=True
        )
        model, loading = loaded
        problems = [*loading["missing_keys"], *loading["unexpected_keys"]]
    if problems:
        raise ValueError(
            f"{directory}: the weights are of another version of the model ({len(problems)} are "
            f"missing or unknown, such as {min(problems)}); train it anew with stance-train"
        )
    return model


def load_tokenizer(name_or_path: str | Path) -> PreTrainedTokenizerFast:
    """The tokenizer of a model directory or hub name.

    Raises:
        ValueError: if it is not one that knows character offsets.
    """
    tokenizer = AutoTokenizer.from_pretrained(name_or_path)
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ValueError(f"{name_or_path}: its tokenizer gives no offsets; a fast one is needed")
    return tokenizer


def pack_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Matrices (R, C) as int8 (R, C) and ``NAME.scale`` (R, 1) in fp32; the rest as fp16."""
    packed: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if tensor.ndim != 2:
            packed[name] = tensor.half().contiguous()
            continue
        values = tensor.float()
        scale = values.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / 127
        packed[name] = (values / scale).round().to(torch.int8).contiguous()
        packed[name + SCALE_SUFFIX] = scale
    return packed


def unpack_weights(packed: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights in fp32 that ``pack_weights`` packed."""
    return {
        name: tensor.float() * packed.get(name + SCALE_SUFFIX, 1.0)
        for name, tensor in packed.items()
        if not name.endswith(SCALE_SUFFIX)
    }


def save_packed(model: StanceModel, directory: str | Path, base: str | None = None) -> Path:
    """Write the config and the packed weights; returns the path of the weights.

    Args:
        base: name of a shipped base model; weights that are the same there are left out.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    model.config.save_pretrained(directory)
    file = directory / PACKED_FILE
    weights = model.state_dict()
    metadata = {"format": "pt"}
    if base is not None:
        shared = read_base(base, weights.keys())
        weights = {
            name: tensor
            for name, tensor in weights.items()
            if name not in shared or not torch.equal(shared[name], tensor.float())
        }
        metadata["base"] = base
    save_file(pack_weights(weights), file, metadata=metadata)
    return file


def read_packed(file: Path, names: Collection[str]) -> dict[str, Tensor]:
    """The weights of a packed file in fp32, and those of ``names`` that it leaves to a base model.

    Raises:
        FileNotFoundError: if the file is not there, and as ``read_base``.
    """
    if not file.is_file():
        raise FileNotFoundError(
            f"{file} is not there, of which a part of a model's weights is; reinstall stance"
        )
    with safe_open(file, framework="pt") as stored:
        base = (stored.metadata() or {}).get("base")
    weights = unpack_weights(load_file(file))
    return weights if base is None else read_base(base, set(names) - set(weights)) | weights


def save_difference(model: StanceModel, directory: str | Path, bits: int) -> Path:
    """Write the config and what makes the model of the packed one in the directory, which this one
    was trained on from and takes the place of; returns the path of the weights.

    Args:
        bits: 2 or 4 a weight of a matrix; everything else is written in fp16, and what is the same
            in the packed file is left out.

    Raises:
        FileNotFoundError: if there are no packed weights.
        ValueError: for other ``bits``.
    """
    directory = Path(directory)
    weights = model.state_dict()
    before = read_packed(directory / PACKED_FILE, weights.keys())
    stored: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if name in before and _is_stored_as(before[name], tensor.float()):
            continue
        if tensor.ndim == 2 and name in before:
            stored[name + CODES_SUFFIX], stored[name + SCALE_SUFFIX] = pack_difference(
                tensor, before[name], bits
            )
        else:
            stored[name] = tensor.half().contiguous()
    model.config.save_pretrained(directory)
    file = directory / DIFFERENCE_FILE
    save_file(stored, file, metadata={"format": "pt", "bits": str(bits)})
    return file


def read_difference(file: Path, names: Collection[str]) -> dict[str, Tensor]:
    """The weights in fp32 of a model that ``save_difference`` wrote.

    Raises:
        FileNotFoundError: if the packed file that it differs from is not beside it.
    """
    with safe_open(file, framework="pt") as opened:
        bits = int(opened.metadata()["bits"])
    weights = read_packed(file.with_name(PACKED_FILE), names)
    stored = load_file(file)
    for name, tensor in stored.items():
        if name.endswith(CODES_SUFFIX):
            own = name.removesuffix(CODES_SUFFIX)
            steps, columns = stored[own + SCALE_SUFFIX], weights[own].shape[1]
            weights[own] += unpack_difference(tensor, steps, bits, columns)
        elif not name.endswith(SCALE_SUFFIX):
            weights[name] = tensor.float()
    return weights


def _is_stored_as(stored: Tensor, tensor: Tensor) -> bool:
    """Whether this tensor is the stored one, or becomes it when it is packed."""
    return torch.equal(tensor, stored) or torch.equal(
        unpack_weights(pack_weights({"": tensor}))[""], stored
    )


def read_base(name: str, names: Collection[str]) -> dict[str, Tensor]:
    """Weights of a shipped base model in fp32, by their names in a ``StanceModel``; names that it
    has not are left out.

    Raises:
        FileNotFoundError: if no such model is shipped.
    """
    file = models_dir() / name / "model.safetensors"
    if Path(name).name != name or not file.is_file():
        raise FileNotFoundError(
            f"{file}: a part of the weights is that of the base model {name!r}, which is not "
            "there; reinstall stance"
        )
    with safe_open(file, framework="pt") as stored:
        own = {f"encoder.{key}": key for key in stored.keys()}  # noqa: SIM118 - no mapping
        return {key: stored.get_tensor(own[key]).float() for key in names if key in own}
