"""What several human coders say on the same texts, matched pair by pair.

A pair is matched by the ids of document, actor and target. Rows of a table carry no ids of actors
and targets, so there the names and the texts of the targets are compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path
from typing import Any, TypeVar

from stance.documents import DocumentError, read_documents
from stance.records import READERS
from stance.schema import Actor, Document, Stance, Target

PAIR_COLUMNS = ("document_id", "actor_id", "target_id")
RESERVED = (*PAIR_COLUMNS, "actor", "target", "gold", "passage")
"""Names that no coder may have: they head other columns of the table of disagreements."""
SHOWN_DOCUMENTS = 5
"""How many documents an error names."""

Pair = tuple[str, str, str]
"""Document id, actor id, target id."""
Item = TypeVar("Item", Actor, Target)


@dataclass(frozen=True)
class Codings:
    """What several coders say on the same texts; ``combine_codings`` builds it."""

    by_coder: Mapping[str, Sequence[Document]]
    """Each coder's documents, with their stances."""
    documents: Sequence[Document]
    """Every document that some coder has, with all actors and targets and without stances."""
    stances: Mapping[Pair, Mapping[str, Stance]]
    """The stances by coder of each pair that somebody labelled, by document, target, actor."""


def read_codings(files: Sequence[str | Path]) -> Codings:
    """Read one file of each coder, as ``stance.documents`` does; a file's stem is its coder's name.

    The documents of tables (flat rows) take over the ids that other files have for the same actors
    and targets and, without a column ``id``, for the same text.

    Raises:
        DocumentError: for a file that is not there, cannot be read, or has no label.
        ValueError: as ``check_coders`` and ``combine_codings``.
    """
    paths = [Path(file) for file in files]
    check_coders([path.stem for path in paths])
    native: dict[str, list[Document]] = {}
    tables: dict[str, tuple[list[Document], bool]] = {}
    for path in paths:
        if not path.is_file():
            raise DocumentError("there is no such file; give one file for each coder", path)
        documents = read_documents(path)
        if not any(document.stances for document in documents):
            raise DocumentError(
                "has no label, so there is nothing to compare; fill in the stances (in a table: "
                "the column label)",
                path,
            )
        columns = find_columns(path)
        if columns is None:
            native[path.stem] = documents
        else:
            tables[path.stem] = documents, "id" in columns
    read = dict(native)
    for coder, (documents, has_id) in tables.items():
        read[coder] = align_table(documents, merge_documents(read), has_id)
    return combine_codings({path.stem: read[path.stem] for path in paths})


def check_coders(coders: Sequence[str]) -> None:
    """See that there are two coders or more, whose names can head columns.

    Raises:
        ValueError: if not.
    """
    if len(coders) < 2:
        raise ValueError(f"coders is {list(coders)}; give the files of two or more")
    for coder, times in Counter(coders).items():
        if times > 1:
            raise ValueError(
                f"coders has {times} files called {coder!r}; a file's name is its coder's name, so "
                "give each coder another one"
            )
        if coder in RESERVED:
            raise ValueError(
                f"coders has a file called {coder!r}, which is another column of "
                "the table of disagreements; name the file after its coder"
            )


def find_columns(path: Path) -> set[str] | None:
    """The columns of a table of flat rows; None for native records."""
    _, record = next(READERS[path.suffix.lower()](path, raise_error))
    is_native = any(isinstance(record.get(key), list) for key in ("actors", "targets", "stances"))
    return None if is_native or "actor" not in record else set(record)


def raise_error(error: DocumentError) -> None:
    """What to do with a record that cannot be read."""
    raise error


def align_table(
    documents: Iterable[Document], known: Mapping[str, Document], has_id: bool
) -> list[Document]:
    """The documents of a table with the ids of the ``known`` documents, which come by their ids.

    Reading a table numbers actors and targets in the order of its rows, so the ids of a table that
    somebody has sorted mean other actors.

    Args:
        has_id: False also takes over the id of a known document with the same text.

    Raises:
        ValueError: if a known document has two actors of one name, or two targets of one text.
    """
    ids_by_text = {document.text: name for name, document in known.items()}
    aligned = []
    for document in documents:
        name = document.id if has_id else ids_by_text.get(document.text, document.id)
        update: dict[str, Any] = {"id": name}
        if name in known:
            actor_ids = adopt_ids(document.actors, known[name].actors, "a", name)
            target_ids = adopt_ids(document.targets, known[name].targets, "t", name)
            update["actors"] = tuple(
                actor.model_copy(update={"id": actor_ids[actor.id]}) for actor in document.actors
            )
            update["targets"] = tuple(
                target.model_copy(update={"id": target_ids[target.id]})
                for target in document.targets
            )
            update["stances"] = tuple(
                stance.model_copy(
                    update={
                        "actor": actor_ids[stance.actor],
                        "target": target_ids[stance.target],
                    }
                )
                for stance in document.stances
            )
        aligned.append(document.model_copy(update=update))
    return aligned


def adopt_ids(
    own: Sequence[Item], known: Sequence[Item], letter: str, document_id: str
) -> dict[str, str]:
    """For each id of ``own`` the id of the same actor (target) in ``known``; a free one for others.

    Raises:
        ValueError: if one of ``own`` could be several of ``known``.
    """
    ids: dict[str, list[str]] = {}
    for item in known:
        ids.setdefault(name_of(item), []).append(item.id)
    taken = {item.id for item in known}
    free = (name for name in (f"{letter}{number}" for number in count(1)) if name not in taken)
    adopted = {}
    for item in own:
        found = ids.get(name_of(item)) or [next(free)]
        if len(found) > 1:
            raise ValueError(
                f"document {document_id!r} has {name_of(item)!r} under the ids "
                f"{', '.join(found)}, which a table cannot tell apart; give native JSONL for all "
                "coders"
            )
        adopted[item.id] = found[0]
    return adopted


def name_of(item: Actor | Target) -> str:
    """What a reader knows an actor or target by."""
    return item.name if isinstance(item, Actor) else item.text


def combine_codings(by_coder: Mapping[str, Sequence[Document]]) -> Codings:
    """Match the pairs of several coders by the ids of document, actor and target.

    Documents, actors and targets that only some coders have are kept. All else that is said of them
    (mentions, dates, keys of your own) is that of the first coder who has them.

    Raises:
        ValueError: as ``check_coders`` and ``merge_documents``.
    """
    check_coders(list(by_coder))
    documents = list(merge_documents(by_coder).values())
    given = {
        coder: {
            (document.id, stance.actor, stance.target): stance
            for document in own
            for stance in document.stances
        }
        for coder, own in by_coder.items()
    }
    stances = {}
    for pair in iter_pairs(documents):
        found = {coder: own[pair] for coder, own in given.items() if pair in own}
        if found:
            stances[pair] = found
    return Codings(by_coder=by_coder, documents=documents, stances=stances)


def iter_pairs(documents: Iterable[Document]) -> Iterator[Pair]:
    """All pairs, labelled or not, by document, target, actor."""
    for document in documents:
        for target in document.targets:
            for actor in document.actors:
                yield document.id, actor.id, target.id


def merge_documents(by_coder: Mapping[str, Sequence[Document]]) -> dict[str, Document]:
    """Every document by its id, with the actors and targets of all coders and without stances.

    Raises:
        ValueError: if documents of one id have different texts, which it names, or an actor or
            target of one id has different names.
    """
    merged: dict[str, Document] = {}
    owners: dict[str, str] = {}
    differing = []
    for coder, documents in by_coder.items():
        for document in documents:
            known = merged.setdefault(document.id, document.model_copy(update={"stances": ()}))
            owner = owners.setdefault(document.id, coder)
            if known.text == document.text:
                update = {
                    "actors": join_items(known.actors, document.actors, document.id, coder),
                    "targets": join_items(known.targets, document.targets, document.id, coder),
                }
                merged[document.id] = known.model_copy(update=update)
                continue
            texts = (known.text, document.text)
            same = takewhile(lambda two: two[0] == two[1], zip(*texts, strict=False))
            place = sum(1 for _ in same)
            pieces = [text[place : place + 20] for text in texts]
            differing.append(
                f"{document.id!r} (at character {place} {owner} has {pieces[0]!r}, {coder} "
                f"{pieces[1]!r})"
            )
    if differing:
        more = len(differing) - SHOWN_DOCUMENTS
        raise ValueError(
            f"documents with one id but different texts: {', '.join(differing[:SHOWN_DOCUMENTS])}"
            + (f" and {more} more" if more > 0 else "")
            + "; pairs are matched by the id of their document, so give all coders the same texts"
        )
    return merged


def join_items(
    known: Sequence[Item], new: Sequence[Item], document_id: str, coder: str
) -> tuple[Item, ...]:
    """The actors (targets) of both, each id once.

    Raises:
        ValueError: if an id has another name in ``new``, which is by ``coder``.
    """
    joined = {item.id: item for item in known}
    for item in new:
        other = joined.setdefault(item.id, item)
        if name_of(other) != name_of(item):
            raise ValueError(
                f"document {document_id!r}: the id {item.id!r} is {name_of(item)!r} in the file of "
                f"{coder}, but {name_of(other)!r} in an earlier file; pairs are matched by these "
                "ids, so give each actor and target the same one in all files"
            )
    return tuple(joined.values())
