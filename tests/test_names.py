from __future__ import annotations

import pytest

from stance.names import name_variants


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Eva Holm", ("Eva Holm", "Holm")),
        ("Ada von der Heide", ("Ada von der Heide", "von der Heide", "Von der Heide")),
        ("Mira van Oster", ("Mira van Oster", "van Oster", "Van Oster")),
        ("van Oster", ("van Oster", "Van Oster")),
        ("Prof. Dr. Eva Holm", ("Prof. Dr. Eva Holm", "Eva Holm", "Holm")),
        ("Frau Holm", ("Frau Holm", "Holm")),
        ("Eva K. Holm", ("Eva K. Holm", "Eva Holm", "Holm")),
        ("Eva Holm (SDU)", ("Eva Holm (SDU)", "Eva Holm", "Holm")),
        ("Omar al-Hamid", ("Omar al-Hamid", "al-Hamid", "Al-Hamid", "Hamid")),
        ("Bela zu Rhoden", ("Bela zu Rhoden", "zu Rhoden", "Zu Rhoden", "Rhoden")),
        ("Eva Holm-Öz", ("Eva Holm-Öz", "Holm-Öz")),
        ("Holm", ("Holm",)),
    ],
)
def test_variants_of_a_person(name: str, expected: tuple[str, ...]) -> None:
    assert name_variants(name, "person") == expected


@pytest.mark.parametrize(
    "name",
    [
        *("Deutsche Bank", "IG Bau", "Bund der Imker", "Nordwerke AG", "Junge Liste"),
        *("Vereinte Nationen", "Elbe Stiftung", "Gemeinderat Auental", "Ärzte am Nil"),
        *("Kritiker der Reform", "Initiative Freie Sicht", "Verein Elbufer", "Zeitung 24"),
        "Regierung von Talvinien",
    ],
)
def test_without_a_kind_an_organisation_gets_no_surname(name: str) -> None:
    assert name.rsplit(maxsplit=1)[-1] not in name_variants(name)


@pytest.mark.parametrize(
    "name", ["Eva Holm", "Jan Freitag", "Ute Hartung", "Al Moser", "Bo Peters"]
)
def test_without_a_kind_a_person_is_known_by_its_look(name: str) -> None:
    assert name_variants(name) == (name, name.rsplit(maxsplit=1)[-1])


def test_a_blank_name_is_refused() -> None:
    with pytest.raises(ValueError, match="name is empty"):
        name_variants("  ")
