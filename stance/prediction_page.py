"""The predictions as one page to read: every text with its mentions, verdicts and evidence.

The page needs no network, and without a script it is still a page of texts and tables. A text is
rendered when it is written; only a line of contents for it stays in memory.

Texts, names and targets are foreign matter. All of them go through jinja2's autoescape into text
or attributes, the script never makes markup of them, and a content security policy lets nothing
run or load but the page's own script and style.
"""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from stance.prediction_files import GrowingFile, build_rows, parts_of
from stance.schema import LABELS, Document, Prediction, StanceLabel

if TYPE_CHECKING:
    from jinja2 import Environment

ABSTAINED = "abstained"
KINDS = (*LABELS, ABSTAINED)
"""What a verdict counts as: a label, or none of them where the model abstained."""

MIXED = "mixed"
"""The kind of a stretch that mentions two actors whose verdicts differ."""

TARGETS_BESIDE_TEXT = 2
"""A table with more targets is too wide to stand beside its text."""

CONTENTS_SHOWN = 20
"""The contents of more texts than these are folded."""

TARGETS_COUNTED = 40
"""The overview has the most frequent targets; each text's table has all of its own."""

SECTIONS_FILE = "texts.html"
SECTIONS_START = '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Texts</title>\n'
"""Makes the texts that an interrupted run left readable in a browser; not part of the page."""

CHUNK_CHARACTERS = 2**16

Span = tuple[int, int]


@dataclass(frozen=True)
class Segment:
    """A stretch of a text between two neighbouring ends of mentions or evidence.

    ``actors`` are the positions of the actors whose mentions it belongs to; ``evidence`` the pairs
    (actor, target) for whose verdicts it is evidence; ``ends_mention`` says that one of the
    mentions ends with it, ``kind`` which stance on the text's first target the mentions show.
    """

    text: str
    actors: tuple[int, ...] = ()
    evidence: tuple[tuple[int, int], ...] = ()
    ends_mention: bool = False
    kind: str | None = None


@dataclass(frozen=True)
class Verdict:
    """A cell of a text's table. ``percent`` is the label's probability in words, or None where the
    model read nothing of this actor; ``others`` has those of the other labels."""

    label: str
    kind: str
    percent: str | None
    others: Mapping[str, str]
    quotes: Sequence[str]
    warnings: Sequence[str]


@dataclass(frozen=True)
class Column:
    """A target of a text; ``number`` is the same in all texts that ask about it."""

    number: int
    text: str


@dataclass(frozen=True)
class Row:
    """An actor of a text with a verdict for each column; None for a pair without a prediction."""

    name: str
    note: str
    has_mentions: bool
    verdicts: Sequence[Verdict | None]


@dataclass(frozen=True)
class Entry:
    """A text in the list of contents."""

    number: int
    heading: str
    date: str | None
    kinds: Mapping[str, int]


class PageWriter:
    """Renders each text as it comes; ``close`` puts head, contents and texts together.

    The page appears when it is complete. After a kill, the texts that were done are in
    ``texts.html`` in the folder ``<output>.parts``; after an error, or if interrupted, they become
    a page that says so.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._parts = parts_of(path)
        if self._parts.exists():
            shutil.rmtree(self._parts)
        self._parts.mkdir()
        self._sections = GrowingFile(self._parts / SECTIONS_FILE)
        self._sections.append(SECTIONS_START)
        self._entries: list[Entry] = []
        self._targets: dict[str, int] = {}
        self._kinds: dict[str, Counter[str]] = {}
        self._models: dict[str, None] = {}

    def write(self, predictions: Sequence[Prediction], document: Document | None = None) -> None:
        """Add a text.

        Args:
            predictions: those of the document, all of them.
            document: with the actors and targets that the predictions are about.

        Raises:
            ValueError: if there is no document, as the page shows its text.
            PredictionFileError: if a prediction cannot be shown, as for rows.
        """
        if document is None:
            raise ValueError("a page shows texts; give the document of the predictions as well")
        build_rows(predictions)  # a page takes only what can be written as rows, too
        for target in document.targets:
            self._targets.setdefault(target.text, len(self._targets))
        entry = Entry(
            number=len(self._entries) + 1,
            heading=document.title or document.id,
            date=document.date,
            kinds=Counter(kind_of(prediction) for prediction in predictions),
        )
        self._sections.append(render_text(entry, document, predictions, self._targets))
        self._entries.append(entry)
        for prediction in predictions:
            counts = self._kinds.setdefault(prediction.target, Counter())
            counts[kind_of(prediction)] += 1
            self._models.setdefault(prediction.model)

    def close(self, stopped: str | None = None) -> None:
        """Finish the page; ``stopped`` is why there are not all texts on it."""
        if not self._parts.exists():
            return
        self._sections.close()
        written = datetime.now().astimezone()
        frequent = sorted(self._kinds, key=lambda target: -self._kinds[target].total())
        style, script = read_template("predictions.css"), read_template("predictions.js")
        pieces = (
            load_templates()
            .get_template("predictions.html")
            .generate(
                style=style,
                script=script,
                style_hash=hash_source(style),
                script_hash=hash_source(script),
                stopped=stopped,
                models=list(self._models),
                written=written.isoformat(timespec="minutes"),
                written_words=written.strftime("%Y-%m-%d %H:%M %Z").strip(),
                entries=self._entries,
                contents_shown=CONTENTS_SHOWN,
                targets=self._targets,
                counts={target: self._kinds[target] for target in frequent[:TARGETS_COUNTED]},
                kinds=KINDS,
                total=sum((Counter(entry.kinds) for entry in self._entries), Counter()),
                texts=read_chunks(self._parts / SECTIONS_FILE),
            )
        )
        unfinished = self._parts / "page.unfinished"
        with unfinished.open("w", encoding="utf-8", newline="") as page:
            page.writelines(pieces)
        unfinished.replace(self._path)
        shutil.rmtree(self._parts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None:
            self.close()
        else:
            self.close(str(error) if isinstance(error, Exception) else "it was interrupted")


def kind_of(prediction: Prediction) -> str:
    """The label, or ``ABSTAINED``: a verdict that the model is not sure of is not one to count."""
    return ABSTAINED if prediction.abstained else prediction.label.value


def render_text(
    entry: Entry,
    document: Document,
    predictions: Sequence[Prediction],
    target_numbers: Mapping[str, int],
) -> str:
    """The section of one text: its table of actors x targets, and the text with its marks."""
    pairs = {(one.actor_id, one.target_id): one for one in predictions}
    by_place = {
        (a, t): pairs[actor.id, target.id]
        for a, actor in enumerate(document.actors)
        for t, target in enumerate(document.targets)
        if (actor.id, target.id) in pairs
    }
    mentions = [[(m.start, m.end) for m in actor.mentions] for actor in document.actors]
    evidence = {
        place: [(span["start"], span["end"]) for span in prediction.evidence]
        for place, prediction in by_place.items()
    }
    first = {a: kind_of(prediction) for (a, t), prediction in by_place.items() if t == 0}
    details = {"id": document.id if document.title else None}
    details |= {name: getattr(document, name) for name in ("date", "source", "author")}
    return (
        load_templates()
        .get_template("predictions_text.html")
        .render(
            entry=entry,
            details={name: value for name, value in details.items() if value},
            columns=[Column(target_numbers[t.text], t.text) for t in document.targets],
            rows=[
                Row(
                    name=actor.name,
                    note=", ".join(filter(None, [actor.kind, "author" if actor.author else None])),
                    has_mentions=bool(actor.mentions),
                    verdicts=[judge(by_place.get((a, t))) for t, _ in enumerate(document.targets)],
                )
                for a, actor in enumerate(document.actors)
            ],
            names=[actor.name for actor in document.actors],
            beside=len(document.targets) <= TARGETS_BESIDE_TEXT,
            paragraphs=split_paragraphs(cut_segments(document.text, mentions, evidence, first)),
        )
    )


def judge(prediction: Prediction | None) -> Verdict | None:
    """What the table says of a prediction."""
    if prediction is None:
        return None
    shares = dict(zip(LABELS, map(show_percent, prediction.probabilities), strict=True))
    percent = shares.pop(prediction.label.value)
    # An actor that no window mentions gets a certain "none" that nothing was read for.
    unread = (
        prediction.label is StanceLabel.NONE and not prediction.mentions and not prediction.windows
    )
    return Verdict(
        label=prediction.label.value,
        kind=kind_of(prediction),
        percent=None if unread else percent,
        others={} if unread else shares,
        quotes=[span["text"] for span in prediction.evidence if "text" in span],
        warnings=prediction.warnings,
    )


def show_percent(probability: float) -> str:
    """Whole percents; what is not quite certain is not rounded to 0 or 100."""
    percent = round(100 * probability)
    if percent == 0 and probability > 0:
        return "<1\u00a0%"
    if percent == 100 and probability < 1:
        return ">99\u00a0%"
    return f"{percent}\u00a0%"


def cut_segments(
    text: str,
    mentions: Sequence[Sequence[Span]],
    evidence: Mapping[tuple[int, int], Sequence[Span]],
    kinds: Mapping[int, str],
) -> list[Segment]:
    """Cut a text wherever a mention or a piece of evidence begins or ends, and at blank lines.

    Spans may overlap in any way; the segments joined give the text.

    Args:
        mentions: of each actor.
        evidence: by the positions of actor and target.
        kinds: of the actors' verdicts on the first target.
    """
    # What begins and ends at a place. The same span may come twice, so members are counted.
    changes: dict[int, list[tuple[int, Any]]] = {0: [], len(text): []}
    last: set[int] = set()

    def add(start: int, end: int, member: Any) -> None:
        end = min(end, len(text))
        if start < end:
            changes.setdefault(start, []).append((1, member))
            changes.setdefault(end, []).append((-1, member))

    for actor, spans in enumerate(mentions):
        for start, end in spans:
            add(start, end, actor)
            last.add(min(end, len(text)))
    for pair, spans in evidence.items():
        for start, end in spans:
            add(start, end, pair)
    for gap in re.finditer(r"\r?\n\s*\n", text):
        changes.setdefault(gap.start(), [])
        changes.setdefault(gap.end(), [])
    places = sorted(changes)
    inside: Counter[Any] = Counter()
    segments = []
    for start, end in pairwise(places):
        for step, member in changes[start]:
            inside[member] += step
        members = [member for member, count in inside.items() if count > 0]
        inside = Counter({member: inside[member] for member in members})
        actors = tuple(sorted(member for member in members if isinstance(member, int)))
        found = {kinds[actor] for actor in actors if actor in kinds}
        segments.append(
            Segment(
                text=text[start:end],
                actors=actors,
                evidence=tuple(sorted(m for m in members if isinstance(m, tuple))),
                ends_mention=bool(actors) and end in last,
                kind=(found.pop() if len(found) == 1 else MIXED) if found else None,
            )
        )
    return segments


def split_paragraphs(segments: Sequence[Segment]) -> list[tuple[list[Segment], str]]:
    """Paragraphs, each with the blank lines that follow it; these are segments of their own."""
    paragraphs: list[tuple[list[Segment], str]] = []
    waiting: list[Segment] = []
    for segment in segments:
        if segment.text.isspace() and segment.text.count("\n") > 1:
            paragraphs.append((waiting, segment.text))
            waiting = []
        else:
            waiting.append(segment)
    return [*paragraphs, (waiting, "")]


@cache
def load_templates() -> Environment:
    """The templates, with escaping on."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("stance"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def read_template(name: str) -> Any:
    """A file of the package that goes into the page as it is."""
    from markupsafe import Markup

    environment = load_templates()
    assert environment.loader is not None
    return Markup(environment.loader.get_source(environment, name)[0])


def hash_source(source: str) -> str:
    """A script or style as the content security policy names it."""
    digest = hashlib.sha256(source.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def read_chunks(path: Path) -> Iterator[Any]:
    """The rendered texts, in pieces that fit in memory."""
    from markupsafe import Markup

    with path.open(encoding="utf-8", newline="") as file:
        file.read(len(SECTIONS_START))
        while chunk := file.read(CHUNK_CHARACTERS):
            yield Markup(chunk)
