"""The command, from Hydra overrides to the files, with a fake model in place of a trained one."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from rich.console import Console

from stance.commands.evaluate import (
    PATH_KEYS,
    EvaluateArguments,
    build_arguments,
    compare_runs,
    evaluate,
    load_training,
)
from stance.commands.overrides import quote_paths
from stance.documents import read_documents
from stance.locations import config_dir
from stance.schema import Document, Prediction, StanceLabel

RECORDS = [
    {
        "id": f"d{number}",
        "text": "Frauke Ömmelbach fordert das Tempolimit. Götz Tüllinger ist dagegen.",
        "actors": [
            {"id": "a1", "name": "Frauke Ömmelbach", "mentions": ["Frauke Ömmelbach"]},
            {"id": "a2", "name": "Götz Tüllinger", "mentions": ["Götz Tüllinger"]},
            {"id": "a3", "name": "Die Verfasserin", "author": True},
        ],
        "targets": [{"id": "t1", "text": "Das Tempolimit soll kommen."}],
        "stances": [
            {"actor": "a1", "target": "t1", "label": "favor"},
            {"actor": "a3", "target": "t1", "label": "none"},
        ],
    }
    for number in (1, 2)
]


class FakeStanceClassifier:
    """Takes every actor to be in favor."""

    name = "fake-model"
    has_probabilities = True

    @classmethod
    def from_pretrained(
        cls, path: str | None = None, device: str = "auto", finders: Sequence[str] = ()
    ) -> FakeStanceClassifier:
        return cls()

    def predict(self, documents: Iterable[Document]) -> list[Prediction]:
        return [
            Prediction(
                document_id=document.id,
                actor_id=actor.id,
                actor=actor.name,
                target_id=target.id,
                target=target.text,
                label=StanceLabel.FAVOR,
                probabilities=(0.7, 0.1, 0.1, 0.1),
                confidence=0.7,
                mentions=tuple(span.model_dump() for span in actor.mentions),
                model="fake-model",
            )
            for document in documents
            for target in document.targets
            for actor in document.actors
        ]


@pytest.fixture
def fake_model(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("stance.inference")
    module.StanceClassifier = FakeStanceClassifier  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "stance.inference", module)


@pytest.fixture
def gold_file(tmp_path: Path) -> Path:
    path = tmp_path / "geprüft.jsonl"
    lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in RECORDS)
    path.write_text("".join(lines), encoding="utf-8")
    return path


def compose_arguments(*overrides: str) -> EvaluateArguments:
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        config = compose("evaluate", quote_paths(overrides, PATH_KEYS))
    return build_arguments(config, output_dir=config.output_dir)


def run_evaluate(arguments: EvaluateArguments) -> tuple[dict[str, Any], str]:
    output = io.StringIO()
    evaluate(arguments, Console(file=output, width=140))
    text = (Path(arguments.output_dir) / "metrics.json").read_text(encoding="utf-8")
    return json.loads(text), output.getvalue()


@pytest.mark.usefixtures("fake_model")
def test_a_file_is_scored_and_both_files_are_written(
    tmp_path: Path, gold_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stance.corpora.load_corpus", lambda *_: read_documents(gold_file))
    output = tmp_path / "scores"
    metrics, printed = run_evaluate(
        compose_arguments(f"data.path={gold_file}", f"output_dir={output}", "baselines=[majority]")
    )
    needed = "macro_f1 accuracy per_class n labels confusion_matrix baselines counts calibration"
    assert set(needed.split()) <= metrics.keys()
    assert metrics["n"] == 4
    assert metrics["counts"]["unlabelled"] == 2
    assert metrics["accuracy"] == 0.5
    assert metrics["data"]["path"] == str(gold_file)
    assert (metrics["data"]["corpus"], metrics["data"]["split"]) == (None, None)
    assert metrics["model"] == {"name": "fake-model", "directory": None}
    trained_on = metrics["baselines"]["majority"]["trained_on"]
    assert (trained_on["corpus"], trained_on["split"]) == ("newsstance", "train")
    rows = (output / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(row)["gold"] for row in rows] == ["favor", None, "none"] * 2
    for shown in ("fake-model", "majority", "macro-F1", "geprüft.jsonl", "metrics.json"):
        assert shown in printed
    assert "left out of macro-F1: against, neutral" in printed


@pytest.mark.usefixtures("fake_model")
def test_candidate_labels_are_recorded_and_said(tmp_path: Path, gold_file: Path) -> None:
    arguments = compose_arguments(
        f"data.path={gold_file}",
        f"output_dir={tmp_path / 'scores'}",
        "baselines=[]",
        "labels=[favor,none]",
    )
    metrics, printed = run_evaluate(arguments)
    assert metrics["candidate_labels"] == ["favor", "none"]
    assert metrics["baselines"] == {}
    assert "among favor, none only" in printed


@pytest.mark.usefixtures("fake_model")
def test_robustness_is_measured_written_and_said(
    tmp_path: Path, gold_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stance.corpora.load_corpus", lambda *_: read_documents(gold_file))
    arguments = compose_arguments(
        f"data.path={gold_file}",
        f"output_dir={tmp_path / 'scores'}",
        "baselines=[]",
        "robustness=true",
    )
    metrics, printed = run_evaluate(arguments)
    robustness = metrics["robustness"]
    # A model that favors everything has nothing turned round, and follows any exchange of names.
    assert robustness["target_negation_mirrored"] == 0
    assert robustness["target_negation_mirrored_n"] == 6
    assert robustness["actor_swap_consistent"] == 1
    assert robustness["name_replacement_changed"] == 0
    assert robustness["text_removed_macro_f1"] == metrics["macro_f1"]
    assert robustness["content_free_macro_f1"] >= metrics["macro_f1"]
    said = " ".join(printed.split())
    assert "target turned round, label turned round: 0.0% of 6 pairs" in said


@pytest.mark.usefixtures("fake_model")
def test_a_file_without_stances_has_nothing_to_score(tmp_path: Path, gold_file: Path) -> None:
    record = RECORDS[0] | {"stances": []}
    gold_file.write_text(json.dumps(record) + "\n", encoding="utf-8")
    output = tmp_path / "scores"
    with pytest.raises(ValueError, match="nothing to score"):
        run_evaluate(compose_arguments(f"data.path={gold_file}", f"output_dir={output}"))
    assert not output.exists()


def test_the_path_is_a_file_for_newsstance_and_the_corpus_elsewhere() -> None:
    own = compose_arguments()
    assert (own.corpus, own.path, own.split, own.reads_file) == ("newsstance", None, "test", False)
    assert compose_arguments("data.path=mein Korpus.jsonl").reads_file
    wahlomat = compose_arguments("data=wahlomat", "data.path=CHECKOUT", "split=test_unseen")
    assert not wahlomat.reads_file
    assert (wahlomat.split, wahlomat.train_split) == ("test_unseen", "train")


def test_a_corpus_without_the_split_says_which_it_has() -> None:
    with pytest.raises(ValueError, match=r"data=realnews has no test split; .*split=validation"):
        compose_arguments("data=realnews")
    assert compose_arguments("data=realnews", "split=validation").train_split is None


@pytest.mark.parametrize("extra", [("data=realnews", "split=validation"), ("data.path=x.jsonl",)])
def test_baselines_learn_from_newsstance_where_there_is_no_own_training(
    extra: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr("stance.corpora.load_corpus", lambda *args: asked.append(args) or [])
    load_training(compose_arguments(*extra))
    assert asked == [("newsstance", "train", None)]


def test_baselines_learn_from_the_training_split_of_the_corpus(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr("stance.corpora.load_corpus", lambda *args: asked.append(args) or [])
    training = load_training(compose_arguments("data=wahlomat", "data.path=CHECKOUT"))
    assert asked == [("wahlomat", "train", "CHECKOUT")]
    assert (training.corpus, training.split) == ("wahlomat", "train")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("labels=[favor,pro]", "labels has 'pro'; there are favor"),
        ("labels=[favor]", "two or more"),
        ("baselines=[svm]", "baselines has 'svm'; there are majority"),
        ("baseline_max_pairs=0", "baseline_max_pairs is 0"),
        ("finders=[flair:de]", "finders has 'flair:de'; give tagger"),
        ("finders=[tagger,spacy:de_x]", "only with actors=auto"),
        ("robustness=ja", "robustness is 'ja'; give true or false"),
    ],
)
def test_bad_arguments_are_named(override: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compose_arguments(override)


@pytest.mark.parametrize("path", ["a b.jsonl", "Übersicht (1).jsonl", "k=v.jsonl", "it's.jsonl"])
def test_paths_reach_the_command_as_they_are(path: str) -> None:
    assert compose_arguments(f"data.path={path}").path == path


def test_the_file_of_the_test_is_what_read_documents_takes(gold_file: Path) -> None:
    first = read_documents(gold_file)[0]
    assert [actor.author for actor in first.actors] == [False, False, True]


@pytest.mark.usefixtures("fake_model")
def test_predictions_from_elsewhere_are_scored_beside_the_model(
    tmp_path: Path, gold_file: Path
) -> None:
    elsewhere = tmp_path / "andere.jsonl"
    rows = [
        {"document_id": f"d{number}", "target_id": "t1", "actor_id": actor, "label": label}
        for number in (1, 2)
        for actor, label in (("a1", "favor"), ("a2", "against"), ("a3", "none"))
    ]
    elsewhere.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    metrics, printed = run_evaluate(
        compose_arguments(
            f"data.path={gold_file}",
            f"output_dir={tmp_path / 'scores'}",
            "baselines=[]",
            f'systems=[{{kind: predictions, path: "{elsewhere}"}}]',
        )
    )
    other = metrics["systems"]["andere"]
    assert other["accuracy"] == 1
    assert other["calibration"] is None
    assert other["against_model"]["only_first_right"] == 2
    assert "andere" in printed
    assert "andere" in (tmp_path / "scores" / "report.html").read_text(encoding="utf-8")


class LostSystem(FakeStanceClassifier):
    """Answers once, and then no more."""

    name = "lost"

    def __init__(self) -> None:
        self.asked = 0

    def predict(self, documents: Iterable[Document]) -> list[Prediction]:
        self.asked += 1
        if self.asked > 1:
            raise RuntimeError("the device\nis gone")
        return super().predict(documents)


@pytest.mark.usefixtures("fake_model")
def test_a_system_that_is_lost_midway_costs_only_its_own_row(
    tmp_path: Path, gold_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = FakeStanceClassifier()
    second.name = "second"
    waiting: list[Any] = [LostSystem(), second]
    monkeypatch.setattr("stance.commands.evaluate.load_system", lambda *_: waiting.pop(0))
    monkeypatch.setattr("stance.commands.evaluate.SYSTEM_DOCUMENTS_PER_CALL", 1)
    unreachable = "{kind: llm, base_url: 'http://127.0.0.1:9/v1', model: x}"
    arguments = compose_arguments(
        f"data.path={gold_file}",
        f"output_dir={tmp_path}",
        "baselines=[]",
        f"systems=[{unreachable}, {unreachable}]",
    )
    output = io.StringIO()
    with pytest.raises(ValueError, match="no scores of lost, see above; all else is written"):
        evaluate(arguments, Console(file=output, width=140))
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["accuracy"] == 0.5
    assert metrics["systems"]["lost"] == {"error": "RuntimeError: the device is gone"}
    assert metrics["systems"]["second"]["against_model"]["changed_labels"] == 0
    rows = (tmp_path / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 6
    said = "lost failed: RuntimeError: the device is gone"
    assert said in output.getvalue()
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "lost failed and has no scores:</strong> RuntimeError: the device is gone" in report


@pytest.mark.usefixtures("fake_model")
def test_an_endpoint_that_is_down_is_named(tmp_path: Path, gold_file: Path) -> None:
    pytest.importorskip("httpx", reason="the extra llm is missing")
    llm = "{kind: llm, base_url: 'http://127.0.0.1:9/v1', model: LLM, attempts: 1}"
    arguments = compose_arguments(
        f"data.path={gold_file}", f"output_dir={tmp_path}", "baselines=[]", f"systems=[{llm}]"
    )
    with pytest.raises(ValueError, match="no scores of LLM"):
        evaluate(arguments, Console(file=io.StringIO()))
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert "no connection to http://127.0.0.1:9/v1" in metrics["systems"]["LLM"]["error"]
    assert (tmp_path / "report.html").is_file()


def test_another_model_is_a_system(
    tmp_path: Path, gold_file: Path, tiny_stance_model_dir: Path
) -> None:
    common = (
        f"data.path={gold_file}",
        f"output_dir={tmp_path / 'scores'}",
        f"model_dir={tiny_stance_model_dir}",
        "device=cpu",
        "baselines=[]",
    )
    other = f"kind: model, model_dir: '{tiny_stance_model_dir}'"
    metrics, printed = run_evaluate(
        compose_arguments(*common, f"systems=[{{{other}, name: zweites}}]")
    )
    scores = metrics["systems"]["zweites"]
    assert scores["macro_f1"] == metrics["macro_f1"]
    assert scores["calibration"] == metrics["calibration"]
    assert scores["against_model"]["macro_f1"]["p_value"] == 1
    assert "macro-F1 against zweites: +0.000" in printed
    for system, message in (
        (other, f"two systems are called '{tiny_stance_model_dir.name}'"),
        (f"{other}, nmae: x", "kind model: there is no nmae"),
        ("kind: model", "kind model: 'model_dir'"),
    ):
        with pytest.raises(ValueError, match=message):
            run_evaluate(compose_arguments(*common, f"systems=[{{{system}}}]"))


def test_an_unknown_kind_of_system_is_named(gold_file: Path) -> None:
    with pytest.raises(ValueError, match=r"systems has the kind 'gpt'; there are predictions"):
        compose_arguments(f"data.path={gold_file}", "systems=[{kind: gpt}]")
    arguments = compose_arguments(f"data.path={gold_file}", "systems=[{kind: predictions}]")
    with pytest.raises(ValueError, match=r"kind predictions: .*path"):
        evaluate(arguments, Console(file=io.StringIO()))


@pytest.mark.usefixtures("fake_model")
def test_two_runs_are_compared(tmp_path: Path, gold_file: Path) -> None:
    runs = [str(tmp_path / name) for name in ("eins", "zwei")]
    for run in runs:
        run_evaluate(
            compose_arguments(f"data.path={gold_file}", f"output_dir={run}", "baselines=[]")
        )
    output = io.StringIO()
    compare_runs(runs, str(tmp_path / "both"), 0, Console(file=output))
    result = json.loads((tmp_path / "both" / "comparison.json").read_text(encoding="utf-8"))
    assert result["macro_f1"]["difference"] == 0
    assert result["macro_f1"]["p_value"] == 1
    assert "difference +0.000 [+0.000, +0.000], p = 1.0000" in output.getvalue()
    with pytest.raises(ValueError, match="give the folders of two"):
        compare_runs(runs[:1], str(tmp_path / "both"), 0, Console(file=output))
    with pytest.raises(ValueError, match="give the output_dir of an evaluation"):
        compare_runs([runs[0], str(tmp_path / "nirgends")], str(tmp_path), 0, Console(file=output))
