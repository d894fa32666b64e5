"""Make a shipped model of a trained one, step by step.

    python scripts/ship_model.py pack RUN/model models/stance-minilm-de --base minilm-de
    python scripts/ship_model.py pack FURTHER/model models/stance-minilm-de --bits 2
    python scripts/evaluate.py ... output_dir=models/stance-minilm-de/evaluation/NAME  (for each)
    python scripts/benchmark.py output=models/stance-minilm-de/benchmark.json
    python scripts/ship_model.py card models/stance-minilm-de

``pack`` stores the weights as bytes; with ``--bits`` as what differs from the packed weights that
are in the target already (stance/weights.py), for a model that was trained on from them: a small
file beside a large one that the repository has anyway. ``card`` writes the model card and the
tables of the README from evaluation/*/metrics.json and benchmark.json; with ``--check`` it writes
nothing, and fails where the files differ from what it would write.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from stance.actor_tagging import TAGGER_FILE
from stance.benchmark import tabulate_speed
from stance.model_card import CARD_FILE, tabulate_scores, write_model_card
from stance.model_directory import MANIFEST_FILE, METRICS_FILE, write_json
from stance.training import LIMITATIONS
from stance.weights import load_model, save_difference, save_packed

README = Path(__file__).resolve().parent.parent / "README.md"
SCORES = "<!-- scores: scripts/ship_model.py card -->", "<!-- /scores -->"
SPEED = "<!-- speed: scripts/ship_model.py card -->", "<!-- /speed -->"
BENCHMARK_FILE = "benchmark.json"


def pack_directory(source: Path, target: Path, base: str | None, bits: int | None) -> None:
    """Copy a model directory, its weights packed, and its tagger; nothing else of a run comes
    along. What is the same in a shipped base model is left to it; with ``bits`` only what differs
    from the packed weights in the target is written."""
    target.mkdir(parents=True, exist_ok=True)
    for file in source.iterdir():
        if file.suffix == ".json" or file.name == TAGGER_FILE:
            shutil.copy(file, target)
    manifest = json.loads((target / MANIFEST_FILE).read_text(encoding="utf-8"))
    write_json(target / MANIFEST_FILE, without_places(manifest))
    model = load_model(source)
    origin = model.config.encoder.get("_name_or_path", "")
    model.config.encoder["_name_or_path"] = Path(origin).name if Path(origin).exists() else origin
    packed = (
        save_packed(model, target, base) if bits is None else save_difference(model, target, bits)
    )
    print(f"{packed}: {packed.stat().st_size / 1e6:.1f} MB")


def without_places(manifest: dict[str, Any]) -> dict[str, Any]:
    """A manifest, with those of the stages before, that says what was used and not where it lay."""
    clean: dict[str, Any] = {}
    for key, value in manifest.items():
        if isinstance(value, dict):
            clean[key] = without_places(value)
        elif isinstance(value, list):
            clean[key] = [without_places(v) if isinstance(v, dict) else v for v in value]
        elif key in ("path", "name_or_path") and value and Path(value).is_absolute():
            clean[key] = "/".join(Path(value).parts[-2:]) if key == "name_or_path" else None
        else:
            clean[key] = value
    return clean


def write_card(directory: Path, model_dir: Path) -> list[dict[str, Any]]:
    """Write the card of a shipped model into ``directory``; returns the evaluations it shows."""
    manifest = json.loads((model_dir / MANIFEST_FILE).read_text(encoding="utf-8"))
    evaluations = [
        json.loads(file.read_text(encoding="utf-8"))
        for file in sorted(model_dir.glob(f"evaluation/*/{METRICS_FILE}"))
    ]
    write_model_card(
        directory,
        name=model_dir.name,
        base_model="intfloat/multilingual-e5-small",
        license_id=manifest["model"]["license"].lower(),
        manifest=manifest,
        evaluations=evaluations,
        limitations=LIMITATIONS,
    )
    return evaluations


def fill_readme(evaluations: list[dict[str, Any]], benchmark: dict[str, Any]) -> str:
    """The README with the tables between their marks replaced."""
    text = README.read_text(encoding="utf-8")
    for (begin, end), table in (
        (SCORES, tabulate_scores(evaluations)),
        (SPEED, tabulate_speed(benchmark)),
    ):
        head, rest = text.split(begin, 1)
        text = f"{head}{begin}\n{table}\n{end}{rest.split(end, 1)[1]}"
    return text


def main() -> None:
    """The command line; see the docstring of the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    steps = parser.add_subparsers(dest="step", required=True)
    pack = steps.add_parser("pack")
    pack.add_argument("source", type=Path)
    pack.add_argument("target", type=Path)
    pack.add_argument("--base", help="a shipped base model that has a part of the weights")
    pack.add_argument("--bits", type=int, help="a weight, of the difference: 2 or 4")
    card = steps.add_parser("card")
    card.add_argument("model_dir", type=Path)
    card.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    if arguments.step == "pack":
        pack_directory(arguments.source, arguments.target, arguments.base, arguments.bits)
        print("now evaluate it, with these weights in place")
        return
    with tempfile.TemporaryDirectory() as folder:
        evaluations = write_card(Path(folder), arguments.model_dir)
        new = {
            arguments.model_dir / CARD_FILE: (Path(folder) / CARD_FILE).read_text(encoding="utf-8"),
            README: fill_readme(
                evaluations, json.loads((arguments.model_dir / BENCHMARK_FILE).read_text("utf-8"))
            ),
        }
    stale = [
        path for path, text in new.items() if not path.exists() or path.read_text("utf-8") != text
    ]
    if arguments.check:
        sys.exit(f"not up to date: {', '.join(map(str, stale))}" if stale else 0)
    for path in stale:
        path.write_text(new[path], encoding="utf-8")
        print(f"wrote {path}")


if __name__ == "__main__":
    main()
