"""The command, from Hydra overrides to the three files."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from rich.console import Console

from stance.commands.agreement import (
    PATH_KEYS,
    AgreementArguments,
    build_arguments,
    quote_files,
    report_agreement,
)
from stance.commands.overrides import quote_paths
from stance.documents import read_documents
from stance.locations import config_dir

CHECKOUT = Path(__file__).resolve().parent.parent
LABELS_BY_CODER = {
    "anna": [("favor", "against"), ("favor", "none")],
    "jürgen": [("favor", "against"), ("neutral", "none")],
    "cleo": [("favor", "neutral"), ("neutral", "none")],
}


def build_record(number: int, labels: tuple[str, ...]) -> dict[str, Any]:
    return {
        "id": f"d{number}",
        "text": "Frauke Ömmelbach fordert das Tempolimit. Götz Tüllinger ist dagegen.",
        "actors": [
            {"id": "a1", "name": "Frauke Ömmelbach"},
            {"id": "a2", "name": "Götz Tüllinger"},
        ],
        "targets": [{"id": "t1", "text": "Das Tempolimit soll kommen."}],
        "stances": [
            {"actor": f"a{place}", "target": "t1", "label": label}
            for place, label in enumerate(labels, start=1)
        ],
    }


@pytest.fixture
def coders(tmp_path: Path) -> str:
    """The override of three coders' files, one with an umlaut in its name."""
    files = []
    for coder, documents in LABELS_BY_CODER.items():
        path = tmp_path / f"{coder}.jsonl"
        records = (build_record(number, labels) for number, labels in enumerate(documents))
        lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        path.write_text("".join(lines), encoding="utf-8")
        files.append(str(path))
    return f"coders=[{', '.join(files)}]"


def compose_arguments(*overrides: str) -> AgreementArguments:
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        config = compose("agreement", quote_paths(quote_files(overrides), PATH_KEYS))
    return build_arguments(config, output_dir=config.output_dir)


def run_agreement(*overrides: str) -> tuple[dict[str, Any], str]:
    arguments = compose_arguments(*overrides)
    output = io.StringIO()
    report_agreement(arguments, Console(file=output, width=120))
    text = (Path(arguments.output_dir) / "agreement.json").read_text(encoding="utf-8")
    return json.loads(text), output.getvalue()


def fill_in(path: Path, label: str) -> None:
    """Put a label into the first row's cell of the column gold, the first empty one."""
    text = path.read_text(encoding="utf-8-sig")
    path.write_text(text.replace('""', f'"{label}"', 1), encoding="utf-8-sig")


def test_the_files_are_written_and_the_tables_shown(tmp_path: Path, coders: str) -> None:
    output = tmp_path / "Übersicht 1"
    agreement, printed = run_agreement(coders, f"output_dir={output}", "rule=majority")
    assert list(agreement["coders"]) == ["anna", "jürgen", "cleo"]
    assert agreement["counts"]["pairs"] == 4
    assert agreement["gold"] == {
        "rule": "majority",
        "decisions": None,
        "unanimous": 2,
        "one_coder": 0,
        "by_majority": 2,
        "decided": 0,
        "undecided": 0,
    }
    interval = agreement["alpha"]["interval"]
    assert interval["low"] <= agreement["alpha"]["value"] <= interval["high"]
    assert interval["documents"] == 2
    for shown in (
        f"{agreement['alpha']['value']:.3f}",
        f"{interval['low']:.3f} to {interval['high']:.3f}",
        "95% interval",
        "anna and jürgen",
        "2 unanimous, 2 by majority",
        *(str(output / name) for name in ("agreement.json", "disagreements.csv", "gold.jsonl")),
    ):
        assert shown in printed
    gold = read_documents(output / "gold.jsonl")
    assert gold[1].labels == {("a1", "t1"): "neutral", ("a2", "t1"): "none"}


def test_decisions_set_gold_labels_and_their_file_is_kept(tmp_path: Path, coders: str) -> None:
    output = tmp_path / "einig"
    run_agreement(coders, f"output_dir={output}")
    table = output / "disagreements.csv"
    fill_in(table, "ablehnend")
    filled = table.read_bytes()
    with pytest.raises(ValueError, match=r"line 2, field gold: the label 'ablehnend' would be"):
        run_agreement(coders, f"output_dir={output}")
    agreement, printed = run_agreement(coders, f"output_dir={output}", f"decisions={table}")
    assert table.read_bytes() == filled
    assert "kept, as it has the decisions" in printed
    assert (agreement["gold"]["decided"], agreement["gold"]["undecided"]) == (1, 1)
    assert read_documents(output / "gold.jsonl")[0].labels["a2", "t1"] == "against"
    other = tmp_path / "anderswo"
    for _ in range(2):  # the second run replaces what the first has taken over
        run_agreement(coders, f"output_dir={other}", f"decisions={table}")
    assert '"against"' in (other / "disagreements.csv").read_text(encoding="utf-8-sig")


def test_missing_numbers_are_explained(tmp_path: Path) -> None:
    files = []
    for number, coder in enumerate(("anna", "ben")):
        files.append(tmp_path / f"{coder}.jsonl")
        record = build_record(number, ("favor", "against"))
        files[-1].write_text(json.dumps(record) + "\n", encoding="utf-8")
    override = f"coders=[{','.join(map(str, files))}]"
    agreement, printed = run_agreement(override, f"output_dir={tmp_path / 'aus'}")
    assert agreement["alpha"]["value"] is None
    assert "no alpha: no pair has labels of two or more coders" in printed
    assert "no kappa for anna and ben: they have labelled no pair in common" in printed
    assert "'d0' (anna) and 'd1' (ben)" in printed


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("coders=[anna.jsonl]", "two or more"),
        ("coders=anna.jsonl,ben.jsonl", r"coders is 'anna\.jsonl,ben\.jsonl'; give the files"),
        ("coders=null", "coders is None"),
        ("rule=most", "rule is 'most'; give unanimous or majority"),
        ("decisions=[a.csv]", "decisions is .*; give a path or null"),
        ("seed=-1", "seed is -1; give a whole number"),
    ],
)
def test_bad_arguments_are_named(override: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compose_arguments("coders=[anna.jsonl,ben.jsonl]", override)


@pytest.mark.parametrize("name", ["jürgen", "a b", "k=v", "anna (1)", "d'or"])
def test_names_of_coders_reach_the_command_as_they_are(name: str) -> None:
    arguments = compose_arguments(f"""coders=["{name}.jsonl",ben.jsonl]""")
    assert arguments.coders == [f"{name}.jsonl", "ben.jsonl"]
    if "'" not in name:
        assert compose_arguments(f"coders=[ben.jsonl, {name}.jsonl]").coders[1] == f"{name}.jsonl"


def test_what_is_wrong_is_one_line_and_exit_status_1(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            str(CHECKOUT / "scripts" / "agreement.py"),
            "coders=[jürgen.jsonl,ben.jsonl]",
            f"output_dir={tmp_path / 'aus'}",
        ],
        check=False,
        capture_output=True,
        encoding="utf-8",
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert (
        done.stderr == "error: jürgen.jsonl: there is no such file; give one file for each coder\n"
    )
