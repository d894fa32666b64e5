from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from stance.corpora import load_corpus
from stance.corpora.cheese import assign_split, convert


def make_pair(number: int, stance: str) -> dict[str, Any]:
    return {
        "question_id": number,
        "question": f"Soll Vorhaben {number} kommen?",
        "stance": stance,
        "selection_stage": 1,
        "selection_rank": "gold",
    }


def make_article(name: str, *pairs: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": "Züge für Zürich",
        "snippet": "Die Züge sind überfüllt.",
        "paragraphs": [
            {"text": "Am Morgen stehen viele.", "paragraph_emotion": ["Ärger"]},
            {"text": "Nun soll es besser werden.", "paragraph_emotion": ["Freude"]},
        ],
        "article_emotion": ["Ärger"],
        "article_stance": list(pairs),
        "article_id": name,
        "source": "NZZ",
        "date": "2019-05-04",
    }


ARTICLE = make_article(
    "n1",
    make_pair(10, "Nein, dagegen"),
    make_pair(11, "Ja, dafür"),
    make_pair(12, "Diskutierend"),
    make_pair(13, "Kein Bezug"),
    make_pair(14, "Unklar"),
)


@pytest.mark.parametrize("layout", ["list", "lines"])
def test_an_article_takes_a_stance_on_each_of_its_questions(tmp_path: Path, layout: str) -> None:
    file = tmp_path / "cheese.json"
    articles = [ARTICLE, make_article("n2", make_pair(10, "Unklar"))]
    lines = "\n".join(json.dumps(article, ensure_ascii=False) for article in articles)
    file.write_text(json.dumps(articles) if layout == "list" else lines, encoding="utf-8")
    (document,) = load_corpus("cheese", None, file)
    assert document.id == "cheese-n1"
    assert document.text == (
        "Die Züge sind überfüllt.\n\nAm Morgen stehen viele.\n\nNun soll es besser werden."
    )
    assert document.actors[0].author
    assert document.labels == {
        ("a1", "q10"): "against",
        ("a1", "q11"): "favor",
        ("a1", "q12"): "neutral",
        ("a1", "q13"): "none",
    }
    reasons = Counter({reason: count for (_, reason), count in convert(file).dropped.items()})
    assert reasons["article without a clear pair"] == 1


def test_a_question_with_two_labels_is_dropped(tmp_path: Path) -> None:
    file = tmp_path / "cheese.json"
    article = make_article(
        "n1", make_pair(1, "Ja, dafür"), make_pair(1, "Kein Bezug"), make_pair(2, "Ja, dafür")
    )
    file.write_text(json.dumps([article]), encoding="utf-8")
    assert load_corpus("cheese", None, file)[0].labels == {("a1", "q2"): "favor"}
    assert convert(file).dropped.total() == 1


def test_splits_depend_on_the_article_alone() -> None:
    shares = Counter(assign_split(f"article-{number}") for number in range(2000))
    assert shares["train"] / 2000 == pytest.approx(0.75, abs=0.03)
    assert shares["test"] / 2000 == pytest.approx(0.15, abs=0.03)
    assert assign_split("article-7") == assign_split("article-7")


def test_errors_name_record_and_field(tmp_path: Path) -> None:
    file = tmp_path / "cheese.json"
    file.write_text(json.dumps([make_article("n1", make_pair(1, "Jein"))]), encoding="utf-8")
    with pytest.raises(ValueError, match="record 1, field stance: 'Jein'; expected one of"):
        load_corpus("cheese", "train", file)
    file.write_text(json.dumps([ARTICLE | {"paragraphs": "Text"}]), encoding="utf-8")
    with pytest.raises(ValueError, match="record 1, field paragraphs"):
        load_corpus("cheese", "train", file)
    file.write_text("", encoding="utf-8")
    with pytest.raises(ValueError, match="no records"):
        load_corpus("cheese", "train", file)
