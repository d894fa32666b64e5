"""The page of predictions: foreign text stays text, nothing is lost, and it works in a browser."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stance.batch_prediction import PredictionStoppedError, predict_documents
from stance.encodings import DocumentError
from stance.native import parse_document
from stance.prediction_files import PredictionFileError, open_writer
from stance.prediction_page import (
    MIXED,
    Segment,
    cut_segments,
    show_percent,
    split_paragraphs,
)
from stance.schema import Document, Prediction, StanceLabel

TEXT = (
    "Frauke Ömmelbach rief: „</script><script>document.title = 'böse'</script> <img src=x "
    "onerror=\"document.title = 'böse'\">“.\n\n"
    "Der Stadtrat von Öhrdorf lehnte das ab,\nwas Ömmelbach bedauerte.  Götz Tüllinger schwieg."
)
TARGETS = ["Das Tempolimit soll kommen.", 'Soll der "<b>Hafen</b>" wachsen?']
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
SENTENCE = "Der Stadtrat von Öhrdorf lehnte das ab,\nwas Ömmelbach bedauerte."
KINDS = {
    ("a1", "t1"): StanceLabel.FAVOR,
    ("a1", "t2"): StanceLabel.NEUTRAL,
    ("a2", "t1"): StanceLabel.AGAINST,
    ("a2", "t2"): StanceLabel.FAVOR,
}


def build_document(number: int = 1, **changes: Any) -> Document:
    record = {
        "id": f"d{number}",
        "text": TEXT,
        "actors": [
            {"id": "a1", "name": "Frauke Ömmelbach", "mentions": ["Frauke Ömmelbach", "Ömmelbach"]},
            {"id": "a2", "name": "Stadtrat von Öhrdorf", "kind": "organisation"},
            {"id": "a3", "name": "Jan <Weiß>", "kind": "person"},
        ],
        "targets": [{"id": f"t{n}", "text": text} for n, text in enumerate(TARGETS, start=1)],
    }
    return parse_document(record | changes)


def quote(text: str, part: str) -> dict[str, Any]:
    start = text.index(part)
    return {"start": start, "end": start + len(part), "text": part}


def predict(document: Document) -> list[Prediction]:
    """Evidence of two actors that overlaps, an abstained verdict, and an actor not mentioned."""
    predictions = []
    for target in document.targets:
        for actor in document.actors:
            label = KINDS.get((actor.id, target.id), StanceLabel.NONE)
            evidence = {"a1": SENTENCE, "a2": "Stadtrat von Öhrdorf lehnte das ab"}.get(actor.id)
            shares = dict.fromkeys(StanceLabel, 0.1) | {label: 0.7}
            if not actor.mentions:
                shares = {name: float(name is StanceLabel.NONE) for name in StanceLabel}
            predictions.append(
                Prediction(
                    document_id=document.id,
                    actor_id=actor.id,
                    actor=actor.name,
                    target_id=target.id,
                    target=target.text,
                    label=label,
                    probabilities=tuple(shares.values()),
                    confidence=max(shares.values()),
                    abstained=(actor.id, target.id) == ("a2", "t2"),
                    mentions=tuple(m.model_dump() for m in actor.mentions),
                    evidence=(quote(document.text, evidence),) if evidence else (),
                    warnings=() if actor.mentions else ("the text does not mention <them>",),
                    model="ein <Modell>",
                )
            )
    return predictions


class FakeClassifier:
    def iter_predict(self, documents: Any) -> Iterator[list[Prediction]]:
        yield from map(predict, list(documents))


def write_page(path: Path, *documents: Document) -> str:
    with open_writer(path) as writer:
        for document in documents:
            writer.write(predict(document), document)
    return path.read_text(encoding="utf-8")


class Outline(HTMLParser):
    """What a page holds: its tags, the addresses it names, and the text of some elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.attributes: set[str] = set()
        self.bodies: list[str] = []
        self.cells: list[str] = []
        self._open: list[tuple[str, list[str] | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.attributes |= set(found)
        self.addresses += [found[name] or "" for name in ("src", "href") if name in found]
        into: list[str] | None = None
        if tag == "div" and found.get("class") == "body":
            into = self.bodies
        if tag == "td" and "data-column" in found:
            into = self.cells
        if into is not None:
            into.append("")
        if tag not in ("meta", "link", "input", "img", "br"):
            self._open.append((tag, into))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        for _, into in self._open:
            if into is not None:
                into[-1] += data


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "Züge.html"
    second = build_document(
        2, title="Streit <um> alles", date="2031-04-08", source="https://zeitung.invalid/?a=1&b=2"
    )
    write_page(path, build_document(1), second)
    return path


def test_foreign_text_stays_text(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    outline = Outline(text)
    assert outline.tags.count("script") == 1
    assert "img" not in outline.tags
    assert "b" not in outline.tags
    assert not any(name.startswith("on") for name in outline.attributes)
    assert outline.bodies == [TEXT, TEXT]
    assert "Streit &lt;um&gt; alles" in text
    assert "Jan &lt;Weiß&gt;" in text
    assert "ein &lt;Modell&gt;" in text
    # Should a text ever get through as markup, the browser still runs only the page's own script.
    assert re.search(r"script-src 'sha256-[\w+/]+=*'", unescape(text))
    assert "unsafe" not in text


def test_the_page_needs_nothing_from_elsewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    found = [place for place in Outline(text).addresses if not place.startswith(("#", "data:"))]
    assert found == []
    assert not re.search(r"url\(|@import", text)
    assert "https://zeitung.invalid/?a=1&amp;b=2" in text


def test_the_table_has_every_actor_and_target(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    cells = [" ".join(cell.split()) for cell in Outline(text).cells]
    assert len(cells) == 2 * 3 * 2
    assert text.count('<th scope="row"><span class="name"') == 6
    assert "favor 70 %" in cells[0]
    assert "against 10 %, neutral 10 %, none 10 %" in cells[0]
    assert "against 70 %" in cells[2]
    assert "6 verdicts" not in text
    assert "12 verdicts of <strong>ein &lt;Modell&gt;</strong>, written" in text
    assert "Who stands where in 2 texts" in text
    assert "2031-04-08" in text


def test_an_abstained_verdict_is_none_of_the_labels(page: Path) -> None:
    cell = " ".join(Outline(page.read_text(encoding="utf-8")).cells[3].split())
    assert "abstained likeliest: favor 70 %" in cell
    assert page.read_text(encoding="utf-8").count('data-kind="abstained">\n<button') == 2


def test_warnings_are_shown_and_what_was_not_read_has_no_probability(page: Path) -> None:
    cell = " ".join(Outline(page.read_text(encoding="utf-8")).cells[4].split())
    assert "Warning: the text does not mention <them>" in cell
    assert "%" not in cell


def test_a_pair_without_a_prediction_is_said(tmp_path: Path) -> None:
    document = build_document()
    with open_writer(tmp_path / "page.html") as writer:
        writer.write(predict(document)[:3], document)
    cells = Outline((tmp_path / "page.html").read_text(encoding="utf-8")).cells
    assert [cell.strip() for cell in cells[1::2]] == ["no verdict"] * 3


spans = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 12)), max_size=4)


@given(
    text=st.text("ab \r\n<", max_size=30),
    mentions=st.lists(spans, max_size=3),
    evidence=st.dictionaries(st.tuples(st.integers(0, 2), st.integers(0, 1)), spans, max_size=4),
)
def test_segments_give_the_text_and_know_what_they_belong_to(
    text: str, mentions: list[Any], evidence: dict[Any, Any]
) -> None:
    named = [[(start, start + length) for start, length in group] for group in mentions]
    shown = {k: [(start, start + length) for start, length in v] for k, v in evidence.items()}
    segments = cut_segments(text, named, shown, {})
    assert "".join(segment.text for segment in segments) == text
    parts = split_paragraphs(segments)
    assert "".join("".join(s.text for s in group) + gap for group, gap in parts) == text
    place = 0
    for segment in segments:
        for at in range(place, place + len(segment.text)):
            actors = tuple(a for a, g in enumerate(named) if any(s <= at < e for s, e in g))
            pairs = sorted(p for p, g in shown.items() if any(s <= at < e for s, e in g))
            assert segment.actors == actors
            assert segment.evidence == tuple(pairs)
        place += len(segment.text)
        ends = any(end == place for g in named for s, end in g if s < len(text))
        # A mention that would go on after the text ends with it.
        ends |= place == len(text) and bool(segment.actors)
        assert segment.ends_mention == (ends and bool(segment.actors))


def test_a_mention_in_evidence_and_overlapping_evidence_are_cut() -> None:
    segments = cut_segments("Rat und Amt", [[(0, 3)], [(0, 7)]], {(0, 0): [(2, 9)]}, {0: "favor"})
    assert segments == [
        Segment("Ra", (0, 1), (), False, "favor"),
        Segment("t", (0, 1), ((0, 0),), True, "favor"),
        Segment(" und", (1,), ((0, 0),), True, None),
        Segment(" A", (), ((0, 0),), False, None),
        Segment("mt"),
    ]
    mixed = cut_segments("Rat", [[(0, 3)], [(0, 3)]], {}, {0: "favor", 1: "none"})
    assert [segment.kind for segment in mixed] == [MIXED]


@pytest.mark.parametrize(
    ("probability", "shown"),
    [(0, "0"), (0.001, "<1"), (0.344, "34"), (0.9999, ">99"), (1, "100")],
)
def test_what_is_not_certain_is_not_shown_as_certain(probability: float, shown: str) -> None:
    assert show_percent(probability) == f"{shown}\u00a0%"


def break_after(count: int) -> Iterator[Document]:
    for number in range(count):
        yield build_document(number)
    raise DocumentError("is missing; give a string", "news.jsonl", count + 1, "text")


def test_texts_before_a_bad_record_become_a_page_that_says_so(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    with pytest.raises(PredictionStoppedError), open_writer(path) as writer:
        predict_documents(FakeClassifier(), break_after(3), writer)
    text = path.read_text(encoding="utf-8")
    assert Outline(text).bodies == [TEXT] * 3
    assert "The run stopped before its end" in text
    assert "news.jsonl, line 4, field text" in text
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]


def test_the_page_appears_when_it_is_complete_and_a_kill_leaves_the_texts(tmp_path: Path) -> None:
    path = tmp_path / "neu" / "page.html"
    writer = open_writer(path)
    document = build_document()
    writer.write(predict(document), document)
    assert not path.exists()
    left = (tmp_path / "neu" / "page.html.parts" / "texts.html").read_text(encoding="utf-8")
    assert Outline(left).bodies == [TEXT]
    with pytest.raises(PredictionFileError, match=r"texts\.html.*overwrite=true"):
        open_writer(path)
    writer.close()
    writer.close()
    assert Outline(path.read_text(encoding="utf-8")).bodies == [TEXT]
    with pytest.raises(PredictionFileError, match=r"exists; .*overwrite=true"):
        open_writer(path)


def test_an_old_page_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("old", encoding="utf-8")
    with open_writer(path, overwrite=True) as writer:
        assert path.read_text(encoding="utf-8") == "old"
        writer.write(predict(build_document()), build_document())
    assert Outline(path.read_text(encoding="utf-8")).bodies == [TEXT]


def test_no_texts_give_a_page_without_any(tmp_path: Path) -> None:
    assert "0 verdicts of no model" in write_page(tmp_path / "page.html")


def test_what_cannot_be_a_row_is_not_on_a_page(tmp_path: Path) -> None:
    document = build_document()
    broken = predict(document)[0].model_copy(update={"confidence": float("nan")})
    with open_writer(tmp_path / "page.html") as writer:
        with pytest.raises(PredictionFileError, match="confidence is nan"):
            writer.write([broken], document)
        with pytest.raises(ValueError, match="give the document"):
            writer.write(predict(document))
    assert "Who stands where in 0 texts" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.fixture
def browser_page(page: Path) -> Iterator[Any]:
    """The page in a browser, once at rest; whatever the console says fails the test."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine to open the page in")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        opened = browser.new_page(viewport={"width": 1280, "height": 900})
        said: list[str] = []
        opened.on("console", lambda message: said.append(message.text))
        opened.on("pageerror", lambda error: said.append(str(error)))
        opened.on("request", lambda request: said.append(request.url))
        opened.goto(page.as_uri())
        yield opened
        browser.close()
    assert said == [page.as_uri()]


def visible(browser_page: Any, selector: str) -> list[str]:
    found = browser_page.locator(selector).all()
    return [one.inner_text().strip() for one in found if one.is_visible()]


def test_the_page_shows_in_a_browser(browser_page: Any, tmp_path: Path) -> None:
    shot = tmp_path / "page.png"
    browser_page.screenshot(path=shot)
    # A blank page of this size is a file of some kilobytes.
    assert shot.stat().st_size > 30_000
    assert browser_page.title() == "Who stands where in 2 texts"
    assert [one.text_content() for one in browser_page.locator(".body").all()] == [TEXT, TEXT]
    browser_page.set_viewport_size({"width": 390, "height": 800})
    assert browser_page.evaluate("document.documentElement.scrollWidth") == 390


def test_filters_hide_what_does_not_fit_and_count_the_rest(browser_page: Any) -> None:
    names = "#text-1 tbody .name"
    count = browser_page.locator("output")
    assert len(visible(browser_page, names)) == 3
    for kind in ("favor", "neutral", "none", "abstained"):
        browser_page.locator(f"input[value={kind}]").uncheck()
    browser_page.get_by_text("2 of 12 verdicts in 2 of 2 texts").wait_for()
    assert visible(browser_page, names) == ["Stadtrat von Öhrdorf"]
    assert visible(browser_page, "#text-1 tbody .verdict .tag") == ["against"]
    browser_page.locator("select").select_option(label=TARGETS[1])
    browser_page.get_by_text("0 of 12 verdicts in 0 of 2 texts").wait_for()
    assert not browser_page.locator("#text-1").is_visible()
    assert not browser_page.locator("#entry-1").is_visible()
    browser_page.locator("button[type=reset]").click()
    browser_page.get_by_text("All 12 verdicts in 2 of 2 texts").wait_for()
    browser_page.locator("select").select_option(label=TARGETS[1])
    browser_page.locator("input[type=search]").fill("ömmel")
    browser_page.get_by_text("2 of 12 verdicts in 2 of 2 texts").wait_for()
    assert visible(browser_page, names) == ["Frauke Ömmelbach"]
    assert visible(browser_page, "#text-1 thead th") == ["actor", TARGETS[1]]
    assert browser_page.locator("#text-1 q.chosen").text_content() == TARGETS[1]
    assert count.get_attribute("aria-live") == "polite"


def lit(browser_page: Any) -> str:
    return "".join(browser_page.locator(".lit").all_text_contents())


def test_a_verdict_lights_up_its_evidence(browser_page: Any) -> None:
    verdicts = browser_page.locator("#text-1 button.verdict")
    frauke, stadtrat = verdicts.nth(0), verdicts.nth(2)
    assert lit(browser_page) == ""
    frauke.hover()
    assert lit(browser_page) == SENTENCE
    browser_page.mouse.move(1, 1)
    assert lit(browser_page) == ""
    stadtrat.click()
    browser_page.mouse.move(1, 1)
    assert lit(browser_page) == "Stadtrat von Öhrdorf lehnte das ab"
    assert stadtrat.get_attribute("aria-pressed") == "true"
    frauke.click()
    browser_page.mouse.move(1, 1)
    assert lit(browser_page) == SENTENCE
    assert stadtrat.get_attribute("aria-pressed") == "false"
    browser_page.keyboard.press("Escape")
    assert lit(browser_page) == ""
    browser_page.keyboard.press("Tab")  # to the next verdict
    browser_page.keyboard.press("Tab")
    assert lit(browser_page) == "Stadtrat von Öhrdorf lehnte das ab"


def test_mentions_follow_the_target(browser_page: Any) -> None:
    def kinds() -> set[tuple[str, str]]:
        marks = browser_page.locator("#text-1 mark").all()
        return {(mark.text_content(), mark.get_attribute("data-kind")) for mark in marks}

    browser_page.mouse.move(1, 1)
    assert ("Ömmelbach", "favor") in kinds()
    assert ("Stadtrat von Öhrdorf", "against") in kinds()
    browser_page.locator("#text-1 button.choose").nth(1).click()
    assert ("Ömmelbach", "neutral") in kinds()
    assert ("Stadtrat von Öhrdorf", "abstained") in kinds()
    assert browser_page.locator("#text-1 q.chosen").text_content() == TARGETS[1]
    assert ("Ömmelbach", "favor") not in kinds()


def test_the_page_is_whole_in_print_and_without_a_script(page: Path, browser_page: Any) -> None:
    browser_page.emulate_media(media="print")
    assert not browser_page.locator("select").is_visible()
    assert browser_page.locator("#text-2 .quotes").first.bounding_box()["height"] > 10
    context = browser_page.context.browser.new_context(java_script_enabled=False)
    still = context.new_page()
    still.goto(page.as_uri())
    assert not still.locator("select").is_visible()
    assert still.locator("#text-1 .quotes").first.bounding_box()["height"] > 10
    assert still.locator("#text-1 mark").count() == 3
    context.close()
