"""Reports composed from single statements, so that a model must learn who says what about what.

A statement corpus such as Wahl-O-Mat has one author and one thesis a text; news has many actors and
several targets. This puts statements of several parties on one to three theses side by side, under
invented names: a thesis is set out ("Beraten wurde, ob ...") and the actors say yes or no to it, or
they repeat it or its opposite in indirect speech, or their own words are quoted. Every thesis of a
report is a target. Some targets are turned into an opposite and their labels flipped; some actors
speak about another thesis, or are only present: their label is ``none``. The targets of news, too,
can be theses of reports, in which invented actors take invented sides.

For training only. The label of a shortened statement may no longer show in what is left of it, and
the German is stiff; measure on real text.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from stance.corpora.demands import embed_demand, flip_label, negate_target
from stance.corpora.invented_names import GROUPS, ROLES, invent_person
from stance.corpora.report_phrases import OPENINGS, PRESENT, QUOTES, read_phrases
from stance.corpora.target_variants import find_variant
from stance.schema import Actor, Document, Mention, Stance, StanceLabel, Target

MAX_QUOTE_WORDS = 45
"""Of a quoted statement, as many whole sentences as this allows (at least one)."""

SAME_SPEAKERS = 0.8
"""Share of the further theses of a report on which those speak who spoke before, if they can."""

OTHER_TARGET = 0.1
"""Share of the reports that ask about a thesis nobody in them speaks about."""

PREPOSITION = re.compile(
    r"\b(an|aus|bei|durch|für|gegen|gegenüber|laut|mit|nach|neben|ohne|seitens|um|unter|von|vor|zu|"
    r"zwischen) $",
    re.IGNORECASE,
)

SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-ZÄÖÜ„\"])")


@dataclass(frozen=True)
class Statement:
    """What a party says on a thesis: its text, and the label it stands for."""

    party: str
    text: str
    label: StanceLabel


def compose_reports(
    documents: Iterable[Document],
    *,
    seed: int,
    negate: float = 0.25,
    quotes: float = 1.0,
    contraries: Mapping[str, str] | None = None,
) -> list[Document]:
    """Reports from single-author documents with one target and one stance each.

    Every document is used once. The result depends only on the documents, their order and
    ``seed``.

    Args:
        negate: share of the targets that is turned into an opposite, with the labels flipped,
            where one was written or is among ``contraries``, or the target has the form
            "... soll ... <verb>." that the rule of ``negate_target`` understands.
        quotes: share of the statements that are quoted; the others are only told.

    Raises:
        ValueError: if a document has other actors than its author, or not one target and one
            stance.
    """
    draw = random.Random(seed)
    sources: dict[str | None, dict[str, list[Statement]]] = defaultdict(lambda: defaultdict(list))
    for document in documents:
        target, stance = _take_statement(document)
        text = shorten(document.text) if draw.random() < quotes else ""
        statement = Statement(document.actors[0].name, text, stance.label)
        sources[document.source][target.text].append(statement)
    reports: list[Document] = []
    for by_thesis in sources.values():
        theses = list(by_thesis)
        for statements in by_thesis.values():
            draw.shuffle(statements)
        while open_theses := [thesis for thesis in theses if by_thesis[thesis]]:
            chosen = draw.sample(
                open_theses, min(draw.choice((1, 1, 2, 2, 2, 3)), len(open_theses))
            )
            told: dict[str, list[Statement]] = {}
            for thesis in chosen:
                size = draw.choice((1, 2, 2, 3) if len(chosen) > 1 else (1, 2, 2, 3, 3, 4))
                if draw.random() < SAME_SPEAKERS:
                    known = {statement.party for part in told.values() for statement in part}
                    by_thesis[thesis].sort(key=lambda statement: statement.party not in known)
                told[thesis] = by_thesis[thesis][:size]
                del by_thesis[thesis][:size]
            silent = [thesis for thesis in theses if thesis not in told]
            other = draw.choice(silent) if silent and draw.random() < OTHER_TARGET else None
            name = f"report-{len(reports)}"
            reports.append(_compose(name, told, other, negate, contraries or {}, draw))
    draw.shuffle(reports)
    return reports


def _take_statement(document: Document) -> tuple[Target, Stance]:
    authors = [actor for actor in document.actors if actor.author]
    counts = (len(document.actors), len(authors), len(document.targets), len(document.stances))
    if counts != (1, 1, 1, 1):
        raise ValueError(
            f"document {document.id!r} has {counts[0]} actors ({counts[1]} of them its author), "
            f"{counts[2]} targets and {counts[3]} stances; reports are composed from texts with "
            "the author as the only actor, one target and one stance, such as wahlomat or xstance"
        )
    return document.targets[0], document.stances[0]


def shorten(text: str) -> str:
    """The first sentences of a statement, as many as ``MAX_QUOTE_WORDS`` allow (at least one)."""
    text = " ".join(text.replace("„", "‚").replace("“", "‘").replace('"', "").split())
    kept: list[str] = []
    for sentence in SENTENCE_END.split(text):
        if kept and len(" ".join([*kept, sentence]).split()) > MAX_QUOTE_WORDS:
            break
        kept.append(sentence)
    return " ".join(kept)


class _Text:
    """A text that grows, and where it names whom."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.text = ""
        self.names: list[tuple[str, str, str]] = []
        self.mentions: list[list[Mention]] = []

    def new_actor(self) -> int:
        """An actor with a name of its own, by number."""
        used = {short for _, short, _ in self.names}
        while True:
            if self.draw.random() < 0.4:
                article, short = self.draw.choice(GROUPS).split(" ", 1)
                name = (short, short, f"{article} ")
            else:
                full = invent_person(self.draw)
                short = full.split()[-1]
                name = (full, short, self.draw.choice(("", "", f"{self.draw.choice(ROLES)} ")))
            if short not in used:
                self.names.append(name)
                self.mentions.append([])
                return len(self.names) - 1

    def add(self, template: str, *actors: int) -> Mention:
        """Append a sentence in which {A}, {B} stand for the actors, in any order; its place."""
        if self.text and not self.text.endswith("\n"):
            self.text += " "
        start = len(self.text)
        for part in re.split(r"(\{[AB]\})", template):
            if part not in ("{A}", "{B}"):
                self.text += part
                continue
            actor = actors["{A}{B}".index(part) // 3]
            full, short, lead = self.names[actor]
            named = short if self.mentions[actor] and self.draw.random() < 0.7 else full
            if named == full:
                # A group's article is nominative: after a preposition it would be wrong.
                if full == short and PREPOSITION.search(self.text):
                    lead = ""
                begins = not self.text or re.search(r"(\n|[.!?“] )$", self.text)
                self.text += lead[:1].upper() + lead[1:] if begins else lead
            self.mentions[actor].append(
                Mention(start=len(self.text), end=len(self.text) + len(named))
            )
            self.text += named
        return Mention(start=start, end=len(self.text))


def _compose(
    name: str,
    told: dict[str, list[Statement]],
    other: str | None,
    negate: float,
    contraries: Mapping[str, str],
    draw: random.Random,
) -> Document:
    text = _Text(draw)
    actor_of: dict[str, int] = {}
    labels: dict[tuple[int, str], StanceLabel] = {}
    evidence: dict[tuple[int, str], Sequence[Mention]] = {}
    anaphoric: set[str] = set()
    for thesis, statements in told.items():
        if text.text:
            text.text += draw.choice(("\n\n", "\n\n", ""))
        embedded = embed_demand(thesis)
        opened = draw.random() < (0.6 if len(told) > 1 or embedded is None else 0.35)
        # Without an opening, a verdict on "the proposal" can only mean the one thesis there is.
        if opened:
            _open(text, thesis, embedded)
        elif len(told) == 1:
            anaphoric.add(thesis)
        speakers: list[tuple[int, Statement]] = []
        for statement in statements:
            actor = actor_of.get(statement.party)
            if actor is None or any(actor == speaker for speaker, _ in speakers):
                actor = actor_of[statement.party] = text.new_actor()
            speakers.append((actor, statement))
        said = _tell(text, thesis, embedded, speakers, opened or len(told) == 1, draw)
        evidence |= {(actor, thesis): places for actor, places in said.items()}
        labels |= {(actor, thesis): statement.label for actor, statement in speakers}
        if draw.random() < 0.3:
            text.add(draw.choice(PRESENT), text.new_actor())
    targets, stances = [], []
    for number, thesis in enumerate([*told, *([other] if other else [])], start=1):
        negated = None
        if thesis not in anaphoric and draw.random() < negate:
            opposites = (contraries.get(thesis), find_variant(thesis, "opposite"))
            negated = draw.choice([text for text in opposites if text] or [None])
        targets.append(Target(id=f"t{number}", text=negated or thesis))
        for actor in range(len(text.names)):
            label = labels.get((actor, thesis), StanceLabel.NONE)
            shown = () if label is StanceLabel.NONE else evidence.get((actor, thesis), ())
            stances.append(
                Stance(
                    actor=f"a{actor + 1}",
                    target=f"t{number}",
                    label=flip_label(label) if negated else label,
                    evidence=tuple(shown),
                )
            )
    return Document(
        id=name,
        text=text.text.rstrip(),
        actors=tuple(
            Actor(id=f"a{number}", name=full, mentions=tuple(mentions))
            for number, ((full, _, _), mentions) in enumerate(
                zip(text.names, text.mentions, strict=True), start=1
            )
        ),
        targets=tuple(targets),
        stances=tuple(stances),
    )


def _open(text: _Text, thesis: str, embedded: tuple[str, str] | None) -> None:
    fitting = [form for form in OPENINGS if embedded or "{claim}" in form]
    text.add(_fill(text.draw.choice(fitting), thesis, embedded))


def _fill(template: str, thesis: str, embedded: tuple[str, str] | None) -> str:
    clause, indirect = embedded or ("", "")
    safe = {"claim": thesis, "clause": clause, "indirect": indirect}
    for key, value in safe.items():
        template = template.replace("{" + key + "}", _escape(value))
    return template[:1].upper() + template[1:]


def _escape(text: str) -> str:
    return text.replace("{", "(").replace("}", ")")


def _tell(
    text: _Text,
    thesis: str,
    embedded: tuple[str, str] | None,
    speakers: Sequence[tuple[int, Statement]],
    clear: bool,
    draw: random.Random,
) -> dict[int, list[Mention]]:
    """Sentences that give each speaker's statement on a thesis, and where they are, by speaker; a
    sentence that two share is nobody's.

    ``clear``: a verdict need not say what it is about.
    """
    phrases = read_phrases()
    said: dict[int, list[Mention]] = defaultdict(list)
    waiting = list(speakers)
    while waiting:
        actor, statement = waiting.pop(0)
        if statement.text:
            if clear and draw.random() < 0.25:
                said[actor].append(text.add(draw.choice(phrases.verdicts[statement.label]), actor))
            form = draw.choice(QUOTES)
            quoted = _escape(statement.text)
            if form.startswith("„{q}“,"):
                quoted = quoted.removesuffix(".")
            said[actor].append(text.add(form.replace("{q}", quoted), actor))
            continue
        partner = waiting[0] if waiting and not waiting[0][1].text else None
        if clear and draw.random() < 0.4:
            if partner and (statement.label, partner[1].label) in phrases.pairs:
                form = draw.choice(phrases.pairs[statement.label, partner[1].label])
                text.add(form, actor, partner[0])
                waiting.pop(0)
                continue
            if draw.random() < 0.25:
                beside = [
                    (form, labels[0] is StanceLabel.NONE)
                    for labels in (
                        (statement.label, StanceLabel.NONE),
                        (StanceLabel.NONE, statement.label),
                    )
                    for form in phrases.pairs.get(labels, ())
                ]
                if beside:
                    form, second = draw.choice(beside)
                    other = text.new_actor()
                    text.add(form, *((other, actor) if second else (actor, other)))
                    continue
        if clear and draw.random() < 0.6:
            said[actor].append(text.add(draw.choice(phrases.verdicts[statement.label]), actor))
            continue
        label, demand, inner = statement.label, thesis, embedded
        opposite = negate_target(thesis)
        if opposite and draw.random() < 0.4:
            # To call for the opposite is to be against the thesis.
            label, demand, inner = flip_label(label), opposite, embed_demand(opposite)
        forms = [f for f in phrases.clauses[label] if inner or "{claim}" in f]
        if forms:
            form = _fill(draw.choice(forms), demand, inner)
        else:
            form = _escape(f"Zur Forderung „{thesis}“: ") + draw.choice(phrases.verdicts[label])
        said[actor].append(text.add(form, actor))
    return said
