"""Known actors with their other names and ids, from a CSV file.

Its columns are ``name, kind, aliases, id, adjective``; aliases are separated by ``|``. The package
brings a small reviewed list of states and alliances with their capitals and seats
(``stance/actor_data/states.csv``; the ids are Wikidata's).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path
from typing import get_args

from stance.encodings import DocumentError, detect_encoding
from stance.schema import ActorKind

COLUMNS = ("name", "kind", "aliases", "id", "adjective")
STATES_FILE = Path(__file__).parent / "actor_data" / "states.csv"


@dataclass(frozen=True)
class KnownActor:
    """One entry. ``id`` is the user's own or, say, a Wikidata QID; None where the file has none.

    ``adjective``, such as "russisch", tells whose minister "der russische Minister" is.
    """

    name: str
    kind: ActorKind | None = None
    aliases: tuple[str, ...] = ()
    id: str | None = None
    adjective: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The name and the aliases, each once."""
        return tuple(dict.fromkeys([self.name, *self.aliases]))


def read_gazetteer(path: str | Path) -> list[KnownActor]:
    """The entries of a CSV file with a header; comma or semicolon separates its columns.

    Raises:
        DocumentError: if a column, a name or a kind is missing or wrong, or a name or an id stands
            for two actors; with file, line and field.
    """
    path = Path(path)
    content = path.read_text(encoding=detect_encoding(path))
    delimiter = ";" if content.partition("\n")[0].count(";") else ","
    reader = csv.DictReader(StringIO(content, newline=""), delimiter=delimiter)
    columns = [name.strip().lower() for name in reader.fieldnames or ()]
    if "name" not in columns or not set(columns) <= set(COLUMNS):
        raise DocumentError(
            f"the columns are {columns}; give name and, where known, kind, aliases, id "
            "and adjective",
            file=path,
            line=1,
            field="name",
        )
    reader.fieldnames = columns
    entries: list[KnownActor] = []
    owners: dict[str, str] = {}
    for row in reader:
        line = reader.line_num
        values = {key: (value or "").strip() for key, value in row.items() if key in COLUMNS}
        if None in row:
            raise DocumentError(
                "more values than columns; put a value with a comma in quotes", file=path, line=line
            )
        if not values["name"]:
            raise DocumentError("an entry has no name", file=path, line=line, field="name")
        kind = values.get("kind") or None
        if kind not in (None, *get_args(ActorKind)):
            raise DocumentError(
                f"kind is {kind!r}; give one of {', '.join(get_args(ActorKind))}, or nothing",
                file=path,
                line=line,
                field="kind",
            )
        aliases = [alias.strip() for alias in values.get("aliases", "").split("|")]
        entry = KnownActor(
            name=values["name"],
            kind=kind,  # type: ignore[arg-type]  # checked above
            aliases=tuple(alias for alias in aliases if alias),
            id=values.get("id") or None,
            adjective=values.get("adjective") or None,
        )
        for name in entry.names:
            if owners.setdefault(name, entry.name) != entry.name:
                raise DocumentError(
                    f"{name!r} stands for both {owners[name]!r} and {entry.name!r}; a name "
                    "belongs to one actor",
                    file=path,
                    line=line,
                    field="aliases",
                )
        if any(entry.name == other.name for other in entries):
            raise DocumentError(
                f"{entry.name!r} has two entries", file=path, line=line, field="name"
            )
        if entry.id is not None and any(entry.id == other.id for other in entries):
            raise DocumentError(
                f"the id {entry.id!r} has two entries", file=path, line=line, field="id"
            )
        entries.append(entry)
    return entries


@cache
def known_states() -> tuple[KnownActor, ...]:
    """The entries of the package."""
    return tuple(read_gazetteer(STATES_FILE))
