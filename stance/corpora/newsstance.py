"""newsstance: synthetic German news passages with the stance of every actor on every target.

The corpus is part of the package (``newsstance_data/``: the texts, the guideline they were written
by, a data card, a check of their form). Its split is fixed in ``splits.json``.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

from stance.corpora.conversion import Conversion, Row, read_json
from stance.documents import iter_documents
from stance.schema import Document

SPLITS = ("train", "validation", "test")
DATA_DIR = Path(__file__).with_name("newsstance_data")
SPLIT_SEED = 2024
VALIDATION_SHARE, TEST_SHARE = 0.10, 0.15

FIRST_TRAINING_BATCH = 20
"""Batches from this one on were written later, for training only; the other splits stay fixed."""


def convert(path: str | Path | None = None) -> Conversion:
    """All texts by split, with the extra keys ``style`` and ``batch`` (the file, ``w1`` ...).

    ``path`` is a folder of the same layout (``w*.jsonl`` and ``splits.json``); by default the one
    in the package.

    Raises:
        FileNotFoundError: if the folder has no such files.
        ValueError: if a record is malformed, or its id is not in ``splits.json``.
    """
    folder = DATA_DIR if path is None else Path(path)
    files = list_batches(folder)
    split_of = read_json(folder / "splits.json", "an object that maps ids to splits")
    rows: dict[str, list[Row]] = {split: [] for split in SPLITS}
    for file in files:
        for document in iter_documents(file):
            split = split_of.get(document.id)
            if split not in rows:
                raise ValueError(
                    f"{folder / 'splits.json'}: {document.id!r} of {file.name} has the split "
                    f"{split!r}; expected one of {', '.join(SPLITS)}"
                )
            row = document.model_dump(mode="json")
            rows[split].append(row | {"source": f"newsstance/{file.stem}", "batch": file.stem})
    return Conversion(rows)


def list_batches(folder: Path = DATA_DIR) -> list[Path]:
    """The files ``w1.jsonl``, ``w2.jsonl`` ... in the order of their numbers.

    Raises:
        FileNotFoundError: if there are none.
    """
    files = sorted(folder.glob("w[0-9]*.jsonl"), key=lambda file: (len(file.stem), file.stem))
    if not files:
        raise FileNotFoundError(f"no w*.jsonl in {folder}")
    return files


def make_splits(batches: Iterable[Sequence[Document]], seed: int = SPLIT_SEED) -> dict[str, str]:
    """The split of each document: 10 % validation and 15 % test of every batch, the rest train;
    batches for training only have no part in this (see ``write_splits``).

    Texts of a batch that share a target (minimal pairs: nearly the same words, another verdict)
    stay in one split, so that no half of a pair is tested after the other was trained on.
    """
    splits: dict[str, str] = {}
    for batch in batches:
        groups = _group_by_target(batch)
        random.Random(seed).shuffle(groups)
        room = {
            "test": round(TEST_SHARE * len(batch)),
            "validation": round(VALIDATION_SHARE * len(batch)),
            "train": len(batch),
        }
        for group in groups:
            split = next(name for name, free in room.items() if free >= len(group))
            room[split] -= len(group)
            splits.update(dict.fromkeys(group, split))
    return dict(sorted(splits.items()))


def _group_by_target(batch: Sequence[Document]) -> list[list[str]]:
    groups: list[list[str]] = []
    group_of_target: dict[str, list[str]] = {}
    for document in batch:
        targets = [target.text for target in document.targets]
        group = next((group_of_target[t] for t in targets if t in group_of_target), None)
        if group is None:
            group = []
            groups.append(group)
        group.append(document.id)
        for target in targets:
            group_of_target.setdefault(target, group)
    return groups


def assign_splits(folder: Path = DATA_DIR) -> dict[str, str]:
    """The split of each document of a folder: that of ``make_splits``, or train from batch
    ``FIRST_TRAINING_BATCH`` on."""
    split_batches, training = [], []
    for file in list_batches(folder):
        documents = list(iter_documents(file))
        if int(file.stem.removeprefix("w")) < FIRST_TRAINING_BATCH:
            split_batches.append(documents)
        else:
            training += documents
    return make_splits(split_batches) | {document.id: "train" for document in training}


def write_splits(folder: Path = DATA_DIR) -> None:
    """Make ``splits.json`` of a folder anew."""
    splits = assign_splits(folder)
    text = json.dumps(splits, indent=0)
    (folder / "splits.json").write_text(text + "\n", encoding="utf-8")
