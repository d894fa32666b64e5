from __future__ import annotations

import json
import logging
import tracemalloc
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Literal

import pytest

from stance.batch_prediction import (
    PredictionRun,
    PredictionStoppedError,
    RejectFile,
    UnaskedDocumentError,
    ask_document,
    predict_documents,
)
from stance.encodings import DocumentError
from stance.mentions import locate_actors
from stance.prediction_files import open_writer, read_predictions
from stance.schema import Actor, Document, Mention, Prediction, Stance, StanceLabel, Target

TEXT = "Eva Holm lobte das Tempolimit. Der Stadtrat lehnte es ab, Holm bedauerte das."


class FakeClassifier:
    """Says favor for every mentioned actor; takes ``gather`` documents before it answers."""

    def __init__(self, gather: int = 4) -> None:
        self.gather = gather
        self.taken = 0

    def find_actors(
        self, documents: Iterable[Document], *, replace: bool = True
    ) -> Iterator[Document]:
        """Finds Eva Holm, four documents at a time."""
        stream = iter(documents)
        while part := list(islice(stream, 4)):
            for document in part:
                found = locate_actors(document.text, ["Eva Holm"])
                named = tuple(actor for actor in found if actor.mentions)
                kept = document.actors and not replace
                yield document if kept else document.model_copy(update={"actors": named})

    def iter_predict(self, documents: Iterable[Document]) -> Iterator[list[Prediction]]:
        stream = iter(documents)
        while gathered := list(islice(stream, self.gather)):
            self.taken += len(gathered)
            for document in gathered:
                yield [
                    predict_pair(document, actor, target)
                    for target in document.targets
                    for actor in document.actors
                ]


def predict_pair(document: Document, actor: Actor, target: Target) -> Prediction:
    known = actor.author or bool(actor.mentions)
    return Prediction(
        document_id=document.id,
        actor_id=actor.id,
        actor=actor.name,
        target_id=target.id,
        target=target.text,
        label=StanceLabel.FAVOR if known else StanceLabel.NONE,
        probabilities=(0.9, 0.1, 0.0, 0.0) if known else (0.0, 0.0, 0.0, 1.0),
        confidence=0.9 if known else 1.0,
        mentions=tuple({"start": span.start, "end": span.end} for span in actor.mentions),
        warnings=() if known else ("not mentioned in the text",),
        model="fake",
    )


def make_documents(count: int) -> Iterator[Document]:
    for number in range(count):
        yield Document(id=f"n{number}", text=TEXT)


def test_rows_stand_in_the_order_of_documents_targets_actors(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with open_writer(path) as writer:
        run = predict_documents(
            FakeClassifier(),
            make_documents(6),
            writer,
            targets=["Tempolimit", "Maut"],
            actors=["Eva Holm", "Jan Weiß"],
        )
    rows = read_predictions(path)
    assert (run.texts, run.rows, run.marked_rows) == (6, 24, 12)
    assert [(row.document_id, row.target, row.actor) for row in rows] == [
        (f"n{number}", target, actor)
        for number in range(6)
        for target in ("Tempolimit", "Maut")
        for actor in ("Eva Holm", "Jan Weiß")
    ]


def test_named_actors_are_located_by_name_and_surname() -> None:
    document = ask_document(
        Document(id="n1", text=TEXT), targets=["Maut"], actors=["Eva Holm", "Jan Weiß"]
    )
    spans = [[TEXT[m.start : m.end] for m in actor.mentions] for actor in document.actors]
    assert spans == [["Eva Holm", "Holm"], []]
    assert [actor.name for actor in document.actors] == ["Eva Holm", "Jan Weiß"]


def make_own_document() -> Document:
    return Document(
        id="n1",
        text=TEXT,
        author="Ida Kern",
        actors=(Actor(id="holm", name="Eva Holm", mentions=(Mention(start=0, end=8),)),),
        targets=(Target(id="limit", text="Tempolimit"),),
        stances=(Stance(actor="holm", target="limit", label=StanceLabel.FAVOR),),
    )


def test_a_document_keeps_its_own_questions_if_none_are_given() -> None:
    assert ask_document(make_own_document()) == make_own_document()


def test_given_questions_replace_those_of_the_document_and_the_log_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    documents = [make_own_document().model_copy(update={"id": str(n)}) for n in range(3)]
    with caplog.at_level(logging.INFO):
        run = predict_documents(
            FakeClassifier(), documents, targets=["Maut"], actors=["Stadtrat"], keep=1
        )
    assert [(row.actor, row.target) for row in run.first[0]] == [("Stadtrat", "Maut")]
    said = [message for message in caplog.messages if "replace" in message]
    assert said == [
        "the given targets replace those that documents bring along",
        "the given actors replace those that documents bring along",
    ]


def test_the_author_can_be_asked_for_and_is_added_once() -> None:
    document = ask_document(make_own_document(), author_actor=True)
    assert [(actor.name, actor.author) for actor in document.actors] == [
        ("Eva Holm", False),
        ("Ida Kern", True),
    ]
    assert ask_document(document, author_actor=True) == document
    taken = Document(id="n1", text=TEXT, actors=(Actor(id="author", name="Eva Holm"),))
    asked = ask_document(taken, targets=["Maut"], author_actor=True)
    assert [actor.id for actor in asked.actors] == ["author", "author1"]


@pytest.mark.parametrize(
    ("targets", "actors", "missing"),
    [(None, ["Eva Holm"], "targets"), (["Maut"], None, "actors")],
)
def test_a_document_without_questions_says_what_to_give(
    targets: list[str] | None, actors: list[str] | None, missing: str
) -> None:
    with pytest.raises(UnaskedDocumentError, match=f"'n1' has no {missing}; .*{missing}="):
        ask_document(Document(id="n1", text=TEXT), targets=targets, actors=actors)


def break_after(count: int) -> Iterator[Document]:
    yield from make_documents(count)
    raise DocumentError("is missing; give a string", "news.jsonl", count + 1, "text")


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
def test_everything_before_a_bad_record_is_written(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"rows{ending}"
    with (
        open_writer(path) as writer,
        pytest.raises(PredictionStoppedError, match=r"news\.jsonl, line 7, field text") as caught,
    ):
        predict_documents(
            FakeClassifier(gather=4), break_after(6), writer, targets=["Maut"], actors=["Stadtrat"]
        )
    assert [row.document_id for row in read_predictions(path)] == [f"n{n}" for n in range(6)]
    assert caught.value.run.texts == 6


def test_an_unasked_document_stops_the_run_or_is_noted(tmp_path: Path) -> None:
    documents = [make_own_document(), Document(id="leer", text=TEXT), make_own_document()]
    with pytest.raises(PredictionStoppedError, match="'leer' has no targets"):
        predict_documents(FakeClassifier(), documents)
    rejects = RejectFile(tmp_path / "out.jsonl.rejects.jsonl")
    run = predict_documents(FakeClassifier(), documents, on_reject=rejects.add)
    assert (run.texts, rejects.count) == (2, 1)
    row = json.loads(rejects.path.read_text(encoding="utf-8"))  # type: ignore[union-attr]
    assert (row["document_id"], row["field"]) == ("leer", "targets")


def test_a_reject_names_file_line_and_field(tmp_path: Path) -> None:
    rejects = RejectFile(tmp_path / "rejects.jsonl")
    rejects.add(DocumentError("fehlt; gib ihn an", "Züge.jsonl", 3, "text"))
    rejects.add(DocumentError("fehlt; gib ihn an", "Züge.jsonl", 9, "id"))
    lines = (tmp_path / "rejects.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["line"] for line in lines] == [3, 9]
    assert json.loads(lines[0])["file"] == "Züge.jsonl"
    assert json.loads(lines[0])["reason"].startswith("Züge.jsonl, line 3, field text: fehlt")


def test_repeated_ids_are_counted_and_keep_their_rows(caplog: pytest.LogCaptureFixture) -> None:
    documents = [*make_documents(3), *make_documents(2)]
    run = predict_documents(FakeClassifier(), documents, targets=["Maut"], actors=["Stadtrat"])
    assert (run.rows, run.repeated_ids) == (5, 2)
    assert "document id 'n0' occurs more than once" in caplog.messages


def test_other_errors_are_not_taken_for_bad_records() -> None:
    class Broken(FakeClassifier):
        def iter_predict(self, documents: Iterable[Document]) -> Iterator[list[Prediction]]:
            next(iter(documents))
            raise RuntimeError("out of memory")
            yield []

    with pytest.raises(RuntimeError, match="out of memory"):
        predict_documents(Broken(), make_documents(3), targets=["Maut"], actors=["Stadtrat"])


def test_documents_are_read_only_as_the_classifier_takes_them(tmp_path: Path) -> None:
    classifier = FakeClassifier(gather=4)
    ahead: list[int] = []

    class Watch:
        def write(self, predictions: list[Prediction], document: Document) -> None:
            ahead.append(classifier.taken - len(ahead))

    predict_documents(
        classifier,
        make_documents(40),
        Watch(),  # type: ignore[arg-type]
        targets=["Maut"],
        actors=["Stadtrat"],
    )
    assert len(ahead) == 40
    assert max(ahead) <= 4


def test_memory_does_not_grow_with_the_number_of_texts(tmp_path: Path) -> None:
    def measure(count: int) -> int:
        with open_writer(tmp_path / "rows.jsonl", overwrite=True) as writer:
            tracemalloc.start()
            run = predict_documents(
                FakeClassifier(), make_documents(count), writer, targets=["Maut"], actors=["Holm"]
            )
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert isinstance(run, PredictionRun)
        return peak

    measure(50)
    few, many = measure(100), measure(1_500)
    # 1,400 more texts of about 4 kB of records would be some 6 MB; remembered ids are 0.1 MB.
    assert many - few < 500_000


def test_actors_are_found_in_texts_and_a_text_without_any_does_not_end_the_run() -> None:
    texts = [TEXT, "Es regnet.", TEXT]
    documents = [Document(id=f"n{number}", text=text) for number, text in enumerate(texts)]
    nobody: list[UnaskedDocumentError] = []
    run = predict_documents(
        FakeClassifier(),
        documents,
        targets=["Tempolimit"],
        find="all",
        on_nobody=nobody.append,
        keep=9,
    )
    assert [[row.actor for row in rows] for rows in run.first] == [["Eva Holm"], ["Eva Holm"]]
    assert [error.document_id for error in nobody] == ["n1"]
    assert "no actor was found" in str(nobody[0])


@pytest.mark.parametrize(("find", "actors"), [("missing", "Stadtrat"), ("all", "Eva Holm")])
def test_found_actors_replace_those_of_documents_only_if_told(
    find: Literal["all", "missing"], actors: str
) -> None:
    documents = [
        Document(id="n0", text=TEXT, actors=locate_actors(TEXT, ["Stadtrat"])),
        Document(id="n1", text=TEXT),
    ]
    run = predict_documents(FakeClassifier(), documents, targets=["Tempolimit"], find=find, keep=2)
    assert [rows[0].actor for rows in run.first] == [actors, "Eva Holm"]


def test_while_actors_are_searched_rows_before_a_bad_record_are_kept() -> None:
    def stream() -> Iterator[Document]:
        yield from make_documents(2)
        raise DocumentError("broken", file="in.jsonl", line=3)

    with pytest.raises(PredictionStoppedError, match="line 3") as stop:
        predict_documents(FakeClassifier(), stream(), targets=["Tempolimit"], find="all")
    assert stop.value.run.texts == 2


def test_of_two_bad_documents_the_first_is_named() -> None:
    def stream() -> Iterator[Document]:
        yield Document(id="n0", text="Es regnet.")
        raise DocumentError("broken", file="in.jsonl", line=2)

    with pytest.raises(PredictionStoppedError, match="no actor was found"):
        predict_documents(FakeClassifier(), stream(), targets=["Tempolimit"], find="all")
