"""How well a model does on documents with gold stances, beside what the baselines do there.

Every pair of actor and target is predicted; those with a gold stance are scored. An actor that the
text does not name is scored like any other, as leaving it out would flatter the model.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from stance.abstention import score_abstention
from stance.baselines import fit_baseline, sample_documents, tabulate_pairs
from stance.intervals import estimate_intervals
from stance.metrics import (
    bin_confidence,
    encode_labels,
    restrict_probabilities,
    score_direction,
    score_labels,
    score_probabilities,
)
from stance.schema import LABELS, Actor, Document, Prediction, StanceLabel, Target

logger = logging.getLogger(__name__)

METRICS_FILE, PREDICTIONS_FILE = "metrics.json", "predictions.jsonl"
DOCUMENTS_PER_CALL = 256
"""Enough for the classifier to sort by length, few enough for a progress bar to move."""
SECONDS_BETWEEN_LINES = 60.0
"""Of progress, where there is no terminal to show a bar."""


class Classifier(Protocol):
    """What is evaluated; ``StanceClassifier`` is one."""

    def predict(self, documents: Iterable[Document]) -> list[Prediction]:
        """Predictions in the order document, target, actor."""


@dataclass(frozen=True)
class EvaluationResult:
    """``metrics`` as in metrics.json; ``rows`` as in predictions.jsonl, one per pair."""

    metrics: dict[str, Any]
    rows: list[dict[str, Any]]


@dataclass(frozen=True)
class TrainingData:
    """The documents that baselines are trained on, and where they come from."""

    corpus: str
    split: str
    documents: Sequence[Document]


def evaluate_documents(
    classifier: Classifier,
    documents: Sequence[Document],
    candidate_labels: Sequence[str] | None = None,
    show_progress: bool = False,
) -> EvaluationResult:
    """Predict all pairs and score the labelled ones; arguments as in ``score_predictions``.

    Raises:
        ValueError: if no pair has a gold stance (before anything is predicted), or as
            ``score_predictions``.
    """
    check_gold(documents, candidate_labels)
    return score_predictions(
        documents, predict_pairs(classifier, documents, show_progress), candidate_labels
    )


def predict_pairs(
    classifier: Classifier,
    documents: Sequence[Document],
    show_progress: bool = False,
    documents_per_call: int = DOCUMENTS_PER_CALL,
) -> list[Prediction]:
    """The classifier's predictions; documents without actors or targets ask for none."""
    from tqdm import tqdm

    asked = [document for document in documents if document.actors and document.targets]
    predictions: list[Prediction] = []
    # disable=None: no bar where the output is not a terminal.
    disable = None if show_progress else True
    with tqdm(total=len(asked), unit="text", desc="predicting", disable=disable) as bar:
        said = time.monotonic()
        for start in range(0, len(asked), documents_per_call):
            part = asked[start : start + documents_per_call]
            predictions += classifier.predict(part)
            bar.update(len(part))
            if show_progress and bar.disable and time.monotonic() - said > SECONDS_BETWEEN_LINES:
                said = time.monotonic()
                logger.info("%d of %d texts predicted", start + len(part), len(asked))
    return predictions


def group_predictions(
    documents: Iterable[Document], predictions: Iterable[Prediction]
) -> list[list[Prediction]]:
    """Those of each document out of what ``predict_pairs`` gives for all."""
    waiting = iter(predictions)
    return [
        [next(waiting) for _ in range(len(document.actors) * len(document.targets))]
        for document in documents
    ]


def score_predictions(
    documents: Sequence[Document],
    predictions: Sequence[Prediction],
    candidate_labels: Sequence[str] | None = None,
    bins: int = 15,
) -> EvaluationResult:
    """Score predictions in the order document, target, actor against the gold of the documents.

    Args:
        candidate_labels: for a corpus that cannot contain a class, the labels to choose among: the
            verdict becomes the likeliest of them, with renormalised probabilities, in the scores
            and in the rows. None leaves the predictions as they are.
        bins: of the expected calibration error.

    Raises:
        ValueError: if no pair has a gold stance, a gold label is not a candidate, or predictions
            and pairs do not correspond one to one.
    """
    check_gold(documents, candidate_labels)
    pairs = list(iter_pairs(documents))
    check_alignment(pairs, predictions)
    evidence = score_evidence(documents, predictions)
    if candidate_labels is not None:
        predictions = restrict_predictions(predictions, candidate_labels)
    gold = [document.labels.get((actor.id, target.id)) for document, target, actor in pairs]
    scored = [index for index, label in enumerate(gold) if label is not None]
    truth = [str(gold[index]) for index in scored]
    probabilities = [predictions[index].probabilities for index in scored]
    metrics = score_labels(truth, [str(predictions[index].label) for index in scored])
    metrics["direction"] = score_direction(truth, probabilities)
    metrics["calibration"] = score_probabilities(probabilities, encode_labels(truth), bins)
    metrics |= evidence
    metrics["candidate_labels"] = None if candidate_labels is None else list(candidate_labels)
    metrics["counts"] = {
        "documents": len(documents),
        "pairs": len(pairs),
        "labelled": len(scored),
        "unlabelled": len(pairs) - len(scored),
        "author": sum(actor.author for _, _, actor in pairs),
        "not_mentioned": sum(
            not actor.author and not prediction.mentions
            for (_, _, actor), prediction in zip(pairs, predictions, strict=True)
        ),
        "abstained": sum(prediction.abstained for prediction in predictions),
        "with_warnings": sum(bool(prediction.warnings) for prediction in predictions),
    }
    rows = [
        prediction.to_row() | {"gold": None if label is None else label.value}
        for prediction, label in zip(predictions, gold, strict=True)
    ]
    return EvaluationResult(metrics, rows)


def score_evidence(
    documents: Iterable[Document], predictions: Iterable[Prediction]
) -> dict[str, Any]:
    """``evidence_hit_rate``: how often the first piece of predicted evidence touches some of the
    annotated one, over the pairs that have it (``evidence_n``); None without any.

    A stance that was taken for none, and so has no evidence, is a miss. A choice among candidate
    labels changes nothing here.
    """
    waiting = iter(predictions)
    hits = []
    for document in documents:
        gold = document.evidence
        for _, target, actor in iter_pairs([document]):
            shown = next(waiting).evidence[:1]
            pieces = gold.get((actor.id, target.id), ())
            if pieces:
                hits.append(
                    any(
                        piece.start < top["end"] and top["start"] < piece.end
                        for top in shown
                        for piece in pieces
                    )
                )
    return {
        "evidence_hit_rate": sum(hits) / len(hits) if hits else None,
        "evidence_n": len(hits),
    }


def assess_rows(rows: Iterable[Mapping[str, Any]], seed: int = 0) -> dict[str, Any]:
    """How sure the scores of some rows of predictions.jsonl are (``intervals``), and what their
    confidence is good for (``abstention``, ``reliability``); rows without gold are left out.

    Raises:
        ValueError: if no row has a gold label.
    """
    rows = [row for row in rows if row["gold"] is not None]
    gold, labels = [row["gold"] for row in rows], [row["label"] for row in rows]
    probabilities = np.array([[row[f"p_{label}"] for label in LABELS] for row in rows])
    right = [given == truth for given, truth in zip(labels, gold, strict=True)]
    documents = [row["document_id"] for row in rows]
    return {
        "intervals": estimate_intervals(gold, labels, documents, probabilities, seed=seed),
        "abstention": score_abstention(probabilities.max(axis=1), right),
        "reliability": bin_confidence(probabilities, encode_labels(gold)),
    }


def score_baselines(
    names: Sequence[str],
    training: TrainingData,
    documents: Sequence[Document],
    candidate_labels: Sequence[str] | None = None,
    max_pairs: int = 20_000,
    seed: int = 0,
) -> dict[str, EvaluationResult]:
    """Train each baseline and score it on the labelled pairs, as ``score_predictions`` does.

    The metrics also say what each was ``trained_on``: corpus, split and ``n`` labelled pairs (at
    most ``max_pairs``, drawn by whole documents). There are rows for labelled pairs only.

    Raises:
        ValueError: for an unknown baseline, or without gold to train on or to score.
    """
    if not names:
        return {}
    check_gold(documents, candidate_labels)
    learned = tabulate_pairs(sample_documents(training.documents, max_pairs, seed))
    table = tabulate_pairs(documents)
    labelled = table["label"].notna()
    table, truth = table[labelled], table["label"][labelled].tolist()
    pairs = [pair for pair, has in zip(iter_pairs(documents), labelled, strict=True) if has]
    results = {}
    for name in names:
        baseline = fit_baseline(name, learned, seed)
        probabilities = baseline.predict_probabilities(table)
        if candidate_labels is not None:
            probabilities = restrict_probabilities(probabilities, candidate_labels)
        predicted = [LABELS[index] for index in probabilities.argmax(axis=1)]
        metrics = score_labels(truth, predicted) | {
            "direction": score_direction(truth, probabilities),
            "calibration": score_probabilities(probabilities, encode_labels(truth)),
            "trained_on": {"corpus": training.corpus, "split": training.split, "n": baseline.n},
        }
        rows = [
            {
                "document_id": document.id,
                "actor_id": actor.id,
                "target_id": target.id,
                "label": label,
                **{f"p_{name}": float(p) for name, p in zip(LABELS, row, strict=True)},
                "gold": gold,
            }
            for (document, target, actor), label, row, gold in zip(
                pairs, predicted, probabilities, truth, strict=True
            )
        ]
        results[name] = EvaluationResult(metrics, rows)
    return results


def restrict_predictions(
    predictions: Sequence[Prediction], candidate_labels: Sequence[str]
) -> list[Prediction]:
    """The predictions with label, probabilities and confidence for a choice of candidates only; a
    pair that becomes ``none`` has no evidence any more."""
    if not predictions:
        return []
    probabilities = restrict_probabilities(
        [prediction.probabilities for prediction in predictions], candidate_labels
    )
    restricted = []
    for prediction, row in zip(predictions, probabilities, strict=True):
        label = StanceLabel(LABELS[int(row.argmax())])
        restricted.append(
            prediction.model_copy(
                update={
                    "label": label,
                    "probabilities": tuple(row.tolist()),
                    "confidence": float(row.max()),
                    "evidence": () if label is StanceLabel.NONE else prediction.evidence,
                }
            )
        )
    return restricted


def iter_pairs(documents: Iterable[Document]) -> Iterator[tuple[Document, Target, Actor]]:
    """All pairs in the order of predictions: document, then target, then actor."""
    for document in documents:
        for target in document.targets:
            for actor in document.actors:
                yield document, target, actor


def check_gold(documents: Iterable[Document], candidate_labels: Sequence[str] | None) -> None:
    """See that there is something to score, and that candidates (if given) can be right.

    Raises:
        ValueError: if not.
    """
    stances = [(document, stance) for document in documents for stance in document.stances]
    if not stances:
        raise ValueError(
            "nothing to score: no document has a stance; give gold labels in the field stances, "
            'such as {"actor": "a1", "target": "t1", "label": "favor"}'
        )
    if candidate_labels is None:
        return
    encode_labels(candidate_labels)
    for document, stance in stances:
        if stance.label.value not in candidate_labels:
            raise ValueError(
                f"document {document.id!r} has the gold label {stance.label.value!r}, which is not "
                f"among the candidate labels {list(candidate_labels)}; add it, or set labels=null"
            )


def check_alignment(
    pairs: Sequence[tuple[Document, Target, Actor]], predictions: Sequence[Prediction]
) -> None:
    """See that the predictions are those of the pairs, in their order.

    Raises:
        ValueError: if not; it names the first that differs.
    """
    if len(pairs) != len(predictions):
        raise ValueError(f"{len(pairs)} pairs of actor and target, {len(predictions)} predictions")
    for (document, target, actor), prediction in zip(pairs, predictions, strict=True):
        asked = (document.id, target.id, actor.id)
        given = (prediction.document_id, prediction.target_id, prediction.actor_id)
        if asked != given:
            raise ValueError(
                f"predictions must come by document, target, actor: expected {asked}, got {given}"
            )


def describe_versions() -> dict[str, str]:
    """Versions of the packages that can change a score; those not installed are left out."""
    versions = {}
    for name in ("stance", "torch", "transformers", "scikit-learn", "numpy"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def hash_documents(documents: Iterable[Document]) -> str:
    """SHA-256 of the documents' JSON lines, the same wherever the documents were read from."""
    digest = hashlib.sha256()
    for document in documents:
        digest.update(document.model_dump_json().encode("utf-8") + b"\n")
    return digest.hexdigest()


def hash_file(path: str | Path) -> str:
    """SHA-256 of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_evaluation(
    result: EvaluationResult, directory: str | Path, context: Mapping[str, Any] | None = None
) -> tuple[Path, Path]:
    """Write metrics.json (with the entries of ``context`` added) and predictions.jsonl.

    Files of an earlier evaluation in the directory are replaced.

    Returns:
        The paths of the two files.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    metrics, predictions = directory / METRICS_FILE, directory / PREDICTIONS_FILE
    with predictions.open("w", encoding="utf-8", newline="\n") as lines:
        for row in result.rows:
            lines.write(json.dumps(row, ensure_ascii=False) + "\n")
    text = json.dumps(result.metrics | dict(context or {}), ensure_ascii=False, indent=2)
    metrics.write_text(text + "\n", encoding="utf-8")
    return metrics, predictions
