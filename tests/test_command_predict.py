from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser

from stance.commands import predict as command
from stance.commands.predict import (
    PredictArguments,
    UsageError,
    build_arguments,
    quote_overrides,
    read_texts,
)
from stance.locations import config_dir
from stance.mentions import locate_actors
from stance.prediction_files import read_predictions
from stance.schema import Document, Prediction, StanceLabel

REPORT = "Eva Holm lobte den Plan. Der Stadtrat lehnte ihn ab, Holm bedauerte das."
NATIVE = {
    "id": "n1",
    "text": REPORT,
    "actors": [{"id": "a1", "name": "Eva Holm", "mentions": ["Eva Holm", "Holm"]}],
    "targets": [{"id": "t1", "text": "Der Plan soll kommen."}],
}


class FakeClassifier:
    finds_actors = False

    def iter_predict(self, documents: Iterable[Document]) -> Iterator[list[Prediction]]:
        for document in documents:
            yield [
                Prediction(
                    document_id=document.id,
                    actor_id=actor.id,
                    actor=actor.name,
                    target_id=target.id,
                    target=target.text,
                    label=StanceLabel.NEUTRAL,
                    probabilities=(0.1, 0.1, 0.7, 0.1),
                    confidence=0.7,
                    mentions=tuple(
                        {"start": m.start, "end": m.end, "text": document.text[m.start : m.end]}
                        for m in actor.mentions
                    ),
                    warnings=() if actor.mentions or actor.author else ("not mentioned",),
                    model="fake",
                )
                for target in document.targets
                for actor in document.actors
            ]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run the command in an empty folder with a fake model; gives back its exit code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "load_classifier", lambda arguments: FakeClassifier())
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level

    def run_command(*overrides: str) -> int:
        monkeypatch.setattr(sys, "argv", ["predict.py", *overrides])
        try:
            command.main()
        except SystemExit as stop:
            return int(stop.code or 0)
        finally:
            # Hydra opens a log file per run and leaves it open.
            for handler in set(root.handlers) - set(handlers):
                root.removeHandler(handler)
                handler.close()
            root.handlers[:] = handlers
            root.setLevel(level)
        return 0

    return run_command


def write_lines(path: Path, *records: object) -> None:
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_a_folder_of_texts_gives_one_row_per_text_actor_and_target(
    run: Callable[..., int], tmp_path: Path
) -> None:
    (tmp_path / "texte").mkdir()
    (tmp_path / "texte" / "a.txt").write_text(REPORT, encoding="utf-8")
    (tmp_path / "texte" / "b.txt").write_text("Der Stadtrat grüßt.", encoding="utf-8")
    code = run(
        "input=texte",
        'targets=["Der Plan, für alle, soll kommen.", "Straßen"]',
        'actors=["Eva Holm", "Stadtrat"]',
        "output=rows.jsonl",
    )
    rows = read_predictions("rows.jsonl")
    assert code == 0
    assert len(rows) == 8
    assert [span["text"] for span in rows[0].mentions] == ["Eva Holm", "Holm"]
    assert rows[4].actor == "Eva Holm"
    assert rows[4].warnings == ("not mentioned",)


def test_native_documents_bring_their_own_questions(run: Callable[..., int]) -> None:
    write_lines(Path("in.jsonl"), NATIVE)
    assert run("input=in.jsonl", "output=rows.csv") == 0
    (row,) = read_predictions("rows.csv")
    assert (row.actor, row.target) == ("Eva Holm", "Der Plan soll kommen.")


def test_an_html_output_is_a_page_of_the_texts_before_a_bad_record(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    records = [NATIVE | {"id": f"n{number}"} for number in (1, 2, 4)]
    write_lines(Path("in.jsonl"), *records[:2], {"id": "n3"}, records[2])
    assert run("input=in.jsonl", "output=page.html") == 1
    assert "in.jsonl, line 3, field text" in capsys.readouterr().err
    page = Path("page.html").read_text(encoding="utf-8")
    assert page.count('<section class="text') == 2
    assert "The run stopped before its end" in page
    assert run("input=in.jsonl", "output=page.html") == 2
    assert run("input=in.jsonl", "output=page.html", "overwrite=true", "on_error=skip") == 0
    page = Path("page.html").read_text(encoding="utf-8")
    assert page.count('<section class="text') == 3
    assert "stopped" not in page.split("<body>")[1]
    assert not Path("page.html.parts").exists()


def test_triples_are_read_by_their_columns(run: Callable[..., int]) -> None:
    Path("in.csv").write_text(f'Inhalt,Wer,Wozu\n"{REPORT}",Eva Holm,Plan\n', encoding="utf-8")
    code = run(
        "input=in.csv", "columns.text=Inhalt", "columns.actor=Wer", "columns.target=Wozu",
        "output=rows.parquet",
    )  # fmt: skip
    (row,) = read_predictions("rows.parquet")
    assert (code, row.actor, row.target) == (0, "Eva Holm", "Plan")


def test_targets_and_actors_can_come_from_text_files(run: Callable[..., int]) -> None:
    Path("Übersicht.txt").write_text(REPORT, encoding="utf-8")
    Path("Ziele.txt").write_bytes("\ufeffGebühren senken, sofort\r\n\r\nMaut\r\n".encode())
    Path("Leute.txt").write_bytes("Jörg Weiß\n".encode("cp1252"))
    assert (
        run("input=Übersicht.txt", "targets=Ziele.txt", "actors=Leute.txt", "output=rows.jsonl")
        == 0
    )
    rows = read_predictions("rows.jsonl")
    assert [(row.target, row.actor) for row in rows] == [
        ("Gebühren senken, sofort", "Jörg Weiß"),
        ("Maut", "Jörg Weiß"),
    ]


def test_without_output_a_table_is_shown_and_nothing_written(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_lines(Path("in.jsonl"), *[NATIVE | {"id": f"n{number}"} for number in range(5)])
    assert run("input=in.jsonl", "show_texts=2") == 0
    shown = capsys.readouterr()
    assert shown.out.count("neutral 0.70") == 2
    assert "n1" in shown.out
    assert "n2" not in shown.out
    assert "the table shows the first 2 texts" in shown.err
    assert {path.name for path in tmp_path.iterdir()} == {"in.jsonl", "outputs"}


def test_a_bad_record_stops_with_one_line_and_keeps_the_rows_before_it(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    write_lines(Path("in.jsonl"), NATIVE, NATIVE | {"id": "n2"}, {"id": "n3"}, NATIVE)
    assert run("input=in.jsonl", "output=rows.jsonl") == 1
    assert [row.document_id for row in read_predictions("rows.jsonl")] == ["n1", "n2"]
    errors = capsys.readouterr().err
    (line,) = [line for line in errors.splitlines() if line.startswith("error:")]
    assert "in.jsonl, line 3, field text" in line
    assert "Traceback" not in errors


def test_bad_records_can_be_skipped_and_are_noted(run: Callable[..., int]) -> None:
    write_lines(Path("in.jsonl"), {"id": "n0"}, NATIVE, "{broken", NATIVE | {"id": "n3"})
    assert run("input=in.jsonl", "output=rows.jsonl", "on_error=skip") == 0
    assert [row.document_id for row in read_predictions("rows.jsonl")] == ["n1", "n3"]
    lines = Path("rows.jsonl.rejects.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["line"] for line in lines] == [1, 3]
    assert run("input=in.jsonl", "output=rows.jsonl", "on_error=skip") == 2
    write_lines(Path("in.jsonl"), NATIVE)
    assert run("input=in.jsonl", "output=rows.jsonl", "overwrite=true") == 0
    assert not Path("rows.jsonl.rejects.jsonl").exists()


def test_an_existing_output_is_kept_unless_told(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    write_lines(Path("in.jsonl"), NATIVE)
    Path("rows.jsonl").write_text("mine\n", encoding="utf-8")
    assert run("input=in.jsonl", "output=rows.jsonl") == 2
    assert "overwrite=true" in capsys.readouterr().err
    assert Path("rows.jsonl").read_text(encoding="utf-8") == "mine\n"
    assert run("input=in.jsonl", "output=rows.jsonl", "overwrite=true") == 0
    assert len(read_predictions("rows.jsonl")) == 1


@pytest.mark.parametrize(
    "overrides",
    [
        ("input=in.jsonl", "output=in.jsonl"),
        ("input=*.jsonl", "output=in.jsonl"),
        ("input=.", "output=sub/rows.jsonl"),
    ],
)
def test_the_output_is_never_an_input(run: Callable[..., int], overrides: tuple[str, ...]) -> None:
    write_lines(Path("in.jsonl"), NATIVE)
    before = Path("in.jsonl").read_bytes()
    assert run(*overrides, "overwrite=true") == 2
    assert Path("in.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("overrides", "code", "message"),
    [
        ((), 2, "input is missing"),
        (("input=in.jsonl", "output=rows.xlsx"), 2, ".jsonl or .csv or .parquet"),
        (("input=in.jsonl", "tragets=Maut"), 2, "did you mean targets"),
        (("input=in.jsonl", "targets=[Häuser]"), 2, "double quotes"),
        (("input=in.jsonl", "targets=[Maut,Maut]"), 2, "'Maut' is there twice"),
        (("input=in.jsonl", "targets=[]"), 2, "targets: no text; give texts"),
        (("input=in.jsonl", 'targets=["Maut", " "]'), 2, "targets: an empty text"),
        (("input=in.jsonl", "actors=[1,2]"), 2, "give a text or a list of texts"),
        (("input=in.jsonl", "actors=leute.txt"), 2, "no file leute.txt"),
        (("input=in.jsonl", "on_error=ignore"), 2, "give stop or skip"),
        (("input=in.jsonl", "shard_rows=0"), 2, "shard_rows is 0"),
        (("input=in.jsonl", "shard_rows=9", "output=page.html"), 2, "needs an output of rows"),
        (("input=in.jsonl", "engine=spark"), 2, "give local or ray"),
        (("input=in.jsonl", "engine=ray", "output=page.html"), 2, "engine=ray writes rows"),
        (("input=in.jsonl", "engine=ray", "show=true"), 2, "show=true and engine=ray"),
        (("input=in.jsonl", "engine=ray", "ray_workers=0"), 2, "ray_workers is 0"),
        (("input=in.jsonl", "engine=ray", "ray_cpus=0"), 2, "ray_cpus is 0; give a number above 0"),
        (("input=in.jsonl", "engine=ray", "device=cuda"), 2, "needs ray_gpus"),
        (("input=s3://bucket/in.jsonl",), 2, "engine=ray takes URLs"),
        (("input=in.jsonl", "+columns.txt=Inhalt"), 2, "columns.txt is 'Inhalt'"),
        (("input=nichts.jsonl",), 1, "nichts.jsonl"),
        (("input=empty.jsonl",), 1, "empty.jsonl"),
        (("input=nothing",), 1, "nothing"),
        (("input=text.txt", "actors=[Stadtrat]"), 1, "has no targets"),
        (("input=text.txt", "targets=[Maut]"), 1, "has no actors"),
    ],
)
def test_a_mistake_gets_one_clear_line_and_writes_no_rows(
    run: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    overrides: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    write_lines(Path("in.jsonl"), NATIVE)
    Path("empty.jsonl").touch()
    Path("nothing").mkdir()
    Path("text.txt").write_text(REPORT, encoding="utf-8")
    output = () if any(text.startswith("output=") for text in overrides) else ("output=rows.csv",)
    assert run(*overrides, *output) == code
    errors = capsys.readouterr().err
    (line,) = [line for line in errors.splitlines() if line.startswith("error:")]
    assert message in line
    assert "Traceback" not in errors
    assert not Path("rows.csv").exists() or read_predictions("rows.csv") == []


def test_shards_are_read_back_like_a_file_and_are_no_input(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    write_lines(Path("in.jsonl"), *[NATIVE | {"id": f"n{number}"} for number in range(4)])
    assert run("input=in.jsonl", "output=rows.jsonl", "shard_rows=2") == 0
    assert Path("rows.jsonl").is_dir()
    assert [row.document_id for row in read_predictions("rows.jsonl")] == ["n0", "n1", "n2", "n3"]
    assert run("input=in.jsonl", "output=rows.jsonl", "shard_rows=2") == 2
    assert "exists and is complete (4 rows" in capsys.readouterr().err
    assert run("input=rows.jsonl/*", "output=rows.jsonl", "shard_rows=2", "overwrite=true") == 2
    assert "is also an input" in capsys.readouterr().err
    assert len(read_predictions("rows.jsonl")) == 4


def test_without_ray_its_extra_is_named(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    write_lines(Path("in.jsonl"), NATIVE)
    assert run("input=in.jsonl", "output=rows.jsonl", "engine=ray") == 2
    assert "pip install 'stance[ray]'" in capsys.readouterr().err
    assert not Path("rows.jsonl").exists()


@pytest.mark.parametrize(
    "text",
    [
        "Übersicht.txt",
        "Ja, wir wollen das; sofort!",
        "a/b (1).txt",
        "O'Neill's Plan",
        "C:\\Texte\\",
        "\\'",
        "Häuser: 30 % mehr",
        "*.txt",
    ],
)
def test_plain_texts_need_no_second_quotes(text: str) -> None:
    (override,) = quote_overrides([f"targets={text}"])
    assert OverridesParser.create().parse_override(override).value() == text


def test_lists_null_and_other_arguments_stay_as_they_are() -> None:
    given = [
        'targets=["Maut, sofort"]',
        "actors=null",
        "show=true",
        "hydra.verbose=true",
        "-cn",
        "x",
    ]
    assert quote_overrides(given) == given


def test_the_author_can_be_asked_for_by_argument(run: Callable[..., int]) -> None:
    write_lines(Path("in.jsonl"), {"id": "n1", "text": "Ich bin dafür.", "author": "Ida Kern"})
    assert run("input=in.jsonl", "targets=[Maut]", "author_actor=true", "output=rows.jsonl") == 0
    (row,) = read_predictions("rows.jsonl")
    assert row.actor == "Ida Kern"


def test_the_config_has_the_arguments_and_their_defaults() -> None:
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        config = compose("predict", overrides=["input=x"])
    names = {field.name for field in fields(PredictArguments)}
    assert set(config) == names
    composed = build_arguments(config)
    defaults = PredictArguments(input="x")
    for name in names - {"columns"}:
        assert getattr(composed, name) == getattr(defaults, name)


def test_read_texts_tells_a_sentence_from_a_file(tmp_path: Path) -> None:
    assert read_texts("Soll die Maut kommen?", "targets") == ["Soll die Maut kommen?"]
    assert read_texts("x" * 5_000, "targets") == ["x" * 5_000]
    (tmp_path / "leer.txt").write_text("\n \n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"leer\.txt: no text"):
        read_texts(str(tmp_path / "leer.txt"), "targets")


def test_a_real_model_end_to_end(
    tiny_stance_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hard texts through the whole chain, the same rows in every kind of file."""
    monkeypatch.chdir(tmp_path)
    Path("texte").mkdir()
    Path("texte/a.txt").write_text(REPORT, encoding="utf-8")
    Path("texte/b.txt").write_text("🎉🎉 🚀", encoding="utf-8")
    Path("texte/c.txt").write_text("Wörter " * 199_999 + "Holm.", encoding="utf-8")
    found = []
    for ending in (".jsonl", ".csv", ".parquet"):
        command.predict(
            PredictArguments(
                input="texte" if ending == ".jsonl" else "texte/[ab].txt",
                targets=["Der Plan soll kommen.", "Maut"],
                actors=["Eva Holm", "Jan Weiß"],
                output=f"rows{ending}",
                model_dir=str(tiny_stance_model_dir),
                device="cpu",
            )
        )
        found.append(read_predictions(f"rows{ending}"))
    rows = {(row.document_id, row.target_id, row.actor): row for row in found[0]}
    assert len(found[0]) == len(rows) == 12
    for row in found[0]:
        assert sum(row.probabilities) == pytest.approx(1, abs=1e-5)
        if row.actor == "Jan Weiß" or not row.mentions:
            assert row.label is StanceLabel.NONE
            assert row.warnings
    assert sum(bool(row.mentions) for row in found[0]) == 4
    for other in found[1:]:
        assert [(row.document_id, row.target_id, row.actor, row.label) for row in other] == [
            (row.document_id, row.target_id, row.actor, row.label) for row in found[0][:8]
        ]


class FindingClassifier(FakeClassifier):
    """Finds Eva Holm."""

    finds_actors = True

    def find_actors(
        self, documents: Iterable[Document], *, replace: bool = True
    ) -> Iterator[Document]:
        for document in documents:
            named = [a for a in locate_actors(document.text, ["Eva Holm"]) if a.mentions]
            kept = document.actors and not replace
            yield document if kept else document.model_copy(update={"actors": tuple(named)})


@pytest.mark.parametrize("overrides", [(), ("actors=auto",)])
def test_texts_need_no_list_of_actors_if_the_model_finds_them(
    run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, overrides: tuple[str, ...]
) -> None:
    monkeypatch.setattr(command, "load_classifier", lambda arguments: FindingClassifier())
    Path("a.txt").write_text(REPORT, encoding="utf-8")
    Path("b.txt").write_text("Es regnet.", encoding="utf-8")
    assert run("input=[a.txt,b.txt]", "targets=Plan", "output=rows.jsonl", *overrides) == 0
    (row,) = read_predictions("rows.jsonl")
    assert row.actor == "Eva Holm"
    (reject,) = Path("rows.jsonl.rejects.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(reject)["document_id"] == "b"
    assert "no actor was found" in json.loads(reject)["reason"]


def test_auto_needs_a_model_with_a_tagger(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.txt").write_text(REPORT, encoding="utf-8")
    assert run("input=a.txt", "targets=Plan", "actors=auto") == 2
    assert "stance-train-tagger" in capsys.readouterr().err


def test_a_gazetteer_beside_given_actors_is_a_contradiction(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.txt").write_text(REPORT, encoding="utf-8")
    code = run("input=a.txt", "targets=Plan", "actors=Eva Holm", "gazetteer=known.csv")
    assert code == 2
    assert "actors and gazetteer" in capsys.readouterr().err


def test_finders_beside_given_actors_are_a_contradiction(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.txt").write_text(REPORT, encoding="utf-8")
    code = run("input=a.txt", "targets=Plan", "actors=Eva Holm", "finders=[tagger,spacy:de_x]")
    assert code == 2
    assert "actors and finders" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("finders", "message"),
    [
        ("finders=tagger", "give a list"),
        ("finders=[tagger,flair:de]", "spacy:MODEL or gliner:MODEL"),
        ("finders=[]", "finders is []"),
    ],
)
def test_a_wrong_finder_is_a_wrong_argument(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], finders: str, message: str
) -> None:
    Path("a.txt").write_text(REPORT, encoding="utf-8")
    assert run("input=a.txt", "targets=Plan", "actors=auto", finders) == 2
    assert message in capsys.readouterr().err
