"""Show an evaluation in a terminal: a table of the systems, and what its reader has to know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table

from stance.report import list_failures, list_systems


def describe_scored(metrics: Mapping[str, Any]) -> str:
    """What was scored, in a line for a rich console."""
    data = metrics["data"]
    where = data["path"] if data["corpus"] is None else f"{data['corpus']} {data['split']}"
    return escape(f"{where}: {metrics['n']:,} labelled pairs")


def build_table(metrics: Mapping[str, Any]) -> Table:
    """Model, baselines and other systems, one a row: macro-F1 with its 95 % interval, accuracy, F1
    by class with its gold count."""
    table = Table()
    table.add_column("")
    for name in ("macro-F1", "95 %", "accuracy"):
        table.add_column(name, justify="right", no_wrap=True)
    for label in metrics["labels"]:
        support = metrics["per_class"][label]["support"]
        table.add_column(f"{label}\n{support:,}", justify="right", no_wrap=True)
    for name, scores in list_systems(metrics).items():
        by_class = [
            "-"
            if label in scores["classes_left_out"]
            else f"{scores['per_class'][label]['f1']:.3f}"
            for label in scores["labels"]
        ]
        ends = scores["intervals"]["macro_f1"]
        table.add_row(
            escape(name),
            f"{scores['macro_f1']:.3f}",
            f"{ends[0]:.3f}-{ends[1]:.3f}" if ends else "-",
            f"{scores['accuracy']:.3f}",
            *by_class,
        )
    return table


def list_notes(metrics: Mapping[str, Any]) -> list[str]:
    """What a reader of the table has to know: classes left out, pairs not scored, calibration,
    systems that failed."""
    counts, calibration = metrics["counts"], metrics["calibration"]
    notes = [
        f"{counts['documents']:,} texts, {counts['pairs']:,} pairs, of which "
        f"{counts['unlabelled']:,} unlabelled (predicted, not scored) and "
        f"{counts['not_mentioned']:,} of actors that the text does not mention",
        f"calibration: ECE {calibration['ece']:.3f}, Brier {calibration['brier']:.3f}, "
        f"NLL {calibration['nll']:.3f}",
        "Krippendorff's alpha with the gold: "
        + ("not defined" if metrics["alpha"] is None else f"{metrics['alpha']:.3f}"),
    ]
    for name, scores in list(list_systems(metrics).items())[1:]:
        against = scores["against_model"]["macro_f1"]
        if against["interval"]:
            low, high = against["interval"]
            notes.append(
                f"macro-F1 against {name}: {against['difference']:+.3f} [{low:+.3f}, {high:+.3f}], "
                f"p = {against['p_value']:.4f}"
            )
    notes += [f"{name} failed: {error}" for name, error in list_failures(metrics).items()]
    if metrics["intervals"]["documents"] < 2:
        notes.append("all pairs are of one text: no intervals")
    if metrics["direction"] is not None:
        direction = metrics["direction"]
        baselines = ", ".join(
            f"{name} {scores['direction']['macro_f1']:.3f}"
            for name, scores in metrics["baselines"].items()
        )
        notes.append(
            f"favor or against, where the gold is one of them ({direction['n']:,} pairs): macro-F1 "
            f"{direction['macro_f1']:.3f}" + (f"; {baselines}" if baselines else "")
        )
    if metrics["evidence_n"]:
        notes.append(
            f"evidence: the first sentence touches an annotated one in "
            f"{metrics['evidence_hit_rate']:.1%} of {metrics['evidence_n']:,} pairs "
            "(a stance taken for none is a miss)"
        )
    if metrics["evidence_faithfulness_n"]:
        notes.append(
            f"without the evidence the probability of the verdict falls by "
            f"{metrics['evidence_removed_drop']:.3f}, without as many other sentences by "
            f"{metrics['random_removed_drop']:.3f} "
            f"({metrics['evidence_faithfulness_n']:,} verdicts)"
        )
    if "actor_mention_f1" in metrics:
        notes.append(
            f"actors found in the texts: mentions F1 {metrics['actor_mention_f1']:.3f}, actors "
            f"CoNLL F1 {metrics['actor_conll_f1']:.3f}; stances end to end, micro-F1 "
            f"{metrics['end_to_end_micro_f1']:.3f} (with the given actors "
            f"{metrics['given_actors']['end_to_end_micro_f1']:.3f})"
        )
    if "robustness" in metrics:
        notes += describe_robustness(metrics["robustness"])
    if metrics["candidate_labels"] is not None:
        notes.append(f"the choice was among {', '.join(metrics['candidate_labels'])} only")
    if metrics["classes_left_out"]:
        left_out = ", ".join(metrics["classes_left_out"])
        notes.append(f"not in the gold and left out of macro-F1: {left_out}")
    return notes


def describe_robustness(robustness: Mapping[str, Any]) -> list[str]:
    """The checks in words, a line each."""

    def rate(name: str) -> str:
        value = robustness[name]
        count = robustness[f"{name}_n"]
        return "nothing to check" if value is None else f"{value:.1%} of {count:,} pairs"

    return [
        f"target turned round, label turned round: {rate('target_negation_mirrored')}",
        f"two persons exchange names, and labels: {rate('actor_swap_consistent')}",
        f"persons renamed, label changes: {rate('name_replacement_changed')}",
        f"macro-F1 without the text {robustness['text_removed_macro_f1']:.3f}, without the target "
        f"{robustness['target_removed_macro_f1']:.3f}; best without reading "
        f"{robustness['content_free_macro_f1']:.3f}",
    ]


def describe_difference(found: Mapping[str, Any]) -> str:
    """A difference with interval and p-value, as far as there are any."""
    if found["interval"] is None:
        return f", difference {found['difference']:+.3f}; all pairs are of one text, so no interval"
    low, high = found["interval"]
    return f", difference {found['difference']:+.3f} \\[{low:+.3f}, {high:+.3f}], p = " + (
        f"{found['p_value']:.4f}"
    )
