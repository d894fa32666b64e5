"""Does a verdict rest on the sentences that are shown for it?

Their words are taken out of the text, and the probability of the predicted label is looked at
again; as many sentences at random are taken out for comparison. This is the "comprehensiveness" of
DeYoung et al. 2020, "ERASER: A Benchmark to Evaluate Rationalized NLP Models". The actor's mentions
in a sentence stay, as otherwise a text without the actor would be asked about.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any

from stance.evaluation import Classifier, predict_pairs
from stance.schema import LABELS, Actor, Document, Mention, Prediction, StanceLabel, Target
from stance.sentences import split_sentences

MAX_PAIRS = 150
"""So many verdicts, drawn at random, are looked at: each costs two texts."""
LEAST_DROP = 0.001
"""The ratio takes random sentences to cost at least this: they can cost nothing, or less."""


def measure_faithfulness(
    classifier: Classifier,
    documents: Iterable[Document],
    predictions: Sequence[Prediction],
    seed: int = 0,
    max_pairs: int = MAX_PAIRS,
) -> dict[str, Any]:
    """How far the probability of verdicts falls without their evidence, ready for metrics.json.

    Only verdicts other than none count, in texts that have at least as many sentences beside the
    evidence as in it.

    Args:
        predictions: of ``predict_pairs`` for these documents.

    Returns:
        ``evidence_removed_drop`` and ``random_removed_drop``, mean differences of probabilities;
        ``evidence_faithfulness_ratio``, the first over the second, or over ``LEAST_DROP`` where
        that is more; ``evidence_faithfulness_n``, pairs. All but the last are None without pairs.
    """
    draw = random.Random(seed)
    found = {(p.document_id, p.actor_id, p.target_id): p for p in predictions}
    candidates = [
        (document, actor, target, prediction)
        for document in documents
        for target in document.targets
        for actor in document.actors
        if (prediction := found[document.id, actor.id, target.id]).label != StanceLabel.NONE
        and prediction.evidence
        and actor.mentions
    ]
    draw.shuffle(candidates)
    without: list[tuple[Document, Document]] = []
    kept: list[Prediction] = []
    for document, actor, target, prediction in candidates:
        if len(kept) == max_pairs:
            break
        evidence = [(piece["start"], piece["end"]) for piece in prediction.evidence]
        others = [
            sentence
            for sentence in split_sentences(document.text)
            if document.text[slice(*sentence)].strip() and not touches(sentence, evidence)
        ]
        if len(others) < len(evidence):
            continue
        chosen = draw.sample(others, len(evidence))
        number = str(len(kept))
        without.append(
            (
                remove_spans(document, actor, target, evidence, f"e{number}"),
                remove_spans(document, actor, target, chosen, f"r{number}"),
            )
        )
        kept.append(prediction)
    result: dict[str, Any] = {
        "evidence_removed_drop": None,
        "random_removed_drop": None,
        "evidence_faithfulness_ratio": None,
        "evidence_faithfulness_n": len(kept),
    }
    if not kept:
        return result
    after = predict_pairs(classifier, [document for pair in without for document in pair])
    drops: dict[str, float] = {}
    for name, changed in (("evidence", after[::2]), ("random", after[1::2])):
        falls = [
            label_probability(before, before.label) - label_probability(now, before.label)
            for before, now in zip(kept, changed, strict=True)
        ]
        drops[name] = sum(falls) / len(falls)
        result[f"{name}_removed_drop"] = drops[name]
    result["evidence_faithfulness_ratio"] = drops["evidence"] / max(drops["random"], LEAST_DROP)
    return result


def touches(sentence: tuple[int, int], spans: Iterable[tuple[int, int]]) -> bool:
    """Whether a sentence shares characters with one of the spans."""
    return any(sentence[0] < end and start < sentence[1] for start, end in spans)


def label_probability(prediction: Prediction, label: StanceLabel) -> float:
    """The probability that a prediction gives to a label."""
    return prediction.probabilities[LABELS.index(label)]


def remove_spans(
    document: Document,
    actor: Actor,
    target: Target,
    spans: Iterable[tuple[int, int]],
    document_id: str,
) -> Document:
    """The document with one actor and target, and without the words of some stretches of its text
    but for the actor's mentions."""
    gaps = sorted(spans)
    kept: list[tuple[int, int]] = []
    place = 0
    for start, end in gaps:
        kept.append((place, start))
        kept += [(m.start, m.end) for m in actor.mentions if start <= m.start and m.end <= end]
        place = end
    kept.append((place, len(document.text)))
    text, mentions = "", []
    for start, end in kept:
        piece = document.text[start:end]
        if text and piece and not text[-1].isspace() and not piece[0].isspace():
            text += " "
        mentions += [
            Mention(start=m.start - start + len(text), end=m.end - start + len(text))
            for m in actor.mentions
            if start <= m.start and m.end <= end
        ]
        text += piece
    return Document(
        id=document_id,
        text=text,
        actors=(actor.model_copy(update={"mentions": tuple(mentions)}),),
        targets=(target,),
    )
