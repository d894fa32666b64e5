"""``stance-agreement``: one file of each coder in; alpha, disagreements and gold labels out."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from stance.adjudication import (
    DISAGREEMENTS_FILE,
    RULES,
    build_gold,
    check_disagreements_file,
    choose_gold,
    count_origins,
    read_decisions,
    tabulate_disagreements,
    write_agreement,
)
from stance.agreement import (
    measure_agreement,
)
from stance.codings import (
    read_codings,
)
from stance.commands.overrides import quote_path, quote_paths
from stance.locations import config_dir

PATH_KEYS = ("coders", "decisions", "output_dir")


@dataclass(frozen=True, kw_only=True)
class AgreementArguments:
    """What the command takes; ``configs/agreement.yaml`` sets the defaults.

    Raises:
        ValueError: if an argument has a value that cannot be right; the message names it.
    """

    coders: Sequence[str]
    """One file of each coder; its stem is the coder's name."""
    output_dir: str
    """Folder for agreement.json, disagreements.csv and gold.jsonl, which are replaced."""
    rule: str = "unanimous"
    """What makes a label gold, one of ``RULES``."""
    decisions: str | None = None
    """A disagreements.csv with labels filled in in the column gold; None for none."""
    seed: int = 0
    """Of the samples of documents behind the interval of alpha."""

    def __post_init__(self) -> None:
        if (
            isinstance(self.coders, str | None)
            or not all(isinstance(file, str) for file in self.coders)
            or len(self.coders) < 2
        ):
            raise ValueError(
                f"coders is {self.coders!r}; give the files of two or more, such as "
                "'coders=[anna.jsonl,ben.jsonl]'"
            )
        if self.rule not in RULES:
            raise ValueError(f"rule is {self.rule!r}; give {' or '.join(RULES)}")
        if not isinstance(self.decisions, str | None):
            raise ValueError(f"decisions is {self.decisions!r}; give a path or null")
        if type(self.seed) is not int or self.seed < 0:
            raise ValueError(f"seed is {self.seed!r}; give a whole number from 0 up")


def main() -> None:
    """The console command; what is wrong with arguments or data is one line and exit status 1."""
    sys.argv[1:] = quote_paths(quote_files(sys.argv[1:]), PATH_KEYS)
    run_from_config()


@hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="agreement")
def run_from_config(config: DictConfig) -> None:
    try:
        report_agreement(build_arguments(config, HydraConfig.get().runtime.output_dir), Console())
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from error


def quote_files(overrides: Sequence[str]) -> list[str]:
    """The overrides, with each file of a plain list ``coders=[...]`` quoted.

    Hydra takes umlauts, as in names of coders, for errors unless they are in quotes.
    """
    quoted = []
    for override in overrides:
        if match := re.fullmatch(r"coders=\[([^'\"\[\]]+)\]", override):
            files = (
                quote_path(f"coders={file.strip()}", ("coders",)) for file in match[1].split(",")
            )
            override = f"coders=[{','.join(file.removeprefix('coders=') for file in files)}]"
        quoted.append(override)
    return quoted


def build_arguments(config: DictConfig, output_dir: str) -> AgreementArguments:
    """Typed arguments from a composed ``agreement.yaml``; errors as ``AgreementArguments``."""
    values: Any = OmegaConf.to_container(config, resolve=True)
    return AgreementArguments(**values | {"output_dir": output_dir})


def report_agreement(arguments: AgreementArguments, console: Console) -> None:
    """Read, measure, choose the gold labels, write the files, print two tables.

    A disagreements.csv that is itself the file of decisions is left as it is.

    Raises:
        ValueError: for files that cannot be read or do not fit together (DocumentError among them).
        OSError: for files that cannot be written.
    """
    codings = read_codings(arguments.coders)
    decisions = {}
    file = Path(arguments.output_dir) / DISAGREEMENTS_FILE
    is_decisions = False
    if arguments.decisions is not None:
        decisions = read_decisions(arguments.decisions, codings)
        is_decisions = file.exists() and file.samefile(arguments.decisions)
    if not is_decisions:
        check_disagreements_file(file, decisions)
    console.print("computing alpha and its interval ...", style="dim")
    verdicts = choose_gold(codings, arguments.rule, decisions)
    agreement = measure_agreement(codings, seed=arguments.seed) | {
        "gold": {
            "rule": arguments.rule,
            "decisions": arguments.decisions,
            **count_origins(verdicts),
        }
    }
    files = write_agreement(
        arguments.output_dir,
        agreement,
        None if is_decisions else tabulate_disagreements(codings, decisions),
        build_gold(codings, verdicts),
    )
    console.print(build_alpha_table(agreement))
    console.print(build_pair_table(agreement))
    for note in list_notes(agreement):
        console.print(escape(note), soft_wrap=True)
    for written in files:
        console.print(f"written: {escape(str(written))}", soft_wrap=True)
    if is_decisions:
        console.print(f"kept, as it has the decisions: {escape(str(file))}", soft_wrap=True)


def build_alpha_table(agreement: Mapping[str, Any]) -> Table:
    """Alpha over all labels with its interval, and of each label against the rest."""
    interval = agreement["alpha"]["interval"]
    table = Table()
    table.add_column("Krippendorff's alpha", no_wrap=True)
    for name in ("labels", "alpha", f"{interval['level']:.0%} interval"):
        table.add_column(name, justify="right", no_wrap=True)
    bounds = format_number(interval["low"]), format_number(interval["high"])
    alphas = {"all labels": agreement["alpha"]}
    alphas |= {f"{label} or not": alpha for label, alpha in agreement["alpha_by_label"].items()}
    for name, alpha in alphas.items():
        table.add_row(
            name,
            f"{alpha['n']:,}",
            format_number(alpha["value"]),
            " to ".join(bounds) if "interval" in alpha and interval["low"] is not None else "",
        )
    return table


def build_pair_table(agreement: Mapping[str, Any]) -> Table:
    """Every two coders, one row each: pairs that both labelled, share of equal labels, kappa."""
    table = Table()
    table.add_column("coders")
    for name in ("pairs", "agreement", "kappa"):
        table.add_column(name, justify="right", no_wrap=True)
    for two in agreement["pairs_of_coders"]:
        share = "-" if two["agreement"] is None else f"{two['agreement']:.1%}"
        names = escape(" and ".join(two["coders"]))
        table.add_row(names, f"{two['n']:,}", share, format_number(two["kappa"]))
    return table


def format_number(value: float | None) -> str:
    """Three digits, or a dash where there is no number."""
    return "-" if value is None else f"{value:.3f}"


def list_notes(agreement: Mapping[str, Any]) -> list[str]:
    """What a reader of the tables has to know: counts, gold labels, why a number is missing."""
    counts, gold, alpha = agreement["counts"], agreement["gold"], agreement["alpha"]
    interval = alpha["interval"]
    notes = [
        f"{counts['documents']:,} documents, of which {counts['documents_in_all_files']:,} in all "
        f"files; {counts['pairs']:,} labelled pairs, of which {counts['pairs_of_two_or_more']:,} "
        f"by two or more coders and {counts['pairs_of_all_coders']:,} by all; coders differ on "
        f"{counts['pairs_with_disagreement']:,}",
        f"gold labels: {gold['unanimous']:,} unanimous, {gold['by_majority']:,} by majority, "
        f"{gold['decided']:,} decided, {gold['one_coder']:,} of one coder only; "
        f"{gold['undecided']:,} pairs undecided",
    ]
    if alpha["reason"] is not None:
        notes.append(f"no alpha: {alpha['reason']}")
    elif interval["reason"] is not None:
        notes.append(f"no interval: {interval['reason']}")
    else:
        notes.append(
            f"the interval is that of {interval['resamples']:,} samples of "
            f"{interval['documents']:,} documents"
            + (
                f", of which {interval['without_alpha']:,} with one label only are left out"
                if interval["without_alpha"]
                else ""
            )
        )
    notes += [
        f"no kappa for {' and '.join(two['coders'])}: {two['reason']}"
        for two in agreement["pairs_of_coders"]
        if two["reason"] is not None
    ]
    return notes + agreement["notes"]
