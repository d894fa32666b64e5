from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stance.corpora import load_corpus
from stance.corpora.wahlomat import (
    clean_comment,
    convert,
    find_fault,
    find_unseen_statements,
    read_unseen_statements,
)

PLACEHOLDER = "Zu dieser These hat die Partei keine Begründung vorgelegt."
Opinion = tuple[str, str, str, str | None]


@pytest.fixture
def write_election(tmp_path: Path) -> Callable[..., Path]:
    """Writes one election in the source's layout from (party, thesis, answer, comment)."""

    def write(place: str, *opinions: Opinion) -> Path:
        folder = tmp_path / "data" / place
        folder.mkdir(parents=True)
        parties = list(dict.fromkeys(opinion[0] for opinion in opinions))
        theses = list(dict.fromkeys(opinion[1] for opinion in opinions))
        answers = ["Stimme zu", "Stimme nicht zu", "Neutral"]
        comments = [opinion[3] for opinion in opinions if opinion[3] is not None]
        files: dict[str, Any] = {
            "overview": {"title": "Wahl", "date": f"{place[:4]}-09-26"},
            "party": [{"id": n, "name": name} for n, name in enumerate(parties)],
            "statement": [{"id": n, "label": "Kurz", "text": t} for n, t in enumerate(theses)],
            "answer": [{"id": n, "message": message} for n, message in enumerate(answers)],
            "comment": [{"id": n, "text": text} for n, text in enumerate(comments)],
            "opinion": [
                {
                    "id": n,
                    "party": parties.index(party),
                    "statement": theses.index(thesis),
                    "answer": answers.index(answer),
                    "comment": None if comment is None else comments.index(comment),
                }
                for n, (party, thesis, answer, comment) in enumerate(opinions)
            ],
        }
        for name, content in files.items():
            text = json.dumps(content, ensure_ascii=False)
            (folder / f"{name}.json").write_text(text, encoding="utf-8")
        return tmp_path

    return write


def test_comment_becomes_the_authors_stance_on_the_thesis(write_election: Any) -> None:
    root = write_election(
        "2021/deutschland",
        ("Die Grauen", "Ein Tempolimit soll gelten.", "Stimme zu", '"Es schützt Leben, täglich."'),
        ("Die Blauen", "Ein Tempolimit soll gelten.", "Stimme nicht zu", '"Freie Fahrt für alle!"'),
        ("Die Blauen", "Häfen sollen wachsen.", "Neutral", '"Das ist noch zu prüfen."'),
    )
    documents = load_corpus("wahlomat", "train", root)
    assert [document.stances[0].label for document in documents] == ["favor", "against", "neutral"]
    document = documents[0]
    assert document.id == "wahlomat-2021-deutschland-p0-s0"
    assert document.text == "Es schützt Leben, täglich."
    assert document.targets[0].text == "Ein Tempolimit soll gelten."
    assert document.actors[0].author
    assert document.actors[0].name == document.author == "Die Grauen"
    assert document.date == "2021-09-26"
    assert document.model_extra == {
        "party": "Die Grauen",
        "year": 2021,
        "election": "deutschland",
        "statement_label": "Kurz",
    }


def test_splits_follow_the_election_year(write_election: Any) -> None:
    for year in (2019, 2021, 2022, 2023, 2025):
        root = write_election(
            f"{year}/bayern", ("A", f"These {year}", "Stimme zu", f'"Dafür seit dem Jahr {year}."')
        )
    conversion = convert(root)
    years = {split: [row["year"] for row in rows] for split, rows in conversion.rows.items()}
    assert years == {
        "train": [2019, 2021],
        "validation": [2022],
        "test": [2023],
        "test_unseen": [],
    }
    assert conversion.dropped.total() == 1, "the election of 2025 must be counted as left out"


@pytest.mark.parametrize(
    ("text", "faulty"),
    [
        (PLACEHOLDER, True),
        ("Die Begründung der Partei zu ihrem Abstimmverhalten wird nachgereicht, da ...", True),
        ("Keine Begründung.", True),
        ("Siehe oben.", True),
        ("Weitere Informationen unter: www.partei.example.", True),
        ("---", True),
        ("", True),
        ("Warum nicht.", True),
        ("Keine Begründung rechtfertigt einen solchen Eingriff.", False),
        ("Siehe oben: Das Geld fehlt den Schulen.", False),
        ("Zu wenig Plätze.", False),
    ],
)
def test_placeholders_and_scraps_are_told_from_comments(text: str, faulty: bool) -> None:
    assert (find_fault(text) is not None) == faulty


def test_only_the_quotation_marks_of_the_layout_are_stripped() -> None:
    assert clean_comment('"Wir sagen Nein."') == "Wir sagen Nein."
    assert clean_comment('""Weiter so" ist keine Antwort."') == '"Weiter so" ist keine Antwort.'


def test_the_publishers_note_that_names_the_label_is_removed(write_election: Any) -> None:
    note = "<b>Diese Position wurde am 1.5. von „neutral“ auf „stimme zu“ geändert.</b>"
    root = write_election(
        "2021/bremen",
        ("A", "These eins", "Stimme zu", f'"Die Kosten sind vertretbar. {note}"'),
        ("A", "These zwei", "Stimme zu", f'"{note}"'),
    )
    conversion = convert(root)
    assert [row["text"] for row in conversion.rows["train"]] == ["Die Kosten sind vertretbar."]
    assert conversion.altered.total() == 1
    assert conversion.dropped == {("train", "empty comment"): 1}


def test_a_comment_given_on_many_theses_is_boilerplate(write_election: Any) -> None:
    theses = [f"These {number}" for number in range(3)]
    root = write_election(
        "2021/berlin",
        *(("A", thesis, "Neutral", '"Wir sind eine Partei mit einem Thema."') for thesis in theses),
        *(("B", thesis, "Stimme zu", '"Das fordern wir seit Jahren."') for thesis in theses[:2]),
    )
    conversion = convert(root)
    assert {row["party"] for row in conversion.rows["train"]} == {"B"}
    assert conversion.dropped.total() == 3


def test_no_text_leaks_between_splits_and_copies_are_dropped_from_training(
    write_election: Any,
) -> None:
    write_election("2021/berlin", ("A", "Alte These", "Stimme zu", '"Die Stadt braucht Bäume."'))
    write_election("2022/saarland", ("A", "These", "Stimme zu", '"Das ist gut fürs Land."'))
    root = write_election(
        "2023/berlin",
        ("A", "Neue These", "Stimme zu", '"Die Stadt braucht  Bäume!"'),
        ("B", "Neue These", "Stimme zu", '"Die Stadt braucht Bäume."'),
        ("C", "Neue These", "Stimme zu", '"Das kommt darauf an."'),
        ("D", "Neue These", "Stimme nicht zu", '"Das kommt darauf an"'),
    )
    conversion = convert(root)
    assert conversion.rows["train"] == []
    assert [row["party"] for row in conversion.rows["test"]] == ["A"]
    assert conversion.dropped == {
        ("train", "same text in test"): 1,
        ("test", "repeats a text, target and label"): 1,
        ("test", "same text and target with another label"): 2,
    }


def test_unseen_statements_have_no_near_copy_in_training(write_election: Any) -> None:
    write_election(
        "2021/hessen", ("A", "In Hessen soll es Bodycams geben.", "Neutral", '"Noch zu prüfen."')
    )
    root = write_election(
        "2023/bremen",
        ("A", "In Bremen soll es Bodycams geben.", "Neutral", '"Das prüfen wir noch."'),
        ("A", "Zirkusse sollen keine Tiere halten.", "Stimme zu", '"Tiere leiden dort sehr."'),
    )
    rows = convert(root).rows
    unseen = find_unseen_statements(rows["train"], rows["test"])
    assert unseen == ["wahlomat-2023-bremen-s1"]


def test_layout_errors_name_the_file_and_the_field(write_election: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="expected a checkout"):
        load_corpus("wahlomat", "train", tmp_path)
    root = write_election("2021/bayern", ("A", "These", "Stimme zu", '"Das ist gut so."'))
    answers = root / "data/2021/bayern/answer.json"
    answers.write_text('[{"id": 0, "message": "Vielleicht"}]', encoding="utf-8")
    with pytest.raises(ValueError, match=r"opinion\.json, id 0, field answer: 'Vielleicht'"):
        load_corpus("wahlomat", "train", root)
    answers.write_text("[{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"answer\.json, line 1: not JSON"):
        load_corpus("wahlomat", "train", root)


def test_a_missing_path_says_how_to_give_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STANCE_DATA_DIR", raising=False)
    with pytest.raises(ValueError, match=r"data\.path="):
        load_corpus("wahlomat", "train")


def test_the_real_checkout(data_dir: Path) -> None:
    root = data_dir / "qual-o-mat-data"
    if not root.is_dir():
        pytest.skip(f"no checkout of qual-o-mat-data at {root}; set STANCE_DATA_DIR")
    rows = convert(root).rows
    texts = {split: {row["text"] for row in rows[split]} for split in rows}
    assert not texts["train"] & (texts["validation"] | texts["test"])
    assert PLACEHOLDER not in texts["train"]
    assert not any("geändert.</b>" in text for split in texts for text in texts[split])
    test_ids = {row["id"].replace(f"-{row['id'].split('-')[3]}-", "-") for row in rows["test"]}
    assert read_unseen_statements() <= test_ids
    assert set(find_unseen_statements(rows["train"], rows["test"])) == read_unseen_statements()
    assert {row["id"] for row in rows["test_unseen"]} < {row["id"] for row in rows["test"]}
