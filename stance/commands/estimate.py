"""``stance-estimate``: predictions and a coded random sample in; shares with intervals out.

With ``draw=N`` it draws the sample instead, to be coded.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from stance.commands.overrides import quote_paths
from stance.documents import DocumentError, iter_documents, read_documents, write_documents
from stance.locations import config_dir
from stance.prediction_files import PredictionFileError, iter_predictions
from stance.shares import (
    ESTIMATES,
    PERIODS,
    PROBABILITY_KEY,
    SMALL_DOCUMENTS,
    add_periods,
    draw_documents,
    estimate_shares,
    match_gold,
    tabulate_predictions,
)

if TYPE_CHECKING:
    import pandas as pd

PATH_KEYS = ("predictions", "gold", "documents", "output")
TABLE_ENDINGS = (".csv", ".parquet", ".jsonl")
GROUPS_SHOWN = 20
"""Tables in the terminal; a file has all."""


@dataclass(frozen=True, kw_only=True)
class EstimateArguments:
    """What the command takes; ``configs/estimate.yaml`` sets the defaults.

    Raises:
        ValueError: if an argument is missing, has a value that cannot be right, or contradicts
            another; the message names it.
    """

    predictions: str
    """A file of predictions or a folder of shards, as ``stance.prediction_files`` reads it."""
    gold: str | None = None
    """Documents with gold stances, drawn at random from those predicted."""
    documents: str | None = None
    """File, directory or glob of the documents that were predicted, for ``period`` and ``draw``."""
    period: str | None = None
    """``year`` or ``month``, to group by date as well; None does not."""
    draw: int | None = None
    """How many documents to draw for coding, instead of estimating from ``gold``."""
    seed: int = 0
    """Of this draw."""
    output: str | None = None
    """The file of shares, which is replaced, None only shows them; with ``draw`` the file of drawn
    documents, which must not exist."""

    def __post_init__(self) -> None:
        for name in PATH_KEYS:
            value = getattr(self, name)
            if not isinstance(value, str | None):
                raise ValueError(f"{name} is {value!r}; give a path or null")
        if not self.predictions:
            raise ValueError("predictions is missing; give predictions=FILE, as predict wrote it")
        if (self.gold is None) == (self.draw is None):
            raise ValueError(
                "give either gold=FILE, the coded sample, or draw=N, to draw a sample for coding"
            )
        if self.period is not None and self.period not in PERIODS:
            raise ValueError(f"period is {self.period!r}; give {' or '.join(PERIODS)}, or null")
        for name, least in (("draw", 1), ("seed", 0)):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < least):
                raise ValueError(f"{name} is {value!r}; give a whole number from {least} up")
        if self.documents is None and (self.draw is not None or self.period is not None):
            what = f"draw={self.draw}" if self.draw is not None else f"period={self.period}"
            raise ValueError(f"{what} needs documents=FILE, all documents that were predicted")
        if self.draw is not None:
            if self.period is not None:
                raise ValueError(f"period is {self.period!r}, but draw draws from all documents")
            if self.output is None or not self.output.lower().endswith(".jsonl"):
                raise ValueError(f"output is {self.output!r}; draw needs output=FILE.jsonl")
        if self.output is not None:
            if Path(self.output).suffix.lower() not in TABLE_ENDINGS:
                raise ValueError(
                    f"output is {self.output!r}; it must end in {', '.join(TABLE_ENDINGS)}"
                )
            for name in PATH_KEYS[:-1]:
                given = getattr(self, name)
                if given is not None and Path(given).resolve() == Path(self.output).resolve():
                    raise ValueError(f"output {self.output} is also {name}; choose another path")


def main() -> None:
    """The console command; what is wrong with arguments or data is one line and exit status 1."""
    sys.argv[1:] = quote_paths(sys.argv[1:], PATH_KEYS)
    run_from_config()


@hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="estimate")
def run_from_config(config: DictConfig) -> None:
    try:
        arguments = build_arguments(config)
        run = estimate if arguments.draw is None else draw
        run(arguments, Console())
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from error


def build_arguments(config: DictConfig) -> EstimateArguments:
    """Typed arguments from a composed ``estimate.yaml``; errors as ``EstimateArguments``."""
    values: Any = OmegaConf.to_container(config, resolve=True)
    return EstimateArguments(**values)


def estimate(arguments: EstimateArguments, console: Console) -> None:
    """Estimate the shares, write them, and print tables with notes.

    Raises:
        ValueError: for files that cannot be read (DocumentError and PredictionFileError among
            them) or do not belong together.
        OSError: for files that are not there or cannot be written.
    """
    assert arguments.gold is not None
    with naming(arguments.predictions):
        pairs = tabulate_predictions(iter_predictions(arguments.predictions))
    with naming(arguments.gold):
        pairs = match_gold(pairs, read_documents(arguments.gold))
    if arguments.period is not None:
        assert arguments.documents is not None
        with naming(arguments.documents):
            pairs = add_periods(pairs, iter_documents(arguments.documents), arguments.period)
    shares = estimate_shares(pairs)
    for table in build_tables(shares):
        console.print(table)
    drawn = pairs.loc[pairs[PROBABILITY_KEY].notna(), "document_id"].nunique()
    console.print(
        f"{pairs['document_id'].nunique():,} texts with {len(pairs):,} pairs predicted; "
        f"{drawn:,} of the texts drawn, with {pairs['gold'].notna().sum():,} coded pairs"
    )
    for note in list_notes(shares):
        console.print(escape(note))
    if arguments.output is not None:
        write_table(shares, Path(arguments.output))
        console.print(f"written: {escape(arguments.output)}", soft_wrap=True)


def draw(arguments: EstimateArguments, console: Console) -> None:
    """Draw documents, write them to be coded, and say what to do with them.

    Raises:
        FileExistsError: if the output is there already; somebody may have coded it.
        ValueError, OSError: as ``estimate``.
    """
    assert arguments.draw is not None
    assert arguments.documents is not None
    assert arguments.output is not None
    if Path(arguments.output).exists():
        raise FileExistsError(
            f"output {arguments.output} exists and may hold coded documents; move it away or "
            "choose another path"
        )
    drawn = draw_documents(
        iter_predictions(arguments.predictions),
        iter_documents(arguments.documents),
        arguments.draw,
        arguments.seed,
    )
    write_documents(drawn, arguments.output)
    pairs = sum(len(document.actors) * len(document.targets) for document in drawn)
    console.print(
        f"{len(drawn):,} texts drawn, with {pairs:,} pairs to code; put the label of each pair "
        "into stances, without looking at the predictions, and give the file as gold"
    )
    console.print(f"written: {escape(arguments.output)}", soft_wrap=True)


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Put the file before the errors that do not name it yet."""
    try:
        yield
    except (DocumentError, PredictionFileError):
        raise
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def build_tables(shares: pd.DataFrame) -> list[Table]:
    """A table of the labels for each of the first groups, in percent with the intervals."""
    tables: list[Table] = []
    for (target, period), group in shares.groupby(["target", "period"], dropna=False):
        if len(tables) == GROUPS_SHOWN:
            break
        rows = group.to_dict("records")
        counts = rows[0]
        title = (
            f"{target}\n"
            + (f"{period}: " if isinstance(period, str) else "")
            + f"{counts['n_documents']:,} texts, {counts['n_pairs']:,} pairs; coded "
            f"{counts['n_gold_documents']:,} texts, {counts['n_gold_pairs']:,} pairs"
            + (" *" if counts["small"] else "")
        )
        table = Table(title=escape(title), title_justify="left")
        table.add_column("%")
        for name in ESTIMATES:
            table.add_column(name.replace("_", " "), justify="right", no_wrap=True)
        for row in rows:
            table.add_row(row["label"], *(describe_interval(row, name) for name in ESTIMATES))
        tables.append(table)
    return tables


def describe_interval(row: Mapping[str, Any], name: str) -> Text:
    """``41.2 [35.0, 47.4]``; a dash stands for what could not be estimated."""
    share, low, high = (
        "-" if math.isnan(row[column]) else f"{100 * row[column]:z.1f}"
        for column in (name, f"{name}_low", f"{name}_high")
    )
    return Text(share if share == "-" else f"{share} [{low}, {high}]")


def list_notes(shares: pd.DataFrame) -> list[str]:
    """What a reader of the tables has to know: what the numbers are, and what is left out."""
    groups = shares.drop_duplicates(["target", "period"])
    uncoded, small = int(groups["n_uncoded_pairs"].sum()), int(groups["small"].sum())
    empty = int((groups["n_gold_documents"] == 0).sum())
    unsure = shares["corrected"].notna() & shares["corrected_low"].isna()
    notes = [
        f"pairs of drawn texts without a gold label, which are not used: {uncoded:,}",
        "naive: the model's labels taken for true; gold only: the coded pairs alone; corrected: "
        "both together, with the 95 % interval for the texts predicted (it may leave 0 to 100)",
    ]
    if small:
        notes.append(
            f"* {small:,} of {len(groups):,} groups have fewer than {SMALL_DOCUMENTS} coded texts: "
            "do not build on their intervals"
        )
    if empty:
        notes.append(f"groups without a coded text, where nothing corrects the model: {empty:,}")
    if unsure.any():
        notes.append(
            "corrected shares without an interval, as one coded text, or texts that are all alike, "
            f"do not show how much texts differ: {int(unsure.sum()):,}"
        )
    if len(groups) > GROUPS_SHOWN:
        notes.append(f"shown are {GROUPS_SHOWN} of {len(groups):,} groups; output=FILE has all")
    return notes


def write_table(shares: pd.DataFrame, path: Path) -> None:
    """Write the table as the ending of ``path`` says; makes missing folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".parquet":
        shares.to_parquet(path, index=False)
    elif path.suffix.lower() == ".csv":
        shares.to_csv(path, index=False)
    else:
        shares.to_json(path, orient="records", lines=True, force_ascii=False, double_precision=15)
