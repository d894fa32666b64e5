"""A model card in the layout of the Hugging Face Hub, filled from a manifest and metrics files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stance.schema import LABELS

CARD_FILE = "README.md"
MEANINGS = {
    "favor": "the actor supports the target: says so, demands it, votes or acts for it",
    "against": "the actor opposes it",
    "neutral": "the actor speaks to the target and takes no side",
    "none": "the text shows no stance of this actor on this target",
}


CHECKS = {
    "target_negation_mirrored": "the label turns round with the target",
    "actor_swap_consistent": "labels follow two persons who exchange names",
    "name_replacement_changed": "a label changes when a person gets an invented name",
}
"""The robustness checks of metrics.json, in words."""


def write_model_card(
    directory: str | Path,
    *,
    name: str,
    base_model: str,
    license_id: str,
    manifest: Mapping[str, Any],
    evaluations: Sequence[Mapping[str, Any]],
    tags: Sequence[str] = ("stance-detection", "german", "news", "political-text"),
    limitations: Sequence[str] = (),
) -> Path:
    """Write ``directory/README.md``.

    Args:
        base_model: what was fine-tuned: a hub id, or the name of a shipped base.
        license_id: SPDX id or hub name of the weights' licence, such as ``mit``.
        manifest: how the model was trained; nested mappings become rows ``outer.inner``.
        evaluations: contents of metrics.json files, each with its ``data`` entry.
        limitations: sentences on what the model should not be trusted with.

    Returns:
        The path of the card.

    Raises:
        ValueError: if an evaluation lacks an entry that the card shows.
    """
    from huggingface_hub import EvalResult, ModelCardData

    results = []
    for evaluation in evaluations:
        missing = {"macro_f1", "accuracy", "per_class", "n", "data"} - evaluation.keys()
        if missing:
            raise ValueError(f"an evaluation has no {', '.join(sorted(missing))}; see metrics.json")
        for metric, key, title in (("f1", "macro_f1", "macro-F1"), ("accuracy", "accuracy", None)):
            results.append(
                EvalResult(
                    task_type="text-classification",
                    task_name="actor stance",
                    dataset_type=_corpus(evaluation),
                    dataset_name=_corpus(evaluation),
                    dataset_split=evaluation["data"].get("split"),
                    metric_type=metric,
                    metric_name=title,
                    metric_value=round(evaluation[key], 4),
                )
            )
    header = ModelCardData(
        language="de",
        license=license_id,
        library_name="transformers",
        pipeline_tag="text-classification",
        base_model=base_model,
        tags=list(tags),
        metrics=["f1", "accuracy"],
        model_name=name if results else None,
        eval_results=results or None,
    )
    sections = [
        f"---\n{header.to_yaml().strip()}\n---\n\n# {name}",
        "Given a German text, an actor and a target, the model says which stance *the text* shows "
        "the actor to take on the target. It reads a text once for all of its actors.",
        "## Labels\n\n" + _table(("label", "meaning"), list(MEANINGS.items())),
        "## Use\n\n```python\nfrom stance import StanceClassifier\n\n"
        f'classifier = StanceClassifier.from_pretrained("{name}")\n'
        'classifier.predict(text, targets=["Das Tempolimit soll kommen."], actors=["Eva Holm"])\n'
        "```",
        "## Scores\n\n" + tabulate_scores(evaluations),
        "## Training\n\n"
        + f"Fine-tuned from `{base_model}`.\n\n"
        + (_table(("", ""), _flatten(manifest)) if manifest else "No manifest was kept."),
    ]
    if limitations:
        sections.append("## Limitations\n\n" + "\n".join(f"- {line}" for line in limitations))
    path = Path(directory) / CARD_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join(sections) + "\n", encoding="utf-8")
    return path


def tabulate_scores(evaluations: Sequence[Mapping[str, Any]]) -> str:
    """A Markdown table of the contents of metrics.json files, with their baselines."""
    if not evaluations:
        return "Not evaluated."
    rows: list[tuple[str, ...]] = []
    for evaluation in evaluations:
        where = f"{_corpus(evaluation)} {evaluation['data'].get('split') or ''}".strip()
        rows.append((where, "**this model**", *_score_cells(evaluation)))
        for name, scores in evaluation.get("baselines", {}).items():
            rows.append((where, name, *_score_cells(scores)))
    by_class = (f"F1 {label}" for label in LABELS)
    heads = ("data", "model", "macro-F1", "accuracy", *by_class, "favor/against", "ECE", "n")
    notes = [
        "Macro-F1 is the mean over the classes that occur in the gold; the others show as -. "
        "favor/against is macro-F1 between these two alone, where the gold is one of them. "
        "ECE is the calibration error of the probabilities.",
        *(_describe_checks(evaluation) for evaluation in evaluations),
    ]
    return "\n\n".join([_table(heads, rows), *(note for note in notes if note)])


def _describe_checks(evaluation: Mapping[str, Any]) -> str:
    """Evidence and robustness of an evaluation in a sentence; empty where neither was measured."""
    parts = []
    if evaluation.get("evidence_n"):
        parts.append(
            f"the first sentence shown as evidence touches an annotated one in "
            f"{evaluation['evidence_hit_rate']:.1%} of {evaluation['evidence_n']:,} pairs "
            "(a missed stance is a miss)"
        )
    robustness = evaluation.get("robustness", {})
    for name, words in CHECKS.items():
        if robustness.get(name) is not None:
            parts.append(f"{words} in {robustness[name]:.1%} of {robustness[f'{name}_n']:,} pairs")
    where = f"{_corpus(evaluation)} {evaluation['data'].get('split') or ''}".strip()
    return f"On {where}, {'; '.join(parts)}." if parts else ""


def _score_cells(scores: Mapping[str, Any]) -> list[str]:
    by_class = [
        f"{scores['per_class'][label]['f1']:.3f}" if scores["per_class"][label]["support"] else "-"
        for label in LABELS
    ]
    direction, calibration = scores.get("direction"), scores.get("calibration")
    return [
        f"{scores['macro_f1']:.3f}",
        f"{scores['accuracy']:.3f}",
        *by_class,
        f"{direction['macro_f1']:.3f}" if direction else "-",
        f"{calibration['ece']:.3f}" if calibration else "-",
        f"{scores['n']:,}",
    ]


def _corpus(evaluation: Mapping[str, Any]) -> str:
    data = evaluation["data"]
    return data.get("corpus") or Path(str(data.get("path") or "documents")).name


def _flatten(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            rows += _flatten(value, f"{prefix}{key}.")
        elif value is not None:
            rows.append(
                (f"{prefix}{key}", f"{value:.6g}" if isinstance(value, float) else f"{value}")
            )
    return rows


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |"
        for line in lines
    )
