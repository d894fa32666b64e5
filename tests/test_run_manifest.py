"""A run that was interrupted anywhere goes on, and ends with the files of one that was not."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from stance import batch_prediction, prediction_files
from stance.commands import predict as command
from stance.commands.predict import PredictArguments, UsageError
from stance.prediction_files import PredictionFileError, read_predictions
from stance.run_manifest import manifest_of
from stance.schema import Document, Prediction, StanceLabel

NAMES = ("Frauke Ömmelbach", "Götz Tüllinger", "Änne Wröbel")
TARGETS = ("Das Tempolimit soll kommen.", "Die Straße soll ausgebaut werden.")
KILLS = 10
ROWS_PER_SHARD = 10
SECONDS_PER_TEXT = 0.01
PRELOADED = [
    "pytest",
    "pandas",
    "pyarrow.dataset",
    "scipy.special",
    "stance.commands.predict",
    "stance.evaluation",
    "stance.inference",
    "stance.weights",
    "transformers.models.bert.modeling_bert",
]


class FakeClassifier:
    """Neutral on all, and slow if told; takes three documents before it answers."""

    finds_actors = True
    seconds_per_text = 0.0

    def find_actors(
        self, documents: Iterable[Document], *, replace: bool = True
    ) -> Iterator[Document]:
        yield from documents

    def iter_predict(self, documents: Iterable[Document]) -> Iterator[list[Prediction]]:
        waiting: list[Document] = []
        for document in documents:
            waiting.append(document)
            if len(waiting) == 3:
                yield from map(self.answer, waiting)
                waiting = []
        yield from map(self.answer, waiting)

    def answer(self, document: Document) -> list[Prediction]:
        time.sleep(self.seconds_per_text)
        return [
            Prediction(
                document_id=document.id,
                actor_id=actor.id,
                actor=actor.name,
                target_id=target.id,
                target=target.text,
                label=StanceLabel.NEUTRAL,
                probabilities=(0.1, 0.1, 0.7, 0.1),
                confidence=0.7,
                model="fake",
            )
            for target in document.targets
            for actor in document.actors
        ]


def write_input(path: Path, count: int) -> None:
    """Documents of unlike length; among them lines that are none, and texts that name nobody."""
    lines = []
    for number in range(count):
        name = NAMES[number % 3]
        text = f"{name} sprach am {number % 28 + 1}. Mai. " + "Die Straße koste Geld. " * (
            number * 7 % 11
        )
        record: dict[str, Any] = {
            "id": f"n{number}",
            "text": text,
            "actors": [{"id": "a1", "name": name}],
        }
        if number % 8 == 3:
            record["actors"] = []
        lines.append("{broken" if number % 8 in (0, 5) else json.dumps(record))
    path.write_text("\n".join([*lines, "{broken"]) + "\n", encoding="utf-8")


def ask(folder: Path, output: str, **changes: Any) -> PredictArguments:
    """Arguments for a file, or for a folder of shards, whose name has ``-shards`` in it."""
    given: dict[str, Any] = {
        "input": str(folder / "in.jsonl"),
        "targets": TARGETS,
        "output": str(folder / output),
        "shard_rows": ROWS_PER_SHARD if "-shards" in output else None,
        "on_error": "skip",
        "device": "cpu",
    }
    return PredictArguments(**given | changes)


def set_up(monkeypatch: pytest.MonkeyPatch | None = None) -> FakeClassifier:
    """Small portions and parts, and a fake model; without ``monkeypatch`` for good."""
    classifier = FakeClassifier()
    replace = setattr if monkeypatch is None else monkeypatch.setattr
    replace(batch_prediction, "PORTION_CHARACTERS", 1_500)
    replace(prediction_files, "ROWS_PER_PART", 5)
    replace(command, "load_classifier", lambda arguments: classifier)
    return classifier


def run_slowly(arguments: PredictArguments) -> None:
    """What a process does that is killed at some time: a real model, small portions."""
    from stance.inference import StanceClassifier

    load = command.load_classifier
    set_up()
    answer = StanceClassifier._make_prediction

    def make_slowly(*values: Any) -> Prediction:
        time.sleep(SECONDS_PER_TEXT / len(TARGETS))
        return answer(*values)

    StanceClassifier._make_prediction = make_slowly  # type: ignore[method-assign]
    command.load_classifier = load
    command.predict(arguments)


def run_until_fsync(arguments: PredictArguments, number: int) -> None:
    """What a process does that ends at once, as if killed, before its ``number``-th fsync."""
    set_up()
    sync, count = os.fsync, 0

    def end_or_sync(descriptor: int) -> None:
        nonlocal count
        count += 1
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)
        sync(descriptor)

    os.fsync = end_or_sync
    command.predict(arguments)


def start(function: Any, *values: Any) -> BaseProcess:
    """A process of its own that has the modules loaded already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=function, args=values)
    process.start()
    return process


def read_files(folder: Path, output: str) -> list[tuple[str, bytes]]:
    """The rows and the rejects to the byte, of a folder of shards with their names."""
    path, rejects = folder / output, folder / f"{output}.rejects.jsonl"
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    names = [file.name if path.is_dir() else "rows" for file in files] + ["rejects"]
    return [(name, file.read_bytes()) for name, file in zip(names, [*files, rejects], strict=True)]


def read_counts(folder: Path, output: str) -> dict[str, Any]:
    manifest = json.loads(manifest_of(folder / output).read_text(encoding="utf-8"))
    assert manifest["complete"]
    counts: dict[str, Any] = manifest["counts"]
    left_out = sum(counts["rejected"].values()) + counts["nobody_found"]
    assert counts["read"] == counts["predicted"] + left_out
    return counts


def is_complete(output: Path) -> bool:
    path = manifest_of(output)
    return path.exists() and bool(json.loads(path.read_text(encoding="utf-8"))["complete"])


def remove_output(folder: Path, output: str) -> None:
    for path in folder.glob(f"{output}*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet", "-shards.parquet"])
def test_ten_kills_at_random_moments_change_nothing(
    tmp_path: Path, tiny_stance_model_dir: Path, ending: str
) -> None:
    write_input(tmp_path / "in.jsonl", 48)
    model_dir = str(tiny_stance_model_dir)
    whole, output = f"whole{ending}", f"rows{ending}"
    start(os.getpid).join()  # the modules are loaded now
    begun = time.monotonic()
    process = start(run_slowly, ask(tmp_path, whole, model_dir=model_dir))
    process.join()
    duration = time.monotonic() - begun
    assert process.exitcode == 0
    random.seed(ending)
    kills = 0
    while True:
        process = start(run_slowly, ask(tmp_path, output, model_dir=model_dir))
        process.join(random.uniform(0, duration) if kills < KILLS else None)
        if process.is_alive():
            process.kill()
            process.join()
            kills += 1
            # A process may be killed on its last way out.
            complete = is_complete(tmp_path / output)
        else:
            assert process.exitcode == 0
            complete = True
        if not complete:
            continue
        assert read_files(tmp_path, output) == read_files(tmp_path, whole)
        assert read_counts(tmp_path, output) == read_counts(tmp_path, whole)
        assert not prediction_files.parts_of(tmp_path / output).exists()
        if kills == KILLS:
            break
        remove_output(tmp_path, output)
    assert len(read_predictions(tmp_path / output)) == 60


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
@pytest.mark.parametrize(
    "ending", [".jsonl", ".csv", ".parquet", "-shards.jsonl", "-shards.parquet"]
)
def test_no_moment_is_a_bad_one(tmp_path: Path, ending: str) -> None:
    """Each run goes on where the last one ended, and ends one fsync later after its begin."""
    write_input(tmp_path / "in.jsonl", 40)
    (tmp_path / "model").mkdir()
    whole, output = f"whole{ending}", f"rows{ending}"
    exits = []
    for name, number in ((whole, 0), *((output, number) for number in range(1, 50))):
        arguments = ask(tmp_path, name, model_dir=str(tmp_path / "model"))
        process = start(run_until_fsync, arguments, number)
        process.join()
        exits.append(process.exitcode)
        if name == output and process.exitcode == 0:
            break
    assert exits == [0, *[-signal.SIGKILL] * (len(exits) - 2), 0]
    assert len(exits) > 5
    assert read_files(tmp_path, output) == read_files(tmp_path, whole)
    assert read_counts(tmp_path, output) == read_counts(tmp_path, whole)


@pytest.fixture
def classifier(monkeypatch: pytest.MonkeyPatch) -> FakeClassifier:
    return set_up(monkeypatch)


def interrupt(
    arguments: PredictArguments, monkeypatch: pytest.MonkeyPatch, after_texts: int
) -> None:
    """Run, and stop as Ctrl-C does, before a text is answered."""
    with monkeypatch.context() as patch:
        answer, count = FakeClassifier.answer, 0

        def answer_some(self: FakeClassifier, document: Document) -> list[Prediction]:
            nonlocal count
            count += 1
            if count > after_texts:
                raise KeyboardInterrupt
            return answer(self, document)

        patch.setattr(FakeClassifier, "answer", answer_some)
        with pytest.raises(KeyboardInterrupt):
            command.predict(arguments)


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet", "-shards.csv", "-shards.parquet"])
def test_counts_add_up_with_and_without_an_interruption(
    tmp_path: Path,
    classifier: FakeClassifier,
    ending: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    write_input(tmp_path / "in.jsonl", 40)
    whole, output = f"whole{ending}", f"rows{ending}"
    with caplog.at_level(logging.INFO):
        command.predict(ask(tmp_path, whole))
    counts = read_counts(tmp_path, whole)
    assert counts == {
        "read": 41,
        "predicted": 25,
        "rejected": {"invalid record": 11},
        "nobody_found": 5,
        "rows": 50,
        "rows_with_warnings": 0,
    }
    assert (
        "41 read = 25 predicted + 11 rejected (11 invalid record) + 5 in which nobody was found; "
        "50 rows" in caplog.messages
    )
    for after in (0, 7, 5):
        interrupt(ask(tmp_path, output), monkeypatch, after)
        assert not json.loads(manifest_of(tmp_path / output).read_text("utf-8"))["complete"]
    command.predict(ask(tmp_path, output))
    assert read_files(tmp_path, output) == read_files(tmp_path, whole)
    assert read_counts(tmp_path, output) == counts
    manifest = json.loads(manifest_of(tmp_path / output).read_text(encoding="utf-8"))
    assert manifest["interruptions"] == 3
    assert manifest["question"]["model_dir"]["name"]
    assert manifest["versions"]["stance"]
    assert manifest["started"] <= manifest["finished"]


@pytest.mark.parametrize("ending", [".jsonl", ".csv"])
def test_a_line_that_was_written_in_part_is_cut_off(
    tmp_path: Path, classifier: FakeClassifier, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_input(tmp_path / "in.jsonl", 40)
    output = f"rows{ending}"
    command.predict(ask(tmp_path, f"whole{ending}"))
    interrupt(ask(tmp_path, output), monkeypatch, 9)
    with (tmp_path / output).open("a", encoding="utf-8") as file:
        file.write('{"document_id": "n1')
    with (tmp_path / f"{output}.rejects.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"file": "in.js')
    command.predict(ask(tmp_path, output))
    assert read_files(tmp_path, output) == read_files(tmp_path, f"whole{ending}")


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
def test_documents_that_are_done_are_not_predicted_again(
    tmp_path: Path, classifier: FakeClassifier, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_input(tmp_path / "in.jsonl", 40)
    arguments = ask(tmp_path, f"rows{ending}")
    interrupt(arguments, monkeypatch, 20)
    asked = []
    answer = FakeClassifier.answer

    def note(self: FakeClassifier, document: Document) -> list[Prediction]:
        asked.append(document.id)
        return answer(self, document)

    monkeypatch.setattr(FakeClassifier, "answer", note)
    command.predict(arguments)
    assert 5 <= len(asked) < 12  # of 25; those of the last portion once more


def test_another_question_is_refused_and_the_difference_named(
    tmp_path: Path, classifier: FakeClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_input(tmp_path / "in.jsonl", 40)
    interrupt(ask(tmp_path, "rows.jsonl"), monkeypatch, 9)
    before = (tmp_path / "rows.jsonl").read_bytes()
    for changes, message in (
        ({"targets": (TARGETS[0], "Maut")}, r"targets was \['Die Straße.*is now \['Maut'\]"),
        ({"actors": ["Eva Holm"]}, r"actors was none, is now \['Eva Holm'\]"),
        ({"abstain_below": 0.6}, "abstain_below was none, is now 0.6"),
    ):
        with pytest.raises(UsageError, match=message) as error:
            command.predict(ask(tmp_path, "rows.jsonl", **changes))
        assert "overwrite=true" in str(error.value)
    write_input(tmp_path / "in.jsonl", 41)
    with pytest.raises(UsageError, match=r"input \(bytes was \d+, is now \d+, sha256"):
        command.predict(ask(tmp_path, "rows.jsonl"))
    assert (tmp_path / "rows.jsonl").read_bytes() == before
    command.predict(ask(tmp_path, "rows.jsonl", targets=["Maut"], overwrite=True))
    assert {row.target for row in read_predictions(tmp_path / "rows.jsonl")} == {"Maut"}


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet", ".html"])
def test_a_complete_output_is_kept(tmp_path: Path, classifier: FakeClassifier, ending: str) -> None:
    write_input(tmp_path / "in.jsonl", 8)
    output = tmp_path / f"rows{ending}"
    command.predict(ask(tmp_path, output.name))
    assert read_counts(tmp_path, output.name)["predicted"] == 5
    before = output.read_bytes()
    with pytest.raises(UsageError, match=r"exists.*overwrite=true"):
        command.predict(ask(tmp_path, output.name))
    assert output.read_bytes() == before
    output.unlink()
    with pytest.raises(UsageError, match="of an output that is gone"):
        command.predict(ask(tmp_path, output.name))
    command.predict(ask(tmp_path, output.name, overwrite=True))
    assert output.exists()


def test_a_run_that_a_bad_record_stopped_goes_on_without_it(
    tmp_path: Path, classifier: FakeClassifier
) -> None:
    write_input(tmp_path / "in.jsonl", 40)
    lines = (tmp_path / "in.jsonl").read_text(encoding="utf-8").splitlines()
    good = [line for line in lines if line.startswith('{"')]
    (tmp_path / "in.jsonl").write_text("\n".join([*good, "{broken", lines[1]]), "utf-8")
    with pytest.raises(batch_prediction.PredictionStoppedError, match=f"line {len(good) + 1}"):
        command.predict(ask(tmp_path, "rows.csv", on_error="stop"))
    manifest = json.loads(manifest_of(tmp_path / "rows.csv").read_text(encoding="utf-8"))
    assert f"line {len(good) + 1}" in manifest["stopped"]
    assert (manifest["complete"], manifest["counts"]["rows"]) == (False, 50)
    assert len(read_predictions(tmp_path / "rows.csv")) == 50
    command.predict(ask(tmp_path, "rows.csv"))
    command.predict(ask(tmp_path, "whole.csv"))
    assert read_files(tmp_path, "rows.csv") == read_files(tmp_path, "whole.csv")


def test_rows_that_were_taken_away_are_missed(
    tmp_path: Path, classifier: FakeClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_input(tmp_path / "in.jsonl", 40)
    interrupt(ask(tmp_path, "rows.jsonl"), monkeypatch, 20)
    interrupt(ask(tmp_path, "rows.parquet"), monkeypatch, 20)
    (tmp_path / "rows.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(PredictionFileError, match="shorter than the interrupted run left it"):
        command.predict(ask(tmp_path, "rows.jsonl"))
    (tmp_path / "rows.parquet.parts" / "part-00000000.parquet").unlink()
    with pytest.raises(PredictionFileError, match="lacks parts"):
        command.predict(ask(tmp_path, "rows.parquet"))


@pytest.mark.skipif(sys.platform == "win32", reason="files are not locked there")
@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
def test_a_second_run_at_the_same_time_is_refused(
    tmp_path: Path, classifier: FakeClassifier, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_input(tmp_path / "in.jsonl", 40)
    arguments = ask(tmp_path, f"rows{ending}")
    answer, refused = FakeClassifier.answer, []

    def run_again(self: FakeClassifier, document: Document) -> list[Prediction]:
        if not refused:
            refused.append(True)
            with pytest.raises(PredictionFileError, match="another run is writing"):
                command.predict(arguments)
        return answer(self, document)

    monkeypatch.setattr(FakeClassifier, "answer", run_again)
    command.predict(arguments)
    assert refused
    assert read_counts(tmp_path, f"rows{ending}")["rows"] == 50


def test_a_file_that_is_no_manifest_is_not_replaced(
    tmp_path: Path, classifier: FakeClassifier
) -> None:
    write_input(tmp_path / "in.jsonl", 8)
    manifest_of(tmp_path / "rows.csv").write_text("[]", encoding="utf-8")
    with pytest.raises(UsageError, match=r"rows\.csv\.manifest\.json is no manifest"):
        command.predict(ask(tmp_path, "rows.csv"))
