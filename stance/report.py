"""The evaluation as one page: scores with intervals, plots, slices, and the worst errors to read.

The page needs no network and no script, so it can be sent by mail, printed and archived beside a
paper. Everything on it stands in metrics.json, slices.csv and predictions.jsonl as well.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stance.abstention import trace_risk
from stance.evaluation import iter_pairs
from stance.model_card import CHECKS
from stance.schema import LABELS, Document, Mention
from stance.sentences import split_sentences
from stance.slices import Slice

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REPORT_FILE = "report.html"
TEMPLATE = "evaluation.html"
WORST_ERRORS = 20
SLICES_SHOWN = 40
"""Of each property; slices.csv has all."""
PLOT_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be searched, and takes the page's font
    "svg.hashsalt": "stance",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#777777"
"""Colours that the colour-blind can tell apart (Okabe and Ito)."""


@dataclass(frozen=True)
class Error:
    """A wrong verdict to read: ``passage`` is text in pieces, each with the names of its marks
    (``mention``, ``shown`` for the model's evidence, ``annotated`` for the gold's)."""

    document: str
    actor: str
    target: str
    gold: str
    label: str
    confidence: float
    passage: Sequence[tuple[str, str]]


def write_report(
    path: str | Path,
    metrics: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    documents: Sequence[Document],
    slices: Sequence[Slice],
) -> None:
    """Write the page.

    Args:
        metrics: as in metrics.json, all of it.
        rows: as in predictions.jsonl, in the order of ``iter_pairs`` of the documents.
        slices: as ``stance.slices.score_slices`` gives them.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("stance"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    by_property: dict[str, list[Slice]] = {}
    for one in slices:
        by_property.setdefault(one.property, []).append(one)
    page = environment.get_template(TEMPLATE).render(
        metrics=metrics,
        systems=list_systems(metrics),
        failures=list_failures(metrics),
        labels=LABELS,
        checks=CHECKS,
        slices=by_property,
        slices_shown=SLICES_SHOWN,
        errors=find_worst_errors(documents, rows),
        plots=draw_plots(metrics, rows),
    )
    Path(path).write_text(page, encoding="utf-8")


def list_systems(metrics: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The scores of the model, the baselines and other systems, by name, the model first; systems
    that failed have none."""
    others = {name: found for name, found in metrics["systems"].items() if "error" not in found}
    return {metrics["model"]["name"]: metrics, **metrics["baselines"], **others}


def list_failures(metrics: Mapping[str, Any]) -> dict[str, str]:
    """What went wrong with the systems that failed, by name."""
    return {name: found["error"] for name, found in metrics["systems"].items() if "error" in found}


def find_worst_errors(
    documents: Iterable[Document], rows: Sequence[Mapping[str, Any]], count: int = WORST_ERRORS
) -> list[Error]:
    """The wrong verdicts of which the model was surest, the surest first.

    Args:
        rows: as in predictions.jsonl, in the order of ``iter_pairs`` of the documents.
    """
    wrong = [
        (row, pair)
        for row, pair in zip(rows, iter_pairs(documents), strict=True)
        if row["gold"] is not None and row["gold"] != row["label"]
    ]
    wrong.sort(key=lambda item: -item[0]["confidence"])
    return [
        Error(
            document=document.id,
            actor=actor.name,
            target=target.text,
            gold=row["gold"],
            label=row["label"],
            confidence=row["confidence"],
            passage=cut_passage(
                document.text,
                mention=actor.mentions,
                shown=[Mention(start=e["start"], end=e["end"]) for e in row["evidence"]],
                annotated=document.evidence.get((actor.id, target.id), ()),
            ),
        )
        for row, (document, target, actor) in wrong[:count]
    ]


def cut_passage(text: str, **marks: Sequence[Mention]) -> list[tuple[str, str]]:
    """The sentences that some mark touches (the first two if there is none), in pieces with the
    names of the marks on each; ``…`` stands for what lies between."""
    spans = [span for group in marks.values() for span in group]
    sentences = list(split_sentences(text))
    kept = [
        (start, end)
        for start, end in sentences
        if any(span.start < end and start < span.end for span in spans)
    ] or sentences[:2]
    pieces: list[tuple[str, str]] = []
    last = 0
    for start, end in kept:
        if start > last:
            pieces.append((" … ", ""))
        cuts = {start, end} | {
            place for span in spans for place in (span.start, span.end) if start < place < end
        }
        ordered = sorted(cuts)
        for begin, finish in pairwise(ordered):
            names = [
                name
                for name, group in marks.items()
                if any(span.start <= begin and finish <= span.end for span in group)
            ]
            pieces.append((text[begin:finish], " ".join(names)))
        last = end
    return pieces


def draw_plots(metrics: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The plots as SVG elements, by name."""
    scored = [row for row in rows if row["gold"] is not None]
    confidence = np.array([max(row[f"p_{label}"] for label in LABELS) for row in scored])
    right = np.array([row["gold"] == row["label"] for row in scored])
    return {
        "systems": plot_systems(list_systems(metrics)),
        "reliability": plot_reliability(metrics["reliability"], len(scored)),
        "risk": plot_risk(confidence, right),
    }


def plot_systems(systems: Mapping[str, Mapping[str, Any]]) -> str:
    """Macro-F1 of the systems with their intervals, one below the other."""
    figure, axes = _start(5.6, 0.7 + 0.35 * len(systems))
    for place, scores in enumerate(systems.values()):
        colour = GREY if place else BLUE
        axes.plot(scores["macro_f1"], place, "o", color=colour)
        interval = scores["intervals"]["macro_f1"]
        if interval:
            axes.plot(interval, [place, place], "-", color=colour, linewidth=2)
    axes.set_yticks(range(len(systems)), list(systems))
    axes.set_ylim(len(systems) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.set_xlabel("macro-F1, with 95 % interval")
    return _finish(figure)


def plot_reliability(bins: Sequence[Mapping[str, float]], count: int) -> str:
    """Share of right verdicts against confidence; a point's area is its share of the pairs."""
    figure, axes = _start(3.4, 3.2)
    axes.plot([0, 1], [0, 1], "--", color=GREY, linewidth=1)
    confidence = [row["confidence"] for row in bins]
    accuracy = [row["accuracy"] for row in bins]
    axes.plot(confidence, accuracy, "-", color=BLUE, linewidth=1)
    axes.scatter(
        confidence, accuracy, [12 + 300 * row["n"] / count for row in bins], color=BLUE, alpha=0.7
    )
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="share of right verdicts")
    return _finish(figure)


def plot_risk(confidence: Any, right: Any) -> str:
    """Share of wrong verdicts among those kept, against the share that is kept."""
    _, coverage, risk = trace_risk(confidence, right)
    figure, axes = _start(3.4, 3.2)
    axes.plot(coverage, risk, "-", color=BLUE, drawstyle="steps-post")
    axes.axhline(risk[-1], linestyle="--", color=GREY, linewidth=1)
    axes.set(xlim=(0, 1), xlabel="share of pairs kept, the surest first")
    axes.set(ylim=(0, max(0.05, 1.1 * float(risk.max()))), ylabel="share wrong among them")
    return _finish(figure)


def _start(width: float, height: float) -> tuple[Figure, Any]:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(PLOT_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.add_subplot()


def _finish(figure: Figure) -> str:
    from matplotlib import rc_context

    file = io.StringIO()
    with rc_context(PLOT_STYLE):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    drawn = file.getvalue()
    return drawn[drawn.index("<svg") :]
