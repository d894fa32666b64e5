"""Check newsstance files against the guideline's rules of form, and count what they hold.

Needs nothing but Python: ``python check_newsstance.py w1.jsonl w2.jsonl`` prints each fault with
its line, then the counts of each file and of all together, and exits with 1 if there was a fault.
``--partial`` allows pairs of actor and target without a stance.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LABELS = ("favor", "against", "neutral", "none")
KINDS = ("person", "organisation", "state", "group")
PRONOUNS = ("er", "sie", "es", "wir", "ich")
FIELDS = ("id", "title", "text", "actors", "targets", "stances")


@dataclass
class Summary:
    """Counts over one or more files."""

    texts: int = 0
    actors: int = 0
    targets: int = 0
    words: list[int] = field(default_factory=list)
    labels: Counter[str] = field(default_factory=Counter)
    styles: Counter[str] = field(default_factory=Counter)

    def add(self, record: dict[str, Any]) -> None:
        """Count a record."""
        self.texts += 1
        self.actors += len(record["actors"])
        self.targets += len(record["targets"])
        self.words.append(len(record["text"].split()))
        self.labels.update(stance["label"] for stance in record["stances"])
        self.styles[str(record.get("style"))] += 1

    def merge(self, other: Summary) -> None:
        """Add the counts of another file."""
        self.texts += other.texts
        self.actors += other.actors
        self.targets += other.targets
        self.words += other.words
        self.labels += other.labels
        self.styles += other.styles

    def __str__(self) -> str:
        pairs = sum(self.labels.values())
        shares = ", ".join(
            f"{label} {self.labels[label]} ({self.labels[label] / max(pairs, 1):.1%})"
            for label in LABELS
        )
        words = sorted(self.words) or [0]
        return (
            f"{self.texts} texts, {sum(words)} words "
            f"(min {words[0]}, median {words[len(words) // 2]}, max {words[-1]}), "
            f"{self.actors} actors, {self.targets} targets, {pairs} pairs: {shares}"
        )


def check_file(file: Path, partial: bool = False) -> tuple[list[str], Summary]:
    """The faults of a file, each with its line, and the counts of its sound records."""
    faults: list[str] = []
    summary = Summary()
    ids: set[str] = set()
    for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{file.name}, line {number}"
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            faults.append(f"{where}: not JSON ({error})")
            continue
        missing = [name for name in FIELDS if not record.get(name)]
        if missing:
            faults.append(f"{where}: nothing in {', '.join(missing)}")
            continue
        if record["id"] in ids:
            faults.append(f"{where}: the id {record['id']!r} occurs twice")
        ids.add(record["id"])
        faults += [f"{where} ({record['id']}): {fault}" for fault in find_faults(record, partial)]
        summary.add(record)
    return faults, summary


def find_faults(record: dict[str, Any], partial: bool = False) -> Iterator[str]:
    """What a record with all its fields breaks of the guideline's rules of form."""
    yield from _check_actors(record)
    text = record["text"]
    actors = {actor["id"] for actor in record["actors"]}
    targets = {target["id"] for target in record["targets"]}
    seen: set[tuple[str, str]] = set()
    for stance in record["stances"]:
        pair = (stance["actor"], stance["target"])
        label, evidence = stance["label"], stance.get("evidence", [])
        if pair[0] not in actors or pair[1] not in targets:
            yield f"unknown pair {pair}"
        if pair in seen:
            yield f"two stances of the pair {pair}"
        seen.add(pair)
        if label not in LABELS:
            yield f"label {label!r} of the pair {pair}"
        if bool(evidence) != (label != "none"):
            yield f"{len(evidence)} pieces of evidence for {label!r} of the pair {pair}"
        yield from (f"evidence not in the text: {part!r}" for part in evidence if part not in text)
    if not partial and len(seen) != len(actors) * len(targets):
        yield f"{len(seen)} stances for {len(actors) * len(targets)} pairs"


def _check_actors(record: dict[str, Any]) -> Iterator[str]:
    owner: dict[str, str] = {}
    for actor in record["actors"]:
        if actor.get("kind") not in KINDS:
            yield f"kind {actor.get('kind')!r} of {actor['name']!r}"
        if bool(actor["mentions"]) == bool(actor.get("author")):
            wrong = "mentions of the author" if actor["mentions"] else "no mentions of"
            yield f"{wrong} {actor['name']!r}"
        for mention in actor["mentions"]:
            if mention not in record["text"]:
                yield f"mention not in the text: {mention!r}"
            if owner.setdefault(mention, actor["id"]) != actor["id"]:
                yield f"mention of two actors: {mention!r}"
            if mention.casefold() in PRONOUNS:
                yield f"a pronoun as mention: {mention!r}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the files of the command line; 1 if any has a fault."""
    parser = argparse.ArgumentParser(description="Check newsstance files.")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--partial", action="store_true", help="allow pairs without a stance")
    options = parser.parse_args(arguments)
    status = 0
    total = Summary()
    for file in options.files:
        faults, summary = check_file(file, options.partial)
        print(*faults, f"{file.name}: {len(faults)} faults; {summary}", sep="\n")
        status = status or int(bool(faults))
        total.merge(summary)
    print(f"all: {total}")
    print("styles:", ", ".join(f"{style} {count}" for style, count in total.styles.most_common()))
    return status


if __name__ == "__main__":
    sys.exit(main())
