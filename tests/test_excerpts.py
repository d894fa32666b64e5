from __future__ import annotations

import pytest

from stance.corpora import load_corpus
from stance.corpora.excerpts import excerpt_documents
from stance.documents import read_documents
from stance.schema import Document, StanceLabel

TEXT = (
    "Die Brücke ist gesperrt. Landrat Götz Tüllinger will sie abreißen. Sie koste zu viel.\n\n"
    "Änne Wröbel schwieg. Ihr Verein „Rettet den Steg“ klagt dagegen. Tüllinger lobte den Neubau."
)


def make_document(**labels: tuple[str, list[str]]) -> Document:
    """Tüllinger (a1) and the association (a2), which is named by a pronoun where it acts."""
    return Document.model_validate(
        {
            "id": "d1",
            "text": TEXT,
            "actors": [
                {"id": "a1", "name": "Götz Tüllinger", "mentions": spans("Götz Tüllinger")},
                {"id": "a2", "name": "Änne Wröbel", "mentions": spans("Änne Wröbel")},
            ],
            "targets": [
                {"id": "t1", "text": "Die Brücke soll abgerissen werden."},
                {"id": "t2", "text": "Die Brücke soll neu gebaut werden."},
            ],
            "stances": [
                {
                    "actor": pair[:2],
                    "target": pair[2:],
                    "label": label,
                    "evidence": [span for text in evidence for span in spans(text)],
                }
                for pair, (label, evidence) in labels.items()
            ],
        }
    )


def spans(part: str) -> list[dict[str, int]]:
    start = TEXT.index(part)
    return [{"start": start, "end": start + len(part)}]


def test_an_excerpt_is_the_sentences_with_the_evidence_of_one_actor() -> None:
    (excerpt,) = excerpt_documents(
        [make_document(a1t1=("favor", ["will sie abreißen", "zu viel"]), a1t2=("none", []))]
    )
    assert excerpt.text == "Landrat Götz Tüllinger will sie abreißen. Sie koste zu viel."
    (actor,) = excerpt.actors
    assert [excerpt.text[m.start : m.end] for m in actor.mentions] == ["Götz Tüllinger"]
    assert excerpt.labels == {("a1", "t1"): StanceLabel.FAVOR, ("a1", "t2"): StanceLabel.NONE}


def test_an_actor_whom_the_sentences_do_not_name_is_their_author() -> None:
    (excerpt,) = excerpt_documents([make_document(a2t1=("against", ["klagt dagegen"]))])
    assert excerpt.text == "Ihr Verein „Rettet den Steg“ klagt dagegen."
    assert excerpt.actors[0].author
    assert not excerpt.actors[0].mentions


def test_an_actor_without_evidence_gives_no_excerpt() -> None:
    document = make_document(a1t1=("none", []), a2t1=("against", ["klagt dagegen"]))
    assert [e.id for e in excerpt_documents([document])] == ["d1/a2"]


def test_a_stance_without_evidence_is_left_out_of_the_excerpt() -> None:
    """Its words may be among those that were cut."""
    document = make_document(a1t1=("favor", ["will sie abreißen"]), a1t2=("against", []))
    (excerpt,) = excerpt_documents([document])
    assert [target.id for target in excerpt.targets] == ["t1"]


def test_excerpts_of_newsstance_keep_every_stance_that_has_evidence(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    from stance.documents import write_documents

    documents = load_corpus("newsstance", "validation")
    excerpts = excerpt_documents(documents)
    expected = sum(bool(stance.evidence) for d in documents for stance in d.stances)
    shown = [label for e in excerpts for label in e.labels.values()]
    assert sum(label is not StanceLabel.NONE for label in shown) == expected
    path = tmp_path_factory.mktemp("excerpts") / "excerpts.jsonl"
    write_documents(excerpts, path)  # ids and offsets are valid
    assert read_documents(path) == excerpts
