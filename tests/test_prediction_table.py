from __future__ import annotations

import io
from itertools import product

from rich.console import Console

from stance.prediction_table import build_tables, print_predictions
from stance.schema import Prediction


def make_predictions(actors: list[str], targets: list[str]) -> list[Prediction]:
    return [
        Prediction.model_validate(
            {
                "document_id": "bericht [1]",
                "actor_id": actor,
                "actor": actor,
                "target_id": target,
                "target": target,
                "label": "against",
                "probabilities": (0.05, 0.88, 0.04, 0.03),
                "confidence": 0.88,
                "warnings": ("not mentioned in the text",) if actor == "Jan Weiß" else (),
                "model": "tiny",
            }
        )
        for target, actor in product(targets, actors)
    ]


def render(texts: list[list[Prediction]], width: int = 100, color: bool = False) -> str:
    out = io.StringIO()
    print_predictions(texts, Console(file=out, width=width, force_terminal=color))
    return out.getvalue()


def test_label_and_probability_stand_in_words_without_colour() -> None:
    shown = render([make_predictions(["Eva Holm", "Jan Weiß"], ["Das Tempolimit soll kommen."])])
    assert "bericht [1]" in shown
    assert "Das Tempolimit soll kommen." in shown
    row = next(line for line in shown.splitlines() if "Eva Holm" in line)
    assert "against 0.88" in row
    assert "\x1b[" not in shown
    assert "* Jan Weiß: not mentioned in the text" in shown


def test_the_first_piece_of_evidence_is_quoted_and_a_long_one_is_cut_between_words() -> None:
    (prediction,) = make_predictions(["Eva Holm"], ["Maut"])
    quote = "Holm nannte die Maut [sic] falsch. " + "Sehr falsch. " * 20
    pieces = ({"start": 0, "end": 9, "text": quote}, {"start": 9, "end": 12, "text": "Nie!"})
    shown = render([[prediction.model_copy(update={"evidence": pieces})]], width=200)
    assert "Holm nannte die Maut [sic] falsch. Sehr" in shown
    assert "Sehr …" in shown or "falsch. …" in shown
    assert shown.count("falsch") < 10
    assert "Nie!" not in shown


def test_names_and_targets_are_not_taken_for_markup() -> None:
    shown = render([make_predictions(["Holm [/bold]", "[red]Rat"], ["[link=x]Maut"])])
    for text in ("Holm [/bold]", "[red]Rat", "[link=x]Maut"):
        assert text in shown


def test_many_targets_take_several_tables_and_none_is_lost() -> None:
    targets = [f"Forderung{number}" for number in range(8)]
    predictions = make_predictions(["Eva Holm"], targets)
    assert len(build_tables(predictions)) == 3
    shown = render([predictions])
    assert all(target in shown for target in targets)
    assert shown.count("against 0.88") == 8


def test_a_warning_of_many_rows_is_shown_once() -> None:
    shown = render([make_predictions(["Jan Weiß"], ["Maut", "Tempolimit"])])
    assert shown.count("not mentioned in the text") == 1


def test_a_narrow_terminal_loses_no_words() -> None:
    target = "Die Stadt soll Straßenbahnhaltestellenüberdachungen bauen."
    shown = render([make_predictions(["Verkehrsministerkonferenz"], [target])], width=44)
    letters = "".join(character for character in shown if character.isalpha())
    assert "Verkehrsministerkonferenz" in "".join(
        line.split("│")[1].strip() for line in shown.splitlines() if line.startswith("│")
    )
    assert "against" in letters
