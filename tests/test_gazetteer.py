from __future__ import annotations

from pathlib import Path

import pytest

from stance.encodings import DocumentError
from stance.gazetteer import KnownActor, known_states, read_gazetteer


def write(tmp_path: Path, content: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "known.csv"
    path.write_bytes(content.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_entries_have_names_aliases_kinds_and_ids(tmp_path: Path, encoding: str) -> None:
    path = write(
        tmp_path,
        "name;kind;aliases;id\r\nFährverein Ömme;organisation;FVÖ|der Verein;X1\r\nEva Holm;;;\r\n",
        encoding,
    )
    assert read_gazetteer(path) == [
        KnownActor("Fährverein Ömme", "organisation", ("FVÖ", "der Verein"), "X1"),
        KnownActor("Eva Holm"),
    ]


@pytest.mark.parametrize(
    ("content", "line", "field", "message"),
    [
        ("person,kind\nEva,person\n", 1, "name", "give name"),
        ("name,kind\nEva Holm,woman\n", 2, "kind", "give one of person"),
        ("name,kind\n\nEva Holm,person\n,person\n", 4, "name", "has no name"),
        ("name,aliases\nEva Holm,Holm\nJan Holm,Holm\n", 3, "aliases", "belongs to one actor"),
        ("name,id\nEva Holm,X1\nJan Holm,X1\n", 3, "id", "two entries"),
        ("name\nEva Holm\nEva Holm\n", 3, "name", "two entries"),
        ("name\nHolm, Eva\n", 2, None, "in quotes"),
    ],
)
def test_a_bad_file_is_refused_with_its_place(
    tmp_path: Path, content: str, line: int, field: str | None, message: str
) -> None:
    with pytest.raises(DocumentError, match=message) as caught:
        read_gazetteer(write(tmp_path, content))
    assert (caught.value.line, caught.value.field) == (line, field)
    assert "known.csv" in str(caught.value)


def test_states_come_with_capitals_and_ids() -> None:
    by_name = {entry.name: entry for entry in known_states()}
    assert "Moskau" in by_name["Russland"].aliases
    assert by_name["Deutschland"].id == "Q183"
    assert all(entry.id and entry.id[0] == "Q" for entry in known_states())
