"""The command, from Hydra overrides to the files of shares and of drawn documents."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from rich.console import Console

from stance.commands import estimate as command
from stance.commands.estimate import (
    PATH_KEYS,
    EstimateArguments,
    build_arguments,
    draw,
    estimate,
    main,
)
from stance.commands.overrides import quote_paths
from stance.documents import read_documents
from stance.locations import config_dir
from stance.prediction_files import open_writer
from stance.schema import LABELS, Prediction, StanceLabel

DOCUMENTS = 40


def write_lines(path: Path, records: list[dict[str, Any]]) -> Path:
    lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    path.write_text("".join(lines), encoding="utf-8")
    return path


def read_lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def build_records() -> list[dict[str, Any]]:
    """Documents from two years, with two actors each."""
    return [
        {
            "id": f"n{number}",
            "text": "Frauke Ömmelbach fordert das Tempolimit. Götz Tüllinger ist dagegen.",
            "date": f"{2024 + number % 2}-05-0{1 + number % 9}",
            "actors": [
                {"id": "a1", "name": "Frauke Ömmelbach"},
                {"id": "a2", "name": "Götz Tüllinger"},
            ],
            "targets": [{"id": "t1", "text": "Das Tempolimit soll kommen."}],
        }
        for number in range(DOCUMENTS)
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Texts, predictions of a model that takes all for favor, and a coded sample of every third."""
    records = build_records()
    write_lines(tmp_path / "alle Texte.jsonl", records)
    sample = [
        record
        | {
            "stances": [
                {"actor": "a1", "target": "t1", "label": "favor" if number % 4 else "none"},
                {"actor": "a2", "target": "t1", "label": "against"},
            ][: 2 if number else 1]
        }
        for number, record in enumerate(records)
        if number % 3 == 0
    ]
    write_lines(tmp_path / "geprüft.jsonl", sample)
    with open_writer(tmp_path / "stances.parquet") as writer:
        writer.write(
            [
                Prediction(
                    document_id=str(record["id"]),
                    actor_id=f"a{number}",
                    actor=("Frauke Ömmelbach", "Götz Tüllinger")[number - 1],
                    target_id="t1",
                    target="Das Tempolimit soll kommen.",
                    label=StanceLabel.FAVOR,
                    probabilities=(0.7, 0.2, 0.0, 0.1),
                    confidence=0.7,
                    model="fake",
                )
                for record in records
                for number in (1, 2)
            ]
        )
    return tmp_path


def compose_arguments(*overrides: str) -> EstimateArguments:
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        return build_arguments(compose("estimate", quote_paths(overrides, PATH_KEYS)))


def paths(folder: Path, **names: str) -> list[str]:
    return [f"{key}={folder / name}" for key, name in names.items()]


def run_estimate(folder: Path, *overrides: str, **names: str) -> str:
    output = io.StringIO()
    files = {"predictions": "stances.parquet", "gold": "geprüft.jsonl"} | names
    estimate(compose_arguments(*paths(folder, **files), *overrides), Console(file=output, width=80))
    return output.getvalue()


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_every_kind_of_file_has_the_same_shares(folder: Path, ending: str) -> None:
    run_estimate(folder, output=f"neu/shares.{ending}")
    path = folder / "neu" / f"shares.{ending}"
    read = {
        "csv": pd.read_csv,
        "parquet": pd.read_parquet,
        "jsonl": lambda file: pd.read_json(file, lines=True),
    }
    shares = read[ending](path).set_index("label")
    assert shares.index.tolist() == list(LABELS)
    assert shares["period"].isna().all()
    row = shares.loc["favor"]
    assert (row["n_documents"], row["n_pairs"]) == (DOCUMENTS, 2 * DOCUMENTS)
    assert (row["n_gold_documents"], row["n_gold_pairs"], row["n_uncoded_pairs"]) == (14, 27, 1)
    assert row["naive"] == 1
    # Ten of the 27 coded pairs are in favor, and the model is equally sure of all.
    assert row["corrected"] == pytest.approx(row["gold_only"]) == pytest.approx(10 / 27)
    assert row["corrected_low"] < row["corrected"] < row["corrected_high"] < row["naive_low"]
    assert not row["small"]


def test_tables_and_notes_tell_a_reader_what_was_done(folder: Path) -> None:
    printed = " ".join(run_estimate(folder).split())
    for shown in (
        "Das Tempolimit soll kommen.",
        "40 texts, 80 pairs; coded 14 texts, 27 pairs",
        "37.0 [",
        "40 texts with 80 pairs predicted; 14 of the texts drawn, with 27 coded pairs",
        "without a gold label, which are not used: 1 ",
        "95 % interval for the texts predicted",
    ):
        assert shown in printed
    assert "written" not in printed


def test_periods_need_dates_and_show_them(folder: Path) -> None:
    printed = run_estimate(
        folder, "period=year", documents="alle Texte.jsonl", output="shares.jsonl"
    )
    shares = pd.read_json(folder / "shares.jsonl", lines=True, dtype={"period": str})
    assert shares["period"].tolist() == ["2024"] * 4 + ["2025"] * 4
    assert shares["small"].all()
    assert "2025: 20 texts, 40 pairs; coded 7 texts, 14 pairs *" in printed
    assert "2 of 2 groups have fewer than 10 coded texts" in " ".join(printed.split())
    records = build_records()
    del records[4]["date"]
    write_lines(folder / "ohne.jsonl", records)
    with pytest.raises(ValueError, match=r"ohne.jsonl: 1 of 40 documents .* 'n4' has no date"):
        run_estimate(folder, "period=month", documents="ohne.jsonl")


def test_groups_without_gold_are_shown_and_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = read_lines(folder / "geprüft.jsonl")
    write_lines(folder / "eins.jsonl", sample[:1])
    monkeypatch.setattr(command, "GROUPS_SHOWN", 1)
    printed = run_estimate(
        folder, "period=year", gold="eins.jsonl", documents="alle Texte.jsonl", output="out.csv"
    )
    said = " ".join(printed.split())
    assert "groups without a coded text, where nothing corrects the model: 1 " in said
    assert "do not show how much texts differ: 4 " in said
    assert "shown are 1 of 2 groups" in said
    assert "2025: " not in printed
    row = pd.read_csv(folder / "out.csv").iloc[-1]
    assert row["period"] == 2025
    assert pd.isna(row["corrected"])


def test_a_group_without_anything_to_show_has_dashes(folder: Path) -> None:
    sample = read_lines(folder / "geprüft.jsonl")
    write_lines(folder / "eins.jsonl", sample[:1])
    printed = run_estimate(folder, "period=year", gold="eins.jsonl", documents="alle Texte.jsonl")
    favor_2024, favor_2025 = (line for line in printed.splitlines() if "favor" in line[:10])
    assert "0.0 [-, -]" in favor_2024
    assert favor_2025.split("│")[3].strip() == "-"


def test_errors_name_the_file(folder: Path) -> None:
    sample = read_lines(folder / "geprüft.jsonl")
    write_lines(folder / "fremd.jsonl", [*sample, sample[0] | {"id": "x1"}])
    with pytest.raises(ValueError, match=r"fremd.jsonl: 1 of 15 gold documents .* 'x1'"):
        run_estimate(folder, gold="fremd.jsonl")
    sample[0]["stances"][0]["label"] = "dafür"
    write_lines(folder / "falsch.jsonl", sample)
    with pytest.raises(ValueError, match=r"falsch.jsonl, line 1, field stances\[0\].label"):
        run_estimate(folder, gold="falsch.jsonl")


def test_a_sample_is_drawn_coded_and_used(folder: Path) -> None:
    output = io.StringIO()
    files = {
        "predictions": "stances.parquet",
        "documents": "alle Texte.jsonl",
        "output": "Stichprobe.jsonl",
    }
    arguments = compose_arguments(*paths(folder, **files), "draw=12", "seed=1")
    draw(arguments, Console(file=output, width=200))
    assert "12 texts drawn, with 24 pairs to code" in output.getvalue()
    path = folder / "Stichprobe.jsonl"
    drawn = read_documents(path)
    assert len(drawn) == 12
    assert all(document.stances == () and len(document.actors) == 2 for document in drawn)
    assert path.read_text(encoding="utf-8").count('"sampling_probability": 0.3') == 12
    with pytest.raises(FileExistsError, match="exists and may hold coded documents"):
        draw(arguments, Console(file=output))

    records = read_lines(path)
    for record in records:
        record["stances"] = [{"actor": "a1", "target": "t1", "label": "favor"}]
    write_lines(path, records)
    printed = " ".join(run_estimate(folder, gold="Stichprobe.jsonl").split())
    assert "without a gold label, which are not used: 12 " in printed
    assert "do not show how much texts differ: 4" in printed


def test_the_command_line_takes_plain_paths_and_says_errors_in_a_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    line = ["stance-estimate", "predictions=stances.parquet", "gold=geprüft.jsonl"]
    monkeypatch.setattr(sys, "argv", [*line, "output=Übersicht 1.csv"])
    main()
    assert (folder / "Übersicht 1.csv").is_file()
    assert "written: Übersicht 1.csv" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["stance-estimate", "predictions=fehlt.csv", "gold=x.jsonl"])
    with pytest.raises(SystemExit, match=r"^error: no file of predictions at fehlt.csv$"):
        main()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([], "predictions is missing"),
        (["predictions=p.csv"], "either gold=FILE.* or draw=N"),
        (["predictions=p.csv", "gold=g.jsonl", "draw=5"], "either gold=FILE.* or draw=N"),
        (["predictions=p.csv", "gold=g.jsonl", "period=2025"], "period is 2025; give year or"),
        (["predictions=p.csv", "gold=g.jsonl", "period=year"], "period=year needs documents"),
        (["predictions=p.csv", "draw=5"], "draw=5 needs documents"),
        (["predictions=p.csv", "documents=d.jsonl", "draw=0"], "draw is 0"),
        (["predictions=p.csv", "documents=d.jsonl", "draw=viele"], "draw is 'viele'"),
        (["predictions=p.csv", "gold=g.jsonl", "seed=-1"], "seed is -1"),
        (["predictions=p.csv", "documents=d.jsonl", "draw=5"], "needs output=FILE.jsonl"),
        (
            ["predictions=p.csv", "documents=d.jsonl", "draw=5", "output=s.csv"],
            "output is 's.csv'; draw needs",
        ),
        (
            ["predictions=p.csv", "documents=d", "draw=5", "output=s.jsonl", "period=year"],
            "period is 'year', but draw",
        ),
        (["predictions=p.csv", "gold=g.jsonl", "output=s.xlsx"], "must end in .csv, .parquet"),
        (["predictions=p.csv", "gold=g.jsonl", "output=p.csv"], "is also predictions"),
        (["predictions=p.csv", "gold=[g.jsonl]"], "gold is .*; give a path"),
    ],
)
def test_bad_arguments_are_named(overrides: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compose_arguments(*overrides)
