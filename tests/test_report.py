"""The page: everything that must be on it, German text unharmed, and no error in a browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from stance.evaluation import assess_rows, score_predictions
from stance.native import parse_document
from stance.report import cut_passage, find_worst_errors, write_report
from stance.schema import LABELS, Document, Mention, Prediction, StanceLabel
from stance.slices import score_slices, tabulate_properties

TEXT = (
    "Im Rathaus von Öhrdorf wurde gestritten. Frauke Ömmelbach will das Tempolimit <sofort>. "
    "Der Saal war voll. Götz Tüllinger nennt es »Unfug & Schikane«."
)
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--no-first-run", "--disable-component-update", "--disable-sync", "--enable-logging=stderr"),
)


def build_document(number: int) -> Document:
    return parse_document(
        {
            "id": f"d{number}",
            "text": TEXT,
            "actors": [
                {"id": "a1", "name": "Frauke Ömmelbach", "kind": "person"},
                {"id": "a2", "name": "Götz Tüllinger", "kind": "person"},
            ],
            "targets": [{"id": "t1", "text": "Das Tempolimit soll kommen."}],
            "stances": [
                {"actor": "a1", "target": "t1", "label": "favor"},
                {
                    "actor": "a2",
                    "target": "t1",
                    "label": "against",
                    "evidence": ["nennt es »Unfug & Schikane«"],
                },
            ],
        }
    )


def predict(document: Document, actor: int, probability: float) -> Prediction:
    mention = document.actors[actor].mentions[0]
    rest = (1 - probability) / 3
    return Prediction(
        document_id=document.id,
        actor_id=document.actors[actor].id,
        actor=document.actors[actor].name,
        target_id="t1",
        target=document.targets[0].text,
        label=StanceLabel.FAVOR,
        probabilities=(probability, rest, rest, rest),
        confidence=probability,
        mentions=(mention.model_dump(),),
        evidence=({"start": mention.start, "end": mention.end},),
        model="ein <Modell>",
    )


@pytest.fixture
def page(tmp_path: Path) -> Path:
    documents = [build_document(number) for number in range(6)]
    predictions = [
        predict(document, actor, 0.5 + number / 20)
        for number, document in enumerate(documents)
        for actor in (0, 1)
    ]
    result = score_predictions(documents, predictions)
    slices = score_slices(result.rows, tabulate_properties(documents, []))
    metrics: dict[str, Any] = result.metrics | assess_rows(result.rows)
    metrics |= {
        "baselines": {},
        "systems": {},
        "model": {"name": "ein <Modell>", "directory": None},
        "data": {
            "corpus": None,
            "path": "geprüft.jsonl",
            "split": None,
            "sha256": "ab12",
            "sha256_of": "file",
        },
        "command": "stance-evaluate data.path=geprüft.jsonl",
        "versions": {"stance": "1"},
        "slices": [asdict(one) for one in slices],
    }
    path = tmp_path / "report.html"
    write_report(path, metrics, result.rows, documents, slices)
    return path


def test_the_page_shows_scores_errors_and_how_to_do_it_again(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "<title>ein &lt;Modell&gt; on geprüft.jsonl</title>" in text
    for label in LABELS:
        assert f'<th scope="row">{label}</th>' in text
    assert text.count("<article>") == 6
    assert "»Unfug &amp; Schikane«" in text
    assert "Frauke Ömmelbach" in text
    assert "stance-evaluate data.path=geprüft.jsonl" in text
    assert "ab12" in text
    assert text.count("<svg") == 3


def test_the_page_needs_no_network_and_no_script(page: Path) -> None:
    class Links(HTMLParser):
        found: list[str]

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag != "script"
            for name, value in attrs:
                if name in ("src", "href", "xlink:href") and value:
                    self.found.append(value)

    links = Links()
    links.found = []
    text = page.read_text(encoding="utf-8")
    links.feed(text)
    assert [link for link in links.found if not link.startswith(("#", "data:"))] == []
    assert not re.search(r"url\((?!#)", text)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine to open the page in")
def test_a_browser_opens_the_page_without_an_error(page: Path, tmp_path: Path) -> None:
    assert CHROMIUM is not None
    shot = tmp_path / "page.png"
    done = subprocess.run(
        [
            CHROMIUM,
            *FLAGS,
            f"--user-data-dir={tmp_path / 'profile'}",
            "--window-size=1000,3000",
            f"--screenshot={shot}",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in done.stderr
    # A blank page of this size is a file of some kilobytes.
    assert shot.stat().st_size > 30_000


def test_the_surest_errors_come_first_and_right_verdicts_not_at_all() -> None:
    documents = [build_document(number) for number in range(3)]
    predictions = [
        predict(document, actor, 0.4 + number / 10)
        for number, document in enumerate(documents)
        for actor in (0, 1)
    ]
    rows = score_predictions(documents, predictions).rows
    errors = find_worst_errors(documents, rows, count=2)
    assert [(error.document, error.actor) for error in errors] == [
        ("d2", "Götz Tüllinger"),
        ("d1", "Götz Tüllinger"),
    ]
    marked = {marks: text for text, marks in errors[0].passage if marks}
    assert marked["mention shown"] == "Götz Tüllinger"
    assert marked["annotated"] == "nennt es »Unfug & Schikane«"


def test_a_passage_has_the_sentences_with_marks_and_shows_what_it_leaves_out() -> None:
    start = TEXT.index("Götz")
    pieces = cut_passage(TEXT, mention=[Mention(start=start, end=start + 14)])
    assert pieces[0] == (" … ", "")
    assert pieces[1] == ("Götz Tüllinger", "mention")
    assert "".join(text for text, _ in pieces).endswith("nennt es »Unfug & Schikane«.")
    assert "Rathaus" not in "".join(text for text, _ in pieces)
    assert cut_passage(TEXT, mention=[])[0][0].startswith("Im Rathaus")
