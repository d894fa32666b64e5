"""The lab book of training runs, models/EXPERIMENTS.md, from the runs' own files.

    python scripts/lab_book.py add RUN_DIR [NAME] --note "what was tried, what it showed"
    python scripts/lab_book.py write [--check]

``add`` keeps what a run (or the stages of it that are done) says of itself as
models/experiments/NAME.json: its stages, seed, data, steps, minutes and validation scores.
``write`` makes the table of all of them; with ``--check`` it writes nothing and fails where the
table differs.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from stance.model_directory import MANIFEST_FILE, METRICS_FILE
from stance.training import MODEL_FOLDER
from stance.training_data import Source

MODELS = Path(__file__).resolve().parent.parent / "models"
EXPERIMENTS = MODELS / "experiments"
BOOK = MODELS / "EXPERIMENTS.md"
INTRODUCTION = """# Lab book

One row a run, by `scripts/lab_book.py` from what the runs wrote (`models/experiments/*.json`).
macro-F1 is on validation data, never on a test split; realnews is real articles, wahlomat real
party statements (a draw of them). After the stroke: macro-F1 between favor and against alone, where
the gold is one of them. Minutes are on two CPU cores, from the last start of each stage.
"""


def find_stages(run: Path) -> list[Path]:
    """The model directories of a run's stages that are done, in the order they were made.

    Raises:
        SystemExit: if there is none.
    """
    found = [run, *run.iterdir()]
    stages = [
        stage / MODEL_FOLDER for stage in found if (stage / MODEL_FOLDER / MANIFEST_FILE).is_file()
    ]
    if not stages:
        sys.exit(f"{run} has no model that is done")
    return sorted(stages, key=lambda stage: (stage / MANIFEST_FILE).stat().st_mtime)


def describe_run(run: Path, note: str) -> dict[str, Any]:
    """What a run says of itself, ready for JSON; validation scores are those of its last stage."""
    stages = find_stages(run)
    described = []
    for stage in stages:
        manifest = json.loads((stage / MANIFEST_FILE).read_text(encoding="utf-8"))
        described.append(
            {
                "name": stage.parent.name,
                "origins": [describe_origin(origin) for origin in manifest["origins"]],
                "seed": manifest["optimisation"]["seed"],
                "learning_rate": manifest["optimisation"]["learning_rate"],
                "max_tokens_per_batch": manifest["optimisation"]["max_tokens_per_batch"],
                "epochs": manifest["optimisation"]["epochs"],
                "steps": manifest["steps"],
                "best_step": manifest["best_step"],
                "minutes": manifest["minutes"],
            }
        )
    scores = json.loads((stages[-1] / METRICS_FILE).read_text(encoding="utf-8"))
    validation = {name: round(values["macro_f1"], 4) for name, values in scores.items()}
    direction = {
        name: round(values["direction"]["macro_f1"], 4)
        for name, values in scores.items()
        if values.get("direction")
    }
    return {
        "stages": described,
        "validation": validation,
        "direction": direction,
        "note": note,
    }


def describe_origin(origin: dict[str, Any]) -> dict[str, Any]:
    """A source of data without its place on the machine and without options that are off."""
    plain = {field.name: field.default for field in fields(Source)}
    return {
        key: value
        for key, value in origin.items()
        if key != "path" and value and value != plain.get(key)
    }


def tabulate_runs(runs: dict[str, dict[str, Any]]) -> str:
    """The lab book as Markdown."""
    sets = sorted({name for run in runs.values() for name in run["validation"]})
    header = ["run", "stages (steps)", "seed", *sets, "minutes", "note"]
    rows = []
    for name, run in runs.items():
        stages = ", ".join(f"{stage['name']} ({stage['steps']})" for stage in run["stages"])
        seeds = ", ".join(sorted({str(stage["seed"]) for stage in run["stages"]}))
        scores = [describe_scores(run, name) for name in sets]
        minutes = sum(stage["minutes"] for stage in run["stages"])
        rows.append([name, stages, seeds, *scores, f"{minutes:.0f}", run["note"]])
    table = [header, ["---"] * len(header), *rows]
    return INTRODUCTION + "\n" + "\n".join(f"| {' | '.join(row)} |" for row in table) + "\n"


def describe_scores(run: dict[str, Any], name: str) -> str:
    """macro-F1 on a validation set, and between favor and against where the run has it."""
    if name not in run["validation"]:
        return "-"
    scores = [run["validation"][name], run.get("direction", {}).get(name)]
    return " / ".join(f"{score:.3f}" for score in scores if score is not None)


def main() -> None:
    """The command line; see the docstring of the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    steps = parser.add_subparsers(dest="step", required=True)
    add = steps.add_parser("add")
    add.add_argument("run", type=Path)
    add.add_argument("name", nargs="?")
    add.add_argument("--note", required=True)
    write = steps.add_parser("write")
    write.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    if arguments.step == "add":
        EXPERIMENTS.mkdir(exist_ok=True)
        file = EXPERIMENTS / f"{arguments.name or arguments.run.name}.json"
        described = describe_run(arguments.run, arguments.note)
        file.write_text(json.dumps(described, indent=2, ensure_ascii=False) + "\n", "utf-8")
        print(f"wrote {file}")
    runs = {
        file.stem: json.loads(file.read_text(encoding="utf-8"))
        for file in sorted(EXPERIMENTS.glob("*.json"))
    }
    text = tabulate_runs(runs)
    if arguments.step == "write" and arguments.check:
        sys.exit(0 if BOOK.is_file() and BOOK.read_text("utf-8") == text else f"{BOOK} is stale")
    BOOK.write_text(text, encoding="utf-8")
    print(f"wrote {BOOK}")


if __name__ == "__main__":
    main()
