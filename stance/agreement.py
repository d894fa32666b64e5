"""How far human coders agree, on what they differ, and which gold labels follow.

The headline is **Krippendorff's alpha** for nominal data (Krippendorff 2018, "Content Analysis"):
1 is perfect agreement, 0 what chance would give. Plain agreement is cheap where most pairs of actor
and target are ``none``; Cohen's kappa (1960) corrects for chance, but for two coders and the pairs
that both have coded. Alpha takes any number of coders and lets each pair count as far as it was
coded. A pair that one coder alone has labelled has nothing to be compared with and is left out.
Alpha of one label against the rest shows which part of the code book is to blame. Alpha is computed
from the matrix of coincidences, kappa by scikit-learn.

The interval is a percentile bootstrap that draws whole documents. Pairs of one text are not
independent: who misreads the text errs on several of them, and drawing pairs would make the
interval too narrow (Field and Welsh 2007, "Bootstrapping clustered data"). Below some twenty
documents it still is too narrow. ``scipy.stats.bootstrap`` gives no interval once a single sample
has no alpha, as a small one with one label only; here such samples are left out and counted.

A pair is matched by the ids of document, actor and target. Rows of a table carry no ids of actors
and targets, so there the names and the texts of the targets are compared.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, count, takewhile
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from stance.documents import DocumentError, read_documents, write_documents
from stance.prediction_files import csv_lines
from stance.records import READERS
from stance.schema import LABELS, Actor, Document, Mention, Stance, StanceLabel, Target
from stance.sentences import split_sentences
from stance.triples import map_label

AGREEMENT_FILE, DISAGREEMENTS_FILE, GOLD_FILE = "agreement.json", "disagreements.csv", "gold.jsonl"
RULES = ("unanimous", "majority")
"""A label is gold if all who coded the pair chose it, or if more than half of them did."""
ORIGINS = ("unanimous", "one_coder", "by_majority", "decided", "undecided")
"""Where a gold label comes from; ``one_coder``: nobody else labelled the pair."""
PAIR_COLUMNS = ("document_id", "actor_id", "target_id")
COLUMNS_BEFORE = ("document_id", "actor_id", "actor", "target_id", "target")
COLUMNS_AFTER = ("gold", "passage")
"""The columns of disagreements.csv before and after those of the coders."""
LEVEL = 0.95
RESAMPLES = 2_000
"""Samples of documents behind the interval of alpha, and the share of them that it spans."""
MAX_CELL_CHARACTERS = 32_000
"""A cell of a spreadsheet holds 32,767 characters; the rest would spill into other rows."""
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


class Verdict(NamedTuple):
    """The gold label of a pair, None where there is none, and its origin, one of ``ORIGINS``."""

    label: StanceLabel | None
    origin: str


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
        if coder in (*COLUMNS_BEFORE, *COLUMNS_AFTER):
            raise ValueError(
                f"coders has a file called {coder!r}, which is another column of "
                f"{DISAGREEMENTS_FILE}; name the file after its coder"
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


def measure_agreement(
    codings: Codings, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Any]:
    """All that agreement.json says of the coders, ready for JSON.

    Returns:
        ``labels`` (the order of confusion matrices), ``counts``, ``coders`` (what each has coded),
        ``alpha`` (``measure_alpha``, ``n`` labels compared, the ``interval`` of
        ``bootstrap_alpha``), ``alpha_by_label`` (each label against the rest, chosen ``n`` times),
        ``pairs_of_coders`` (``compare_coders``), ``notes`` (what a reader should look into).

    Raises:
        ValueError: if ``resamples`` is not positive.
    """
    counts, owners = count_labels(codings)
    by_label = {}
    for column, label in enumerate(LABELS):
        rest = counts.sum(axis=1) - counts[:, column]
        against_rest = np.stack([counts[:, column], rest], axis=1)
        by_label[label] = measure_alpha(against_rest, [label, f"another than {label}"]) | {
            "n": int(counts[:, column].sum())
        }
    return {
        "labels": list(LABELS),
        "counts": count_codings(codings),
        "coders": {
            coder: describe_coder(documents) for coder, documents in codings.by_coder.items()
        },
        "alpha": measure_alpha(counts)
        | {"n": int(counts.sum()), "interval": bootstrap_alpha(counts, owners, resamples, seed)},
        "alpha_by_label": by_label,
        "pairs_of_coders": [
            compare_coders(codings, *two) for two in combinations(codings.by_coder, 2)
        ],
        "notes": find_unmatched_texts(codings),
    }


def count_labels(codings: Codings) -> tuple[NDArray[np.int64], list[str]]:
    """How many coders gave each label to each pair that two or more have labelled.

    Returns:
        Counts (N, L) in the order of ``LABELS``, and the id of each pair's document (N,).
    """
    rows, owners = [], []
    for (document_id, _, _), given in codings.stances.items():
        if len(given) > 1:
            found = Counter(stance.label.value for stance in given.values())
            rows.append([found[label] for label in LABELS])
            owners.append(document_id)
    return np.array(rows, dtype=np.int64).reshape(len(rows), len(LABELS)), owners


def compute_alpha(counts: NDArray[np.int64]) -> float:
    """Nominal alpha of label counts (N, L); nan where fewer than two labels occur.

    Every row needs two labels or more, as ``count_labels`` gives them.
    """
    chosen = counts.sum(axis=0).astype(np.float64)
    total = chosen.sum()
    if np.count_nonzero(chosen) < 2:
        return float("nan")
    coders = counts.sum(axis=1)
    # Of each pair's coders, how often one agrees with another one, on average over the others.
    agreeing = ((counts * (counts - 1)).sum(axis=1) / (coders - 1)).sum()
    by_chance = total**2 - (chosen**2).sum()
    return float(1 - (total - 1) * (total - agreeing) / by_chance)


def measure_alpha(counts: NDArray[np.int64], names: Sequence[str] = LABELS) -> dict[str, Any]:
    """``value``, the alpha of label counts (N, L); where there is none, null and the ``reason``.

    Args:
        names: of the columns.
    """
    used = [name for name, found in zip(names, counts.sum(axis=0).tolist(), strict=True) if found]
    reason = None
    if not used:
        reason = "no pair has labels of two or more coders"
    elif len(used) == 1:
        reason = (
            f"all labels to compare are {used[0]}; without a second one, agreement cannot be told "
            "from chance"
        )
    return {"value": None if reason else compute_alpha(counts), "reason": reason}


def bootstrap_alpha(
    counts: NDArray[np.int64], owners: Sequence[str], resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Any]:
    """The percentile interval of alpha over samples of documents.

    Args:
        counts: label counts (N, L), as of ``count_labels``.
        owners: the documents of the rows (N,).

    Returns:
        ``low`` and ``high``, null where there is no interval, and the ``reason``; ``level``,
        ``documents`` (drawn from), ``resamples``, ``without_alpha`` (how many of these had one
        label only and are left out), ``seed``.

    Raises:
        ValueError: if ``resamples`` is not positive.
    """
    if resamples < 1:
        raise ValueError(f"resamples is {resamples}; give 1 or more")
    rows: dict[str, list[int]] = {}
    for row, owner in enumerate(owners):
        rows.setdefault(owner, []).append(row)
    by_document = [counts[own] for own in rows.values()]
    reason = measure_alpha(counts)["reason"]
    if reason is None and len(by_document) < 2:
        reason = "all pairs of two or more coders are in one document, and documents are drawn"
    result: dict[str, Any] = {
        "low": None,
        "high": None,
        "reason": reason,
        "level": LEVEL,
        "documents": len(by_document),
        "resamples": resamples,
        "without_alpha": 0,
        "seed": seed,
    }
    if reason is not None:
        return result
    draws = np.random.default_rng(seed).integers(
        len(by_document), size=(resamples, len(by_document))
    )
    alphas = np.array(
        [compute_alpha(np.concatenate([by_document[index] for index in draw])) for draw in draws]
    )
    defined = alphas[~np.isnan(alphas)]
    result["without_alpha"] = len(alphas) - len(defined)
    if not len(defined):
        return result | {"reason": "every sample of documents has one label only"}
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return result | {"low": float(low), "high": float(high)}


def compare_coders(codings: Codings, first: str, second: str) -> dict[str, Any]:
    """Two coders on the pairs that both have labelled.

    Returns:
        ``coders``, ``n``, ``agreement`` (the share of pairs with one label, in [0, 1]), ``kappa``
        (Cohen's) and the ``reason`` where it is null, ``confusion_matrix`` (rows first coder,
        columns second, in the order of ``LABELS``).
    """
    from sklearn.metrics import cohen_kappa_score, confusion_matrix

    both = [
        (given[first].label.value, given[second].label.value)
        for given in codings.stances.values()
        if first in given and second in given
    ]
    agreement, kappa, reason = None, None, None
    matrix = [[0] * len(LABELS) for _ in LABELS]
    if not both:
        reason = "they have labelled no pair in common"
    else:
        ours, theirs = ([two[side] for two in both] for side in (0, 1))
        agreement = sum(a == b for a, b in both) / len(both)
        matrix = confusion_matrix(ours, theirs, labels=LABELS).tolist()
        if len({*ours, *theirs}) < 2:
            reason = f"both gave the label {ours[0]} only, so chance would do as well"
        else:
            kappa = float(cohen_kappa_score(ours, theirs, labels=LABELS))
    return {
        "coders": [first, second],
        "n": len(both),
        "agreement": agreement,
        "kappa": kappa,
        "reason": reason,
        "confusion_matrix": matrix,
    }


def count_codings(codings: Codings) -> dict[str, int]:
    """Documents and pairs, and how many of them how many coders have."""
    ids = [{document.id for document in own} for own in codings.by_coder.values()]
    coded = Counter(len(given) for given in codings.stances.values())
    return {
        "documents": len(codings.documents),
        "documents_in_all_files": len(set.intersection(*ids)),
        "pairs": coded.total(),
        "pairs_of_all_coders": coded[len(codings.by_coder)],
        "pairs_of_two_or_more": coded.total() - coded[1],
        "pairs_of_one_coder": coded[1],
        "pairs_with_disagreement": len(find_disagreements(codings)),
        "pairs_without_label": sum(1 for _ in iter_pairs(codings.documents)) - coded.total(),
    }


def describe_coder(documents: Iterable[Document]) -> dict[str, Any]:
    """``documents``, labelled ``pairs``, ``pairs_without_label``, and ``labels`` with counts."""
    documents = list(documents)
    labels = Counter(stance.label.value for document in documents for stance in document.stances)
    return {
        "documents": len(documents),
        "pairs": labels.total(),
        "pairs_without_label": sum(1 for _ in iter_pairs(documents)) - labels.total(),
        "labels": {label: labels[label] for label in LABELS},
    }


def find_unmatched_texts(codings: Codings) -> list[str]:
    """A line where texts have other ids in other files, so that their pairs are not matched."""
    by_text: dict[str, dict[str, set[str]]] = {}
    for coder, documents in codings.by_coder.items():
        for document in documents:
            by_text.setdefault(document.text, {}).setdefault(coder, set()).add(document.id)
    unmatched = []
    for ids in by_text.values():
        for (one, ours), (other, theirs) in combinations(ids.items(), 2):
            if ours.isdisjoint(theirs):
                unmatched.append(f"{min(ours)!r} ({one}) and {min(theirs)!r} ({other})")
                break
    if not unmatched:
        return []
    return [
        f"{len(unmatched)} of the texts have different ids in different files, so their pairs are "
        f"not matched, such as {unmatched[0]}; give a text the same id in all files"
    ]


def find_disagreements(codings: Codings) -> list[Pair]:
    """The pairs to which coders gave different labels."""
    return [
        pair
        for pair, given in codings.stances.items()
        if len({stance.label for stance in given.values()}) > 1
    ]


def choose_gold(
    codings: Codings,
    rule: str = "unanimous",
    decisions: Mapping[Pair, StanceLabel] | None = None,
) -> dict[Pair, Verdict]:
    """The verdict on each labelled pair: as decided, or else by the rule.

    Args:
        rule: one of ``RULES``. A majority is more than half of those who labelled the pair.
        decisions: gold labels that beat any rule, as of ``read_decisions``.

    Raises:
        ValueError: for an unknown rule, or a decision on a pair that nobody labelled.
    """
    if rule not in RULES:
        raise ValueError(f"rule is {rule!r}; give {' or '.join(RULES)}")
    decisions = decisions or {}
    for pair in decisions:
        if pair not in codings.stances:
            raise ValueError(f"decisions has {pair}, a pair that no coder has labelled")
    verdicts = {}
    for pair, given in codings.stances.items():
        ((label, times), *_) = Counter(stance.label for stance in given.values()).most_common()
        if pair in decisions:
            verdicts[pair] = Verdict(decisions[pair], "decided")
        elif len(given) == 1:
            verdicts[pair] = Verdict(label, "one_coder")
        elif times == len(given):
            verdicts[pair] = Verdict(label, "unanimous")
        elif rule == "majority" and 2 * times > len(given):
            verdicts[pair] = Verdict(label, "by_majority")
        else:
            verdicts[pair] = Verdict(None, "undecided")
    return verdicts


def count_origins(verdicts: Mapping[Pair, Verdict]) -> dict[str, int]:
    """How many pairs have their verdict from each of ``ORIGINS``."""
    found = Counter(verdict.origin for verdict in verdicts.values())
    return {origin: found[origin] for origin in ORIGINS}


def build_gold(codings: Codings, verdicts: Mapping[Pair, Verdict]) -> list[Document]:
    """The documents with their gold labels; a pair without one has no stance.

    Evidence is that of the coders with the gold label, overlapping spans joined. Other keys of
    coders' stances are left out.
    """
    stances: dict[str, list[Stance]] = {}
    for pair, (label, _) in verdicts.items():
        if label is None:
            continue
        spans = [
            span
            for stance in codings.stances[pair].values()
            if stance.label == label
            for span in stance.evidence
        ]
        document_id, actor, target = pair
        stances.setdefault(document_id, []).append(
            Stance(actor=actor, target=target, label=label, evidence=join_spans(spans))
        )
    return [
        document.model_copy(update={"stances": tuple(stances.get(document.id, ()))})
        for document in codings.documents
    ]


def join_spans(spans: Iterable[Mention]) -> tuple[Mention, ...]:
    """The same characters in sorted spans that do not overlap; spans that only touch stay two."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted((span.start, span.end) for span in spans):
        if joined and start < joined[-1][1]:
            start, end = joined[-1][0], max(end, joined.pop()[1])
        joined.append((start, end))
    return tuple(Mention(start=start, end=end) for start, end in joined)


def tabulate_disagreements(
    codings: Codings, decisions: Mapping[Pair, StanceLabel] | None = None
) -> list[list[str]]:
    """The rows of disagreements.csv, the first with the names of the columns.

    A row is a pair on which coders differ: ``COLUMNS_BEFORE``, each coder's label (empty where they
    gave none), ``gold`` (empty but for the ``decisions``), and ``passage`` (see ``quote_passage``).
    """
    documents = {document.id: document for document in codings.documents}
    actors = {(name, actor.id): actor for name in documents for actor in documents[name].actors}
    targets = {(name, item.id): item.text for name in documents for item in documents[name].targets}
    rows = [[*COLUMNS_BEFORE, *codings.by_coder, *COLUMNS_AFTER]]
    for pair in find_disagreements(codings):
        document_id, actor_id, target_id = pair
        actor = actors[document_id, actor_id]
        given = codings.stances[pair]
        evidence = [span for stance in given.values() for span in stance.evidence]
        rows.append(
            [
                *(document_id, actor_id, actor.name, target_id, targets[document_id, target_id]),
                *(given[name].label.value if name in given else "" for name in codings.by_coder),
                (decisions or {}).get(pair, ""),
                quote_passage(documents[document_id].text, [*actor.mentions, *evidence]),
            ]
        )
    return rows


def quote_passage(text: str, spans: Iterable[Mention]) -> str:
    """The sentences that the spans touch, [...] for what lies between; without spans, all.

    Line breaks become spaces. What is longer than ``MAX_CELL_CHARACTERS`` is cut, with [...].
    """
    sentences = split_sentences(text)
    spans = list(spans)
    shown = [
        place
        for place, (start, end) in enumerate(sentences)
        if not spans or any(span.start < end and start < span.end for span in spans)
    ]
    parts: list[str] = []
    for before, place in zip([None, *shown], shown, strict=False):
        if before is not None and place > before + 1:
            parts.append("[...]")
        parts += text[slice(*sentences[place])].split()
    passage = " ".join(parts)
    if len(passage) > MAX_CELL_CHARACTERS:
        return f"{passage[:MAX_CELL_CHARACTERS]} [...]"
    return passage


def read_decisions(path: str | Path, codings: Codings) -> dict[Pair, StanceLabel]:
    """The labels that somebody has filled in in the column ``gold`` of disagreements.csv, by pair.

    Rows without one are passed over. A label may be in any of the words of ``DEFAULT_LABELS``, and
    cells may be separated by commas, semicolons or tabs.

    Raises:
        DocumentError: naming line and field, for an unknown label, a pair that no coder labelled,
            two labels for one pair, or a missing column; or for a file that cannot be read.
    """
    path = Path(path)
    documents = {document.id: document for document in codings.documents}
    decisions: dict[Pair, StanceLabel] = {}
    for line, pair, cell in iter_decisions(path):
        label = parse_label(cell)
        if label is None:
            problem = f"unknown label {cell!r}; give {', '.join(LABELS)}, or nothing"
            raise DocumentError(problem, path, line, "gold")
        if pair not in codings.stances:
            field = "document_id"
            if (document := documents.get(pair[0])) is not None:
                known = any(actor.id == pair[1] for actor in document.actors)
                field = "target_id" if known else "actor_id"
            value = dict(zip(PAIR_COLUMNS, pair, strict=True))[field]
            raise DocumentError(
                f"{value!r} makes this row a pair that no coder has labelled; leave the ids of "
                f"{DISAGREEMENTS_FILE} as they were (spreadsheets turn some into numbers or dates "
                "unless their column is read as text)",
                path,
                line,
                field,
            )
        if decisions.setdefault(pair, label) != label:
            raise DocumentError(
                f"{label.value!r}, but an earlier row decides {decisions[pair].value!r} for this "
                "pair; keep one of the two",
                path,
                line,
                "gold",
            )
    return decisions


def iter_decisions(path: Path) -> Iterator[tuple[int, Pair, str]]:
    """Line, pair and content of every cell of the column ``gold`` that is not empty.

    Raises:
        DocumentError: for a file that is no table, or lacks a column.
    """
    if path.suffix.lower() not in (".csv", ".tsv"):
        raise DocumentError("decisions come as .csv or .tsv; save the spreadsheet as CSV", path)
    for line, row in READERS[path.suffix.lower()](path, raise_error):
        for name in (*PAIR_COLUMNS, "gold"):
            if name not in row:
                raise DocumentError(
                    f"there is no column {name!r}, only {', '.join(map(repr, row))}; keep the "
                    f"columns of {DISAGREEMENTS_FILE}",
                    path,
                    1,
                    name,
                )
        document_id, actor_id, target_id, cell = (row[name] for name in (*PAIR_COLUMNS, "gold"))
        if cell.strip():
            yield line, (document_id, actor_id, target_id), cell.strip()


def parse_label(cell: str) -> StanceLabel | None:
    """The label that a cell means, in any of the words of ``DEFAULT_LABELS``; None for others."""
    try:
        return map_label(cell)
    except ValueError:
        return None


def check_disagreements_file(path: Path, decisions: Mapping[Pair, StanceLabel]) -> None:
    """See that nobody's labels are lost when disagreements.csv is replaced.

    Raises:
        DocumentError: if the file has labels that are not among the ``decisions``.
    """
    if not path.exists():
        return
    for line, pair, cell in iter_decisions(path):
        if pair not in decisions or decisions[pair] != parse_label(cell):
            raise DocumentError(
                f"the label {cell!r} would be lost, as this file is replaced; use it with "
                f"decisions={path}, or give another output_dir",
                path,
                line,
                "gold",
            )


def write_agreement(
    directory: str | Path,
    agreement: Mapping[str, Any],
    disagreements: Sequence[Sequence[str]] | None,
    gold: Iterable[Document],
) -> list[Path]:
    """Write agreement.json, disagreements.csv (unless None) and gold.jsonl; replaces old ones.

    disagreements.csv starts with a byte order mark, as spreadsheets take other UTF-8 for Latin-1.

    Returns:
        The paths of the files written.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    files = [directory / AGREEMENT_FILE]
    text = json.dumps(agreement, ensure_ascii=False, indent=2)
    files[0].write_text(text + "\n", encoding="utf-8")
    if disagreements is not None:
        files.append(directory / DISAGREEMENTS_FILE)
        files[-1].write_text(csv_lines(disagreements), encoding="utf-8-sig", newline="\n")
    files.append(directory / GOLD_FILE)
    write_documents(gold, files[-1])
    return files
