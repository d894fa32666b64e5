"""Reports composed from single statements, so that a model must learn who says what.

A statement corpus such as Wahl-O-Mat has one author a text; news has many actors in one. This
puts the statements of several parties on one thesis side by side, under invented names, in direct
speech with the attribution before, after or between, or reduced to the verdict ("A lehnt das ab,
B ist dafür"). Some actors speak about another thesis, or are only mentioned: their label is
``none``. Some targets are negated and their labels flipped.

For training only. The label of a shortened statement may no longer show in what is left of it, and
the German is stiff; measure on real text.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stance.schema import Actor, Document, Mention, Stance, StanceLabel, Target

MAX_QUOTE_WORDS = 45

# One name a line would be a hundred lines.
FIRST_NAMES = (  # noqa: SIM905
    "Alma Anke Arne Berit Bernd Carla Clemens Dagmar Detlef Dorothee Edda Elif Emre Ernst Fatma "
    "Frauke Gero Gesine Gundula Hanno Heike Henning Ilka Imke Ingo Iris Jale Jens Jolanta Jonas "
    "Kerstin Knut Lasse Lena Lutz Maike Malte Marek Mirja Nadja Nils Olga Ortrud Pavel Petra Ralf "
    "Rieke Ruben Sabine Sönke Stine Svenja Tarek Thilo Ulrike Urs Veit Wiebke Yasemin Zoran"
).split()
SURNAME_STARTS = (  # noqa: SIM905
    "Adler Behr Brack Dorn Ecker Falk Fenn Gerst Hagen Harm Ihl Jung Kahl Kest Lank Lind Mahl "
    "Mert Nord Oster Pahl Quast Rehm Roth Sall Schön Stein Tann Ulm Vier Wall Wend Zell"
).split()
SURNAME_ENDS = (
    "au",
    "berg",
    "bach",
    "er",
    "feld",
    "hoff",
    "ing",
    "kamp",
    "loh",
    "mann",
    "ow",
    "sen",
)
GROUPS = (
    "die Bürgerliste",
    "die Freie Union",
    "die Neue Mitte",
    "der Landbund",
    "das Forum Zukunft",
    "die Soziale Allianz",
    "die Fortschrittspartei",
    "der Verband Aufbruch",
    "die Initiative Gemeinwohl",
    "die Heimatunion",
    "das Bündnis Vernunft",
    "die Liste Umwelt",
    "der Wirtschaftsrat Nord",
    "die Gewerkschaft Dienste",
    "der Sozialverband Mitte",
    "die Verbraucherliga",
)
ROLES = (
    "der Abgeordnete",
    "die Abgeordnete",
    "Fraktionschef",
    "Sprecherin",
    "Landeschef",
    "Ministerin",
)

VERDICTS = {
    StanceLabel.FAVOR: (
        "{A} unterstützt den Vorschlag.",
        "{A} spricht sich dafür aus.",
        "{A} stimmte zu.",
        "Zustimmung kam von {A}.",
        "{A} begrüßte das Vorhaben.",
        "Auch {A} ist dafür.",
        "{A} stellte sich hinter die Forderung.",
        "{A} warb für den Plan.",
    ),
    StanceLabel.AGAINST: (
        "{A} lehnt den Vorschlag ab.",
        "{A} spricht sich dagegen aus.",
        "{A} stimmte dagegen.",
        "Kritik kam von {A}.",
        "{A} wies die Forderung zurück.",
        "{A} hält davon nichts.",
        "{A} stellte sich gegen das Vorhaben.",
        "Bei {A} stößt der Plan auf Widerstand.",
    ),
    StanceLabel.NEUTRAL: (
        "{A} will sich nicht festlegen.",
        "{A} enthielt sich.",
        "{A} sieht Vor- und Nachteile.",
        "{A} will den Vorschlag erst prüfen.",
        "{A} hat noch keine abschließende Meinung.",
    ),
    StanceLabel.NONE: (
        "{A} äußerte sich nicht.",
        "An der Runde nahm auch {A} teil.",
        "Eingeladen hatte {A}.",
        "Von {A} war zunächst keine Stellungnahme zu bekommen.",
        "{A} sprach über ein anderes Thema.",
        "Auch {A} war gekommen.",
    ),
}
QUOTES = (
    "{A} sagte: „{q}“",
    "{A} erklärte: „{q}“",
    "{A}: „{q}“",
    "„{q}“, sagte {A}.",
    "„{q}“, so {A}.",
    "„{q}“, heißt es bei {A}.",
    "Dazu erklärte {A}: „{q}“",
    "{A} begründete das so: {q}",
    "{q} So begründet es {A}.",
    "{A} verwies auf Folgendes: {q}",
)
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-ZÄÖÜ„\"])")
VERB_TAIL = re.compile(
    r"((?:\S+ )?(?:werden|dürfen|können|müssen|bleiben|sein|haben|lassen)|\S+)\.$", re.UNICODE
)


@dataclass(frozen=True)
class Statement:
    """What an actor says on the report's target: the text, and the label it stands for."""

    text: str
    label: StanceLabel


def compose_reports(
    documents: Iterable[Document], *, seed: int, negate: float = 0.25, quotes: float = 1.0
) -> list[Document]:
    """Reports from single-author documents with one target and one stance each.

    Every document is used once. The result depends only on the documents, their order and
    ``seed``.

    Args:
        negate: share of the reports whose target is negated and whose labels are flipped, where
            the target has the form "... soll ... <verb>." that the rule understands.
        quotes: share of the statements that are told; of the others only the verdict is.

    Raises:
        ValueError: if a document has other actors than its author, or not one target and one
            stance.
    """
    draw = random.Random(seed)
    by_target: dict[tuple[str | None, str], list[Statement]] = defaultdict(list)
    for document in documents:
        asked, stance = _take_statement(document)
        key = (document.source, asked.text)
        text = shorten(document.text) if draw.random() < quotes else ""
        by_target[key].append(Statement(text, stance.label))
    elsewhere: dict[str | None, list[str]] = defaultdict(list)
    for (source, _), statements in by_target.items():
        elsewhere[source] += [statement.text for statement in statements]
    reports: list[Document] = []
    for (source, thesis), statements in by_target.items():
        draw.shuffle(statements)
        while statements:
            size = draw.choice((1, 2, 2, 3, 3, 4))
            chosen, statements = statements[:size], statements[size:]
            for _ in range(draw.choice((0, 0, 1, 1, 2))):
                # Of an actor without a stance the text has something else, or nothing at all.
                text = draw.choice(elsewhere[source]) if draw.random() < 0.5 else ""
                chosen.append(Statement(text, StanceLabel.NONE))
            draw.shuffle(chosen)
            negated = negate_target(thesis) if draw.random() < negate else None
            if negated is not None:
                chosen = [Statement(s.text, flip_label(s.label)) for s in chosen]
            reports.append(
                _compose(f"report-{len(reports)}", negated or thesis, chosen, draw, bool(negated))
            )
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


def flip_label(label: StanceLabel) -> StanceLabel:
    """The label toward the opposite of a target."""
    swap = {StanceLabel.FAVOR: StanceLabel.AGAINST, StanceLabel.AGAINST: StanceLabel.FAVOR}
    return swap.get(label, label)


def negate_target(target: str) -> str | None:
    """The opposite of a demand ("X soll Y tun." → "X soll Y nicht tun."), None if the rule cannot
    tell: no "soll", several clauses, or a negation already there."""
    if not re.search(r"\bsoll(en|te|ten)?\b", target) or "," in target:
        return None
    if re.search(r"\b(nicht|kein\w*|ohne|nur|weiterhin|ab\w*schaff\w*)\b", target):
        return None
    tail = VERB_TAIL.search(target)
    return None if tail is None else f"{target[: tail.start()]}nicht {tail.group(0)}"


def _compose(
    name: str, target: str, statements: Sequence[Statement], draw: random.Random, negated: bool
) -> Document:
    text = ""
    actors, stances = [], []
    used: set[str] = set()
    for number, statement in enumerate(statements, start=1):
        full, short, article = _invent_name(draw, used)
        passage, spans = _tell(statement, full, short, article, draw, negated)
        start = len(text)
        text += passage
        mentions = tuple(Mention(start=start + a, end=start + b) for a, b in spans)
        actors.append(Actor(id=f"a{number}", name=full, mentions=mentions))
        stances.append(Stance(actor=f"a{number}", target="t1", label=statement.label))
        text += draw.choice((" ", " ", "\n\n"))
    return Document(
        id=name,
        text=text.rstrip(),
        actors=tuple(actors),
        targets=(Target(id="t1", text=target),),
        stances=tuple(stances),
    )


def _invent_name(draw: random.Random, used: set[str]) -> tuple[str, str, str]:
    """(full form, short form, words before the full form) of an actor new to this report."""
    while True:
        if draw.random() < 0.4:
            group = draw.choice(GROUPS)
            article, short = group.split(" ", 1)
            full, before = short, article + " "
        else:
            short = draw.choice(SURNAME_STARTS) + draw.choice(SURNAME_ENDS)
            full = f"{draw.choice(FIRST_NAMES)} {short}"
            before = draw.choice(("", "", draw.choice(ROLES) + " "))
        if short not in used:
            used.add(short)
            return full, short, before


def _tell(
    statement: Statement,
    full: str,
    short: str,
    before: str,
    draw: random.Random,
    negated: bool,
) -> tuple[str, list[tuple[int, int]]]:
    """The passage on one actor, and where in it the actor is named."""
    parts = []
    # The verdict speaks of "the proposal", which after a negation is no longer what the target is.
    verdict = not negated or statement.label in (StanceLabel.NEUTRAL, StanceLabel.NONE)
    if not statement.text or (verdict and draw.random() < 0.35):
        parts.append(draw.choice(VERDICTS[statement.label]))
    if statement.text and (not parts or draw.random() < 0.6):
        quote = draw.choice(QUOTES)
        text = statement.text
        if quote.startswith("„{q}“,"):
            text = text.removesuffix(".")
        parts.append(quote.replace("{q}", text.replace("{", "(").replace("}", ")")))
    passage, spans = "", []
    for number, part in enumerate(parts):
        named, lead = (full, before) if number == 0 else (short, "")
        head, tail = part.split("{A}", 1)
        if not head and not passage:
            lead = lead[:1].upper() + lead[1:]
        passage += head + lead
        spans.append((len(passage), len(passage) + len(named)))
        passage += named + tail + (" " if number < len(parts) - 1 else "")
    return passage, spans
