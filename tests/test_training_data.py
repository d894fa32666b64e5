from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from stance.corpora import load_corpus
from stance.documents import write_documents
from stance.schema import Actor, Document, Stance, StanceLabel, Target
from stance.training_data import Source, load_source, load_sources


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Twenty statements of one author each, on two targets."""
    path = tmp_path_factory.mktemp("data") / "statements.jsonl"
    write_documents(
        [
            Document(
                id=f"d{number}",
                text=f"Wir finden das richtig, Grund {number}.",
                actors=(Actor(id="a1", name="Partei", author=True),),
                targets=(Target(id="t1", text=f"Die Stadt soll Brücke {number % 2} bauen."),),
                stances=(Stance(actor="a1", target="t1", label=StanceLabel.FAVOR),),
            )
            for number in range(20)
        ],
        path,
    )
    return str(path)


@pytest.fixture(scope="module")
def newsstance() -> list[Document]:
    return load_corpus("newsstance", "validation")


@pytest.fixture(scope="module")
def news_file(newsstance: list[Document], tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("data") / "news.jsonl"
    write_documents(newsstance, path)
    return str(path)


def list_ids(source: Source, seed: int = 1) -> list[str]:
    return [document.id for document in load_source(source, seed)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "file"}, "needs a path"),
        ({"name": "wahlomat", "reports": 1.5}, r"wahlomat: reports is 1.5; .* from 0 to 1"),
        ({"name": "wahlomat", "reports": -0.1}, "share from 0 to 1"),
        ({"name": "xstance", "repeat": 0}, "xstance: repeat and max_documents must be 1 or more"),
        ({"name": "xstance", "rephrase": -0.1}, "xstance: rephrase is -0.1"),
        ({"name": "newsstance", "excerpts": 1.1}, "newsstance: excerpts is 1.1"),
        ({"name": "xstance", "max_documents": 0}, "repeat and max_documents"),
    ],
)
def test_a_source_that_makes_no_sense_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Source(**values)


def test_all_documents_come_in_an_order_that_the_seed_decides(file: str) -> None:
    source = Source("file", path=file)
    first = list_ids(source)
    assert sorted(first) == sorted(f"d{number}" for number in range(20))
    assert list_ids(source) == first
    assert list_ids(source, seed=2) != first


def test_max_documents_is_a_random_draw(file: str) -> None:
    drawn = {tuple(sorted(list_ids(Source("file", path=file, max_documents=5), s))) for s in (1, 2)}
    assert len(drawn) == 2
    assert {len(ids) for ids in drawn} == {5}
    assert len(list_ids(Source("file", path=file, max_documents=500))) == 20


def test_repeat_brings_every_document_so_often(file: str) -> None:
    ids = list_ids(Source("file", path=file, max_documents=5, repeat=3))
    assert set(Counter(ids).values()) == {3}
    assert len(ids) == 15


def test_reports_are_composed_from_a_share_of_the_documents(file: str) -> None:
    documents = load_source(Source("file", path=file, reports=0.4), seed=1)
    plain = [document for document in documents if document.id.startswith("d")]
    composed = [document for document in documents if document not in plain]
    stances = [s.label for document in composed for s in document.stances]
    assert len(plain) == 12
    assert sum(label != StanceLabel.NONE for label in stances) == 8
    assert not any(actor.author for document in composed for actor in document.actors)


def test_targets_are_rephrased_anew_in_each_repeat(newsstance: list[Document]) -> None:
    originals = {document.id: document.targets for document in newsstance}
    source = Source("newsstance", "validation", repeat=4, rephrase=0.6)
    seen: dict[str, set[str]] = {}
    for document in load_source(source, seed=1):
        seen.setdefault(document.id, set()).update(t.text for t in document.targets)
        assert len(document.targets) == len(originals[document.id])
    assert seen.keys() == originals.keys()
    assert sum(len(texts) > len(originals[name]) for name, texts in seen.items()) > 100


def test_reports_on_news_ask_about_its_targets_and_say_something_else(
    newsstance: list[Document], news_file: str
) -> None:
    reports = load_source(Source("file", path=news_file, reports=1.0, negate=0.0, repeat=2), 1)
    targets = {target.text for document in newsstance for target in document.targets}
    assert {target.text for report in reports for target in report.targets} == targets
    assert not {report.text for report in reports} & {document.text for document in newsstance}
    assert len({report.id for report in reports}) == len(reports)
    assert len({report.text for report in reports}) == len(reports)  # each repeat is made anew


def test_excluded_batches_are_left_out(newsstance: list[Document]) -> None:
    excluded = ("w1", "w2")
    ids = list_ids(Source("newsstance", "validation", exclude=excluded))
    batches = {d.id: (d.model_extra or {})["batch"] for d in newsstance}
    assert sorted(ids) == sorted(name for name, batch in batches.items() if batch not in excluded)
    assert 0 < len(ids) < len(newsstance)


def test_excluding_what_is_not_there_is_refused(file: str, news_file: str) -> None:
    with pytest.raises(ValueError, match=r"file: exclude has W1, .* are w1, "):
        load_source(Source("file", path=news_file, exclude=("W1", "w2")), seed=1)
    with pytest.raises(ValueError, match="batches of the documents are not given"):
        load_source(Source("file", path=file, exclude=("w1",)), seed=1)


def test_excluding_everything_is_refused(tmp_path: Path, newsstance: list[Document]) -> None:
    batch = [d for d in newsstance if (d.model_extra or {})["batch"] == "w1"]
    write_documents(batch, tmp_path / "w1.jsonl")
    with pytest.raises(ValueError, match="exclude leaves no document"):
        load_source(Source("file", path=str(tmp_path / "w1.jsonl"), exclude=("w1",)), seed=1)


def test_an_unknown_corpus_split_or_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no corpus 'newstance'"):
        load_source(Source("newstance", "train"), seed=1)
    with pytest.raises(ValueError, match="no split 'dev'"):
        load_source(Source("newsstance", "dev"), seed=1)
    with pytest.raises(ValueError, match=r"nothing\.jsonl: there is no such file"):
        load_source(Source("file", path=str(tmp_path / "nothing.jsonl")), seed=1)


def test_sources_are_joined_and_described(file: str, news_file: str) -> None:
    sources = [
        Source("file", path=file, max_documents=4, repeat=2),
        Source("file", "validation", path=news_file),
    ]
    documents, origins = load_sources(sources, seed=1)
    parts = [load_source(source, seed=1) for source in sources]
    assert documents == parts[0] + parts[1]
    assert [origin["corpus"] for origin in origins] == ["file", "file"]
    assert [origin["documents"] for origin in origins] == [8, len(parts[1])]
    assert origins[0] | {"path": file, "max_documents": 4, "repeat": 2} == origins[0]
    assert origins[1] | {"split": "validation", "path": news_file, "exclude": []} == origins[1]


def test_only_the_batches_asked_for_are_taken(newsstance: list[Document]) -> None:
    ids = list_ids(Source("newsstance", "validation", batches=("w1", "w2"), exclude=("w2",)))
    batches = {d.id: (d.model_extra or {})["batch"] for d in newsstance}
    assert sorted(ids) == sorted(name for name, batch in batches.items() if batch == "w1")


def test_excerpts_cut_a_share_of_the_documents_down_to_the_words_of_each_actor(
    newsstance: list[Document], news_file: str
) -> None:
    half = load_source(Source("file", path=news_file, excerpts=0.5), 1)
    whole = {document.id for document in newsstance} & {document.id for document in half}
    assert len(whole) == len(newsstance) - round(0.5 * len(newsstance))
    cut = {document.id.split("/")[0] for document in half if document.id not in whole}
    assert cut
    assert cut.isdisjoint(whole)
