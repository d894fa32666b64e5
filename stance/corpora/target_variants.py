"""Targets in other words, as noun phrases, and as their opposites: augmentation for training.

A model that was trained on one wording a text can answer without reading the target. The variants
of newsstance's targets (training and validation, ``newsstance_data/target_variants.jsonl``) were
written one by one; for other targets a rule gives the opposite where it can.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

from stance.corpora.demands import flip_label, negate_target
from stance.schema import Document

VARIANTS_FILE = Path(__file__).with_name("newsstance_data") / "target_variants.jsonl"

KINDS = {"opposite": 0.5, "paraphrase": 0.3, "phrase": 0.2}
"""How often each kind is drawn."""


@cache
def read_variants(file: Path = VARIANTS_FILE) -> Mapping[str, Mapping[str, str]]:
    """The variants of each target by kind (one of ``KINDS``).

    Raises:
        ValueError: if a line is no object of strings with ``target`` and the kinds.
    """
    variants: dict[str, Mapping[str, str]] = {}
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            row: Any = json.loads(line)
            if set(row) != {"target", *KINDS} or not all(isinstance(v, str) for v in row.values()):
                raise ValueError(
                    f"{file.name}, line {number}: expected target, {', '.join(KINDS)}, all text"
                )
            variants[row.pop("target")] = row
    return variants


def rephrase_targets(documents: Iterable[Document], *, share: float, seed: int) -> list[Document]:
    """The documents with some of their targets put otherwise; labels toward opposites are flipped.

    Each document is drawn for anew, also one that comes several times. Targets without a variant
    stay as they are. The result depends only on the documents, their order and ``seed``.

    Args:
        share: of the targets, from 0 to 1.
    """
    draw = random.Random(seed)
    return [_rephrase(document, share, draw) for document in documents]


def _rephrase(document: Document, share: float, draw: random.Random) -> Document:
    targets, flipped = [], set()
    for target in document.targets:
        (kind,) = draw.choices(list(KINDS), list(KINDS.values()))
        if draw.random() < share and (text := find_variant(target.text, kind)):
            target = target.model_copy(update={"text": text})
            if kind == "opposite":
                flipped.add(target.id)
        targets.append(target)
    stances = tuple(
        stance.model_copy(update={"label": flip_label(stance.label)})
        if stance.target in flipped
        else stance
        for stance in document.stances
    )
    return document.model_copy(update={"targets": tuple(targets), "stances": stances})


def find_variant(target: str, kind: str) -> str | None:
    """A variant of the target that was written or, of opposites, made by rule; else None."""
    written = read_variants().get(target)
    if written is not None:
        return written[kind]
    return negate_target(target) if kind == "opposite" else None


def collect_contraries(documents: Iterable[Document]) -> dict[str, str]:
    """Targets of one text that say the contrary of one another, each with the first such target.

    Two targets are contrary if in every text that has both all labels toward one are flipped toward
    the other, and at least two labels in all are for or against.
    """
    mirrored: dict[tuple[str, str], int] = defaultdict(int)
    broken: set[tuple[str, str]] = set()
    for document in documents:
        labels = document.labels
        for first, second in combinations(document.targets, 2):
            pairs = [
                (labels.get((actor.id, first.id)), labels.get((actor.id, second.id)))
                for actor in document.actors
            ]
            known = [(a, b) for a, b in pairs if a is not None and b is not None]
            for key in ((first.text, second.text), (second.text, first.text)):
                if all(flip_label(a) is b for a, b in known):
                    mirrored[key] += sum(a is not b for a, b in known)
                else:
                    broken.add(key)
    contraries: dict[str, str] = {}
    for (target, other), count in mirrored.items():
        if count >= 2 and (target, other) not in broken:
            contraries.setdefault(target, other)
    return contraries
