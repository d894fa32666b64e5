from __future__ import annotations

import pytest

from stance.corpora.demands import embed_demand, flip_label, negate_target
from stance.schema import StanceLabel


def test_only_favor_and_against_are_flipped() -> None:
    flipped = [flip_label(label).value for label in StanceLabel]
    assert flipped == ["against", "favor", "neutral", "none"]


@pytest.mark.parametrize(
    ("target", "negated"),
    [
        ("Die Stadt soll bauen.", "Die Stadt soll nicht bauen."),
        ("Hunde sollen frei laufen dürfen.", "Hunde sollen frei nicht laufen dürfen."),
        ("Das Bad soll frei sein.", "Das Bad soll nicht frei sein."),
        ("Busse sollen eingesetzt werden können.", "Busse sollen nicht eingesetzt werden können."),
        ("Die Stadt soll eine Brücke bauen.", "Die Stadt soll keine Brücke bauen."),
        ("Das Land soll Mitglied bleiben.", None),
        ("Nur Deutsche sollen wählen.", None),
        ("Die Stadt soll nicht bauen.", None),
        ("Die Stadt soll keine Brücke bauen.", None),
        ("Die Stadt soll die Steuer abschaffen.", None),
        ("Die Stadt soll bauen, wenn sie kann.", None),
        ("Die Stadt soll die Steuer senken (Gewerbesteuer).", None),
        ("Soll die Stadt bauen?", None),
        ("Die Stadt baut.", None),
    ],
)
def test_only_a_plain_demand_is_negated(target: str, negated: str | None) -> None:
    assert negate_target(target) == negated


@pytest.mark.parametrize(
    ("target", "clause", "indirect"),
    [
        ("Die Stadt soll bauen.", "die Stadt bauen soll", "die Stadt solle bauen"),
        (
            "In Hamburg sollen Busse frei sein.",
            "in Hamburg Busse frei sein sollen",
            "in Hamburg sollten Busse frei sein",
        ),
        ("Hamburg soll sparen.", "Hamburg sparen soll", "Hamburg solle sparen"),
    ],
)
def test_a_demand_becomes_a_clause_and_indirect_speech(
    target: str, clause: str, indirect: str
) -> None:
    assert embed_demand(target) == (clause, indirect)


@pytest.mark.parametrize("target", ["Mehr Busse!", "Soll gebaut werden?", "A soll, wenn B soll."])
def test_what_is_no_plain_demand_is_not_embedded(target: str) -> None:
    assert embed_demand(target) is None
