"""``stance-prepare-data``: a corpus in its original layout in, native JSONL per split out."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import hydra
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from stance.commands.overrides import quote_paths
from stance.corpora import (
    Corpus,
    check_split,
    dataset_from_rows,
    documents_from_dataset,
    find_corpus,
)
from stance.corpora.conversion import Conversion
from stance.documents import write_documents
from stance.locations import config_dir
from stance.schema import LABELS


@dataclass(frozen=True, kw_only=True)
class PrepareDataArguments:
    """What the command takes; ``configs/prepare_data.yaml`` sets the defaults.

    Raises:
        ValueError: if there is no such corpus or split.
    """

    name: str
    """The corpus, one of ``stance.corpora.CORPORA``."""
    path: str | None = None
    """Where the corpus lies in its original layout; None takes its default."""
    splits: Sequence[str] | None = None
    """The splits to write; None takes all."""
    output_dir: str | None = None
    """Folder for ``SPLIT.jsonl``; None only prints the counts."""
    overwrite: bool = False
    """Replace files that exist."""

    def __post_init__(self) -> None:
        for split in self.splits or ():
            check_split(self.corpus, split)

    @property
    def corpus(self) -> Corpus:
        """The entry of the registry."""
        return find_corpus(self.name)


def main() -> None:
    """The console command; what is wrong with arguments or data is one line and exit status 1."""
    sys.argv[1:] = quote_paths(sys.argv[1:], ("data.path", "output_dir"))
    run_from_config()


@hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="prepare_data")
def run_from_config(config: DictConfig) -> None:
    """The console command: one line and exit status 1 for what is wrong with the data."""
    try:
        prepare_data(build_arguments(config), Console())
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from error


def build_arguments(config: DictConfig) -> PrepareDataArguments:
    """Typed arguments from a composed ``prepare_data.yaml``."""
    return PrepareDataArguments(
        name=config.data.name,
        path=config.data.path,
        splits=None if config.splits is None else list(config.splits),
        output_dir=config.output_dir,
        overwrite=config.overwrite,
    )


def prepare_data(arguments: PrepareDataArguments, console: Console) -> None:
    """Convert a corpus, print what was kept, dropped and why, and write its splits.

    Raises:
        FileExistsError: if a file is there already and may not be replaced; none is written then.
        ValueError, OSError: as the ``convert`` of the corpus.
    """
    splits = tuple(arguments.splits or arguments.corpus.splits)
    folder = None if arguments.output_dir is None else Path(arguments.output_dir)
    files = {} if folder is None else {split: folder / f"{split}.jsonl" for split in splits}
    for file in files.values():
        if file.exists() and not arguments.overwrite:
            raise FileExistsError(f"{file} exists; move it away or set overwrite=true")
    conversion = arguments.corpus.convert(arguments.path)
    console.print(build_kept_table(arguments.name, conversion, splits))
    left_out = build_reason_table(conversion)
    console.print(left_out if left_out.row_count else "Nothing was dropped or altered.")
    for split, file in files.items():
        documents = documents_from_dataset(dataset_from_rows(conversion.rows[split]))
        console.print(f"{write_documents(documents, file)} documents in {file}", soft_wrap=True)


def build_kept_table(name: str, conversion: Conversion, splits: Sequence[str]) -> Table:
    """Texts, pairs of actor and target, and labels of each split."""
    table = Table(title=f"{name}: kept")
    table.add_column("split", no_wrap=True)
    for column in ("texts", "pairs", *LABELS, "no label"):
        table.add_column(column, justify="right", no_wrap=True)
    for split in splits:
        rows = conversion.rows[split]
        labels = Counter(stance["label"] for row in rows for stance in row["stances"])
        pairs = sum(len(row["actors"]) * len(row["targets"]) for row in rows)
        counts = [len(rows), pairs, *(labels[label] for label in LABELS), pairs - labels.total()]
        table.add_row(split, *(f"{count:,}" for count in counts))
    return table


def build_reason_table(conversion: Conversion) -> Table:
    """Each reason for which records were dropped or altered, with its count by split."""
    table = Table(title="dropped and altered")
    for column in ("split", "what", "why"):
        table.add_column(column)
    table.add_column("count", justify="right")
    for what, counts in (("dropped", conversion.dropped), ("altered", conversion.altered)):
        for (split, reason), count in sorted(counts.items()):
            table.add_row(split, what, reason, f"{count:,}")
    return table
