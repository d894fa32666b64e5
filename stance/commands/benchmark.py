"""``stance-benchmark``: how fast the classifier is on this machine, as ratios of one run."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console
from rich.table import Table

from stance.benchmark import HEADLINE, PROFILES, run_benchmark
from stance.commands.overrides import quote_paths
from stance.locations import config_dir, default_model_dir

PATH_KEYS = ("model_dir", "output")


@dataclass(frozen=True, kw_only=True)
class BenchmarkArguments:
    """What the command takes; ``configs/benchmark.yaml`` sets the defaults.

    Raises:
        ValueError: if an argument has a value that cannot be right; the message names it.
    """

    profile: str = "quick"
    """``quick`` or ``full``, see ``stance.benchmark.PROFILES``."""
    model_dir: str | None = None
    """Directory of a trained model; None takes the shipped one."""
    output: str | None = None
    """The numbers as .json, which is replaced; None only shows them."""

    def __post_init__(self) -> None:
        if self.profile not in list(PROFILES):  # a list could not be looked up in the mapping
            raise ValueError(f"profile is {self.profile!r}; give {' or '.join(PROFILES)}")
        for name in PATH_KEYS:
            value = getattr(self, name)
            if not isinstance(value, str | None):
                raise ValueError(f"{name} is {value!r}; give a path or null")
        if self.output is not None and Path(self.output).suffix.lower() != ".json":
            raise ValueError(f"output is {self.output!r}; it must end in .json")


def main() -> None:
    """The console command; what is wrong is one line and exit status 1."""
    sys.argv[1:] = quote_paths(sys.argv[1:], PATH_KEYS)
    run_from_config()


@hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="benchmark")
def run_from_config(config: DictConfig) -> None:
    try:
        benchmark(build_arguments(config), Console())
    except (ValueError, OSError, OmegaConfBaseException) as error:
        raise SystemExit(f"error: {' '.join(str(error).split())}") from error


def build_arguments(config: DictConfig) -> BenchmarkArguments:
    """Typed arguments from a composed ``benchmark.yaml``; errors as ``BenchmarkArguments``."""
    values: Any = OmegaConf.to_container(config, resolve=True)
    return BenchmarkArguments(**values)


def benchmark(arguments: BenchmarkArguments, console: Console) -> None:
    """Measure, show, and write the numbers.

    Raises:
        ValueError, OSError: as ``run_benchmark``, and if the output cannot be written.
    """
    from stance.corpora import load_corpus
    from stance.model_directory import write_json

    output = None if arguments.output is None else Path(arguments.output)
    if output is not None:  # before the long run, not after it
        output.parent.mkdir(parents=True, exist_ok=True)
        if output.is_dir():
            raise IsADirectoryError(f"output {output} is a directory; give a file")
    numbers = {"profile": arguments.profile} | run_benchmark(
        load_corpus("newsstance", "validation"),
        PROFILES[arguments.profile],
        Path(arguments.model_dir) if arguments.model_dir else default_model_dir(),
    )
    show_numbers(numbers, console)
    if output is not None:
        write_json(output, numbers)


def show_numbers(numbers: Mapping[str, Any], console: Console) -> None:
    """One table: how many times as fast as the pipelines by workload, then the single numbers."""
    table = Table(
        title="Times as fast as a pipeline called once for each actor",
        caption=f"profile={numbers['profile']}: {numbers['machine']}",
    )
    table.add_column("texts")
    for name in ("tokens a text", "plain", "padded"):
        table.add_column(name, justify="right")
    for name, row in numbers["workloads"].items():
        told = f"{name} (pipelines: cut)" if row["cut_for_pipelines"] else name
        table.add_row(
            f"[bold]{told}[/]" if name == HEADLINE else told,
            f"{row['tokens']:,.0f}",
            format_number(row["speedup_vs_pipeline"]),
            format_number(row["speedup_vs_padded_pipeline"]),
        )
    table.add_section()
    few, many = numbers["memory_texts"]
    memory_key = PROFILES[numbers["profile"]].memory_key
    for name, meaning in {
        "auto_cost_ratio": "time: actors=auto / actors given",
        "peak_share_inference": "share of matrix-product speed: reading",
        "peak_share_training": "share of matrix-product speed: training",
        memory_key: f"peak memory: {many:,} texts / {few:,}",
        "cold_start_s": "seconds: stance-predict on one text",
        "import_s": "seconds: import stance",
    }.items():
        table.add_row(meaning, "", format_number(numbers[name]))
    console.print(table)


def format_number(value: float | None) -> str:
    """Three digits, or a dash for what was not measured."""
    return "-" if value is None else f"{value:.3g}"
