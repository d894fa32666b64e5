from __future__ import annotations

import pytest

from stance.actor_offices import Office, read_office
from stance.gazetteer import known_states


@pytest.mark.parametrize(
    ("description", "state", "function"),
    [
        ("Russlands Präsident", "Russland", "präsident"),
        ("des Kreml-Chefs", "Russland", "chef"),
        ("Kremlchef", "Russland", "chef"),
        ("Der US-Präsident", "USA", "präsident"),
        ("dem russischen Staatschef", "Russland", "staatschef"),
        ("die deutsche Außenministerin", "Deutschland", "außenminister"),
        ("Präsident", None, "präsident"),
        ("die Ministerin in Moskau", None, "moskau"),
        ("der Bundesrat", None, "bundesrat"),
    ],
)
def test_a_description_tells_state_and_function(
    description: str, state: str | None, function: str
) -> None:
    assert read_office(description, known_states()) == Office(state, function)


def test_no_words_are_no_office() -> None:
    assert read_office(" ", known_states()) is None


@pytest.mark.parametrize(
    ("one", "other", "same", "another"),
    [
        ("Russlands Präsident", "der Kreml-Chef", True, False),
        ("Russlands Präsident", "der US-Präsident", False, True),
        ("Russlands Präsident", "die russische Ministerin", False, False),
        ("Präsident", "der US-Präsident", False, False),
        ("Polens Premier", "der polnische Regierungschef", True, False),
    ],
)
def test_offices_are_compared(one: str, other: str, same: bool, another: bool) -> None:
    first, second = (read_office(text, known_states()) for text in (one, other))
    assert first is not None
    assert second is not None
    assert first.is_same(second) is same
    assert first.is_of_another_state(second) is another
