"""How far human coders agree on the labels of the same pairs.

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
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stance.codings import Codings, Pair, iter_pairs
from stance.intervals import LEVEL, RESAMPLES, number_groups
from stance.schema import LABELS, Document


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


def sum_up(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """All that alpha needs of each pair (N, L + 1): the labels given to it, and how many of its
    coders agree with another one, on average over the others. Rows can be added up.

    Every row of ``counts`` (N, L) needs two labels or more, as ``count_labels`` gives them.
    """
    agreeing = (counts * (counts - 1)).sum(axis=1) / np.maximum(counts.sum(axis=1) - 1, 1)
    return np.column_stack([counts, agreeing])


def compute_alpha(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Nominal alpha (...,) of ``sum_up``'s rows added up (..., L + 1); nan where fewer than two
    labels occur."""
    chosen, agreeing = sums[..., :-1], sums[..., -1]
    total = chosen.sum(axis=-1)
    by_chance = total**2 - (chosen**2).sum(axis=-1)
    several = by_chance > 0
    ratio = (total - 1) * (total - agreeing) / np.where(several, by_chance, 1)
    alpha: NDArray[np.float64] = np.where(several, 1 - ratio, np.nan)
    return alpha


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
    value = None if reason else float(compute_alpha(sum_up(counts).sum(axis=0)))
    return {"value": value, "reason": reason}


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
    groups, documents = number_groups(owners)
    by_document = np.zeros((documents, counts.shape[1] + 1))
    np.add.at(by_document, groups, sum_up(counts))
    reason = measure_alpha(counts)["reason"]
    if reason is None and documents < 2:
        reason = "all pairs of two or more coders are in one document, and documents are drawn"
    result: dict[str, Any] = {
        "low": None,
        "high": None,
        "reason": reason,
        "level": LEVEL,
        "documents": documents,
        "resamples": resamples,
        "without_alpha": 0,
        "seed": seed,
    }
    if reason is not None:
        return result
    draws = np.random.default_rng(seed).multinomial(
        documents, np.full(documents, 1 / documents), size=resamples
    )
    alphas = compute_alpha(draws.astype(np.float64) @ by_document)
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
