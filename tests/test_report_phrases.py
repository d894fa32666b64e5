from __future__ import annotations

import json
from pathlib import Path

import pytest

from stance.corpora.report_phrases import read_phrases
from stance.schema import StanceLabel

FAVOR, AGAINST, NEUTRAL = StanceLabel.FAVOR, StanceLabel.AGAINST, StanceLabel.NEUTRAL


def test_for_and_against_are_said_in_as_many_ways() -> None:
    """A model must not tell the labels by how common a kind of phrase is."""
    phrases = read_phrases()
    for part in (phrases.verdicts, phrases.clauses):
        assert len(part[FAVOR]) > 150
        assert abs(len(part[FAVOR]) - len(part[AGAINST])) < 5
        assert part[NEUTRAL]
    pairs = {labels: len(texts) for labels, texts in phrases.pairs.items()}
    assert abs(pairs[FAVOR, AGAINST] - pairs[AGAINST, FAVOR]) < 5


def test_no_phrase_stands_under_two_labels() -> None:
    phrases = read_phrases()
    texts = [
        text
        for part in (phrases.verdicts, phrases.clauses, phrases.pairs)
        for group in part.values()
        for text in group
    ]
    assert len(texts) == len(set(texts))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"kind": "verdict", "label": "favor", "text": "Man ist dafür."}, "one {A}"),
        ({"kind": "pair", "label": ["favor", "none"], "text": "{A} ist dafür."}, "one {B}"),
        ({"kind": "clause", "label": "favor", "text": "{A} ist dafür."}, "a clause has"),
        ({"kind": "verdict", "label": "favor", "text": "{A} will, dass {clause}."}, "a clause has"),
        ({"kind": "verdikt", "label": "favor", "text": "{A} ist dafür."}, "a verdict or clause"),
        ({"kind": "verdict", "label": "dafür", "text": "{A} ist dafür."}, "line 2: 'dafür'"),
    ],
)
def test_a_wrong_line_is_named(row: dict[str, object], message: str, tmp_path: Path) -> None:
    file = tmp_path / "phrases.jsonl"
    good = {"kind": "verdict", "label": "favor", "text": "{A} sagte Ja."}
    file.write_text(f"{json.dumps(good)}\n{json.dumps(row)}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_phrases(file)
