"""Show predictions in a terminal: for each text, who stands where."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import shorten

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from stance.schema import LABELS, Prediction

TARGETS_PER_TABLE = 3
QUOTE_WIDTH = 100
STYLES = {"favor": "green", "against": "red", "neutral": "yellow", "none": "dim"}


def print_predictions(texts: Sequence[Sequence[Prediction]], console: Console) -> None:
    """Print a table of actors x targets for each text, with its warnings below.

    Args:
        texts: the predictions of each text. Label and probability stand as words and numbers;
            colour only repeats them.
        console: of any width; long names and targets wrap.
    """
    for predictions in texts:
        for table in build_tables(predictions):
            console.print(table)
        for warning in list_warnings(predictions):
            console.print(Text(warning, style="italic"))
        console.print()


def build_tables(predictions: Sequence[Prediction]) -> list[Table]:
    """The tables of one text; more than ``TARGETS_PER_TABLE`` targets take more than one."""
    targets = {prediction.target_id: prediction.target for prediction in predictions}
    actors = {prediction.actor_id: prediction.actor for prediction in predictions}
    pairs = {(prediction.actor_id, prediction.target_id): prediction for prediction in predictions}
    ids = list(targets)
    tables = []
    for start in range(0, len(ids), TARGETS_PER_TABLE):
        columns = ids[start : start + TARGETS_PER_TABLE]
        title = escape(predictions[0].document_id)
        table = Table(title=title, title_justify="left", show_lines=True)
        table.add_column("actor", min_width=12, overflow="fold")
        for target_id in columns:
            table.add_column(escape(targets[target_id]), min_width=14, overflow="fold")
        for actor_id, name in actors.items():
            cells = [render_cell(pairs.get((actor_id, target_id))) for target_id in columns]
            table.add_row(Text(name), *cells)
        tables.append(table)
    return tables


def render_cell(prediction: Prediction | None) -> Text:
    """``favor 0.93`` and the beginning of the first piece of evidence; with a question mark where
    the model abstained, a star for a warning."""
    if prediction is None:
        return Text("")
    marks = ("?" if prediction.abstained else "") + ("*" if prediction.warnings else "")
    probability = prediction.probabilities[LABELS.index(prediction.label)]
    text = f"{prediction.label.value} {probability:.2f} {marks}".rstrip()
    cell = Text(text, style=STYLES[prediction.label.value])
    if prediction.evidence:
        quote = shorten(prediction.evidence[0]["text"], QUOTE_WIDTH, placeholder=" …")
        cell.append(f"\n{quote}", style="dim")
    return cell


def list_warnings(predictions: Sequence[Prediction]) -> list[str]:
    """``* actor: warning``, each once, in the order of the rows."""
    lines = [
        f"* {prediction.actor}: {warning}"
        for prediction in predictions
        for warning in prediction.warnings
    ]
    return list(dict.fromkeys(lines))
