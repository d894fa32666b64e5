"""Reports composed from single statements, so that a model must learn who says what about what.

A statement corpus such as Wahl-O-Mat has one author and one thesis a text; news has many actors and
several targets. This puts statements of several parties on one to three theses side by side, under
invented names: a thesis is set out ("Beraten wurde, ob ...") and the actors say yes or no to it, or
they repeat it or its opposite in indirect speech, or their own words are quoted. Every thesis of a
report is a target. Some targets are negated and their labels flipped; some actors speak about
another thesis, or are only present: their label is ``none``.

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
"""Of a quoted statement, as many whole sentences as this allows (at least one)."""

SAME_SPEAKERS = 0.8
"""Share of the further theses of a report on which those speak who spoke before, if they can."""

OTHER_TARGET = 0.1
"""Share of the reports that ask about a thesis nobody in them speaks about."""

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
        "{A} sprach sich dafür aus.",
        "{A} stimmte zu.",
        "{A} begrüßte das Vorhaben.",
        "Auch {A} ist dafür.",
        "{A} stellte sich hinter die Forderung.",
        "{A} warb für den Plan.",
        "{A} hält das für richtig.",
        "{A} nannte den Schritt überfällig.",
        "{A} will den Antrag mittragen.",
        "Rückhalt erhielt der Plan, weil {A} mit Ja stimmte.",
        "{A} sagte, das sei der richtige Weg.",
        "{A} machte sich dafür stark.",
        "{A} sieht darin einen Gewinn.",
        "Dagegen hat {A} nichts, im Gegenteil.",
    ),
    StanceLabel.AGAINST: (
        "{A} lehnt den Vorschlag ab.",
        "{A} sprach sich dagegen aus.",
        "{A} stimmte dagegen.",
        "{A} kritisierte das Vorhaben scharf.",
        "{A} wies die Forderung zurück.",
        "{A} hält davon nichts.",
        "{A} stellte sich gegen das Vorhaben.",
        "{A} warnte vor dem Plan.",
        "{A} hält das für einen Fehler.",
        "{A} nannte den Schritt verfehlt.",
        "Auf Widerstand stieß der Plan, weil {A} mit Nein stimmte.",
        "{A} sagte, das sei der falsche Weg.",
        "{A} kündigte Widerstand an.",
        "{A} sieht darin eine Gefahr.",
        "Dafür ist {A} nicht zu haben.",
    ),
    StanceLabel.NEUTRAL: (
        "{A} will sich nicht festlegen.",
        "{A} enthielt sich.",
        "{A} sieht Vor- und Nachteile.",
        "{A} will den Vorschlag erst prüfen.",
        "{A} hat dazu noch keine abschließende Meinung.",
        "{A} wollte weder Ja noch Nein sagen.",
        "{A} sagte, für beides gebe es gute Gründe.",
    ),
}
PAIRED_VERDICTS = {
    (StanceLabel.FAVOR, StanceLabel.AGAINST): (
        "{A} ist dafür, {B} ist dagegen.",
        "Während {A} zustimmte, stimmte {B} mit Nein.",
        "Anders als {B} unterstützt {A} den Vorschlag.",
        "{A} warf {B} vor, das Vorhaben zu blockieren.",
        "Gegen die Stimme von {B} setzte {A} ein Ja durch.",
    ),
    (StanceLabel.AGAINST, StanceLabel.FAVOR): (
        "{A} ist dagegen, {B} ist dafür.",
        "Während {A} mit Nein stimmte, sagte {B} Ja.",
        "Anders als {B} lehnt {A} den Vorschlag ab.",
        "{A} warf {B} vor, den Plan gegen alle Vernunft zu verteidigen.",
        "Das Lob von {B} für den Plan wies {A} zurück.",
    ),
    (StanceLabel.FAVOR, StanceLabel.FAVOR): (
        "{A} und {B} sind dafür.",
        "Wie {B} stimmte auch {A} zu.",
        "Sowohl {A} als auch {B} unterstützen den Vorschlag.",
    ),
    (StanceLabel.AGAINST, StanceLabel.AGAINST): (
        "{A} und {B} sind dagegen.",
        "Wie {B} stimmte auch {A} mit Nein.",
        "Weder {A} noch {B} will den Vorschlag mittragen.",
    ),
    (StanceLabel.FAVOR, StanceLabel.NONE): (
        "{A} ist dafür und lobte {B} für die Leitung der Sitzung.",
        "Im Gespräch mit {B} sprach sich {A} dafür aus.",
    ),
    (StanceLabel.AGAINST, StanceLabel.NONE): (
        "{A} ist dagegen und dankte {B} für die Einladung.",
        "Im Gespräch mit {B} sprach sich {A} dagegen aus.",
    ),
}
CLAUSES = {
    StanceLabel.FAVOR: (
        "{A} ist dafür, dass {clause}.",
        "{A} forderte, dass {clause}.",
        "{A} begrüßt es, dass {clause}.",
        "{A} verlangt, dass {clause}.",
        "Nach dem Willen von {A} gilt: {claim}",
        "{A} sagte, {indirect}.",
        "{A}: „{claim}“",
        "„{claim}“ So steht es in dem Antrag, den {A} einbrachte.",
    ),
    StanceLabel.AGAINST: (
        "{A} lehnt es ab, dass {clause}.",
        "{A} ist dagegen, dass {clause}.",
        "{A} will verhindern, dass {clause}.",
        "{A} hält nichts davon, dass {clause}.",
        "{A} wehrt sich dagegen, dass {clause}.",
        "Den Antrag „{claim}“ lehnte {A} ab.",
        "{A} warnte davor, dass {clause}.",
    ),
    StanceLabel.NEUTRAL: (
        "{A} will erst prüfen, ob {clause}.",
        "{A} ließ offen, ob {clause}.",
        "Ob {clause}, will {A} nicht sagen.",
        "{A} legte sich nicht fest, ob {clause}.",
    ),
}
OPENINGS = (
    "Beraten wurde, ob {clause}.",
    "Es ging um die Frage, ob {clause}.",
    "Zur Abstimmung stand der Vorschlag: {claim}",
    "Streit gibt es darüber, ob {clause}.",
    "Diskutiert wurde auch die Forderung: {claim}",
    "Ein weiterer Punkt war, ob {clause}.",
)
PRESENT = (
    "{A} äußerte sich nicht.",
    "An der Runde nahm auch {A} teil.",
    "Eingeladen hatte {A}.",
    "Von {A} war zunächst keine Stellungnahme zu bekommen.",
    "Auch {A} war gekommen.",
    "{A} dankte allen für die lebhafte Debatte.",
    "{A} leitete die Sitzung.",
)
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
DEMAND = re.compile(r"^(?P<before>[^,]+?) (?P<soll>soll|sollen) (?P<after>[^,]+)\.$")
# Words that begin a thesis and are no nouns; inside a clause they are written small.
SMALL = re.compile(
    r"^(Der|Die|Das|Dem|Den|Des|Ein|Eine|Einem|Einen|Einer|In|Im|Ins|Bei|Beim|Alle|Allen|Aller|An|"
    r"Am|Es|Für|Auf|Auch|Mehr|Nur|Zur|Zum|Über|Unter|Bereits|Jede|Jeder|Jedem|Jedes|Künftig|Von|"
    r"Vom|Vor|Nach|Mit|Ohne|Aus|Anstatt|Anstelle|Zwischen|Während|Wegen|Ab|Bis|Gegen|Keine|Kein|"
    r"Weitere|Neue|Öffentliche|Staatliche|Private|Kleine|Große|Eingetragene|Abgelehnte|"
    r"Homosexuelle|Ökologische|Gleichgeschlechtliche|Deutsche) "
)
# The verbs at the end of a demand: an infinitive with its modal verb, participle or adverb.
VERB_TAIL = re.compile(
    r"(?:(?P<word>\S+) )?(?P<last>(?:(?:werden|sein|haben|bleiben|lassen|gehen) )?"
    r"(?:werden|dürfen|können|müssen|bleiben|sein|haben|lassen|gehen))$|(?P<verb>[a-zäöüß]+n)$"
)


@dataclass(frozen=True)
class Statement:
    """What a party says on a thesis: its text, and the label it stands for."""

    party: str
    text: str
    label: StanceLabel


def compose_reports(
    documents: Iterable[Document], *, seed: int, negate: float = 0.25, quotes: float = 1.0
) -> list[Document]:
    """Reports from single-author documents with one target and one stance each.

    Every document is used once. The result depends only on the documents, their order and
    ``seed``.

    Args:
        negate: share of the targets that is negated, with the labels flipped, where the target has
            the form "... soll ... <verb>." that the rule understands.
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
            told = {}
            for thesis in chosen:
                size = draw.choice((1, 2, 2, 3) if len(chosen) > 1 else (1, 2, 2, 3, 3, 4))
                if draw.random() < SAME_SPEAKERS:
                    known = {statement.party for part in told.values() for statement in part}
                    by_thesis[thesis].sort(key=lambda statement: statement.party not in known)
                told[thesis] = by_thesis[thesis][:size]
                del by_thesis[thesis][:size]
            silent = [thesis for thesis in theses if thesis not in told]
            other = draw.choice(silent) if silent and draw.random() < OTHER_TARGET else None
            reports.append(_compose(f"report-{len(reports)}", told, other, negate, draw))
    draw.shuffle(reports)
    return reports


def invent_person(draw: random.Random) -> str:
    """A first name and a surname."""
    surname = draw.choice(SURNAME_STARTS) + draw.choice(SURNAME_ENDS)
    return f"{draw.choice(FIRST_NAMES)} {surname}"


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
    tell: no "soll", several clauses, a negation already there, or no verb at the end."""
    demand = DEMAND.match(target)
    if demand is None or re.search(
        r"\b(nicht|kein\w*|ohne|nur|weder|niemand|weiterhin|ab\w*schaff\w*|soll|sollen)\b",
        f"{demand['before']} {demand['after']}",
        re.IGNORECASE,
    ):
        return None
    before, soll, after = demand.group("before", "soll", "after")
    if article := re.match(r"ein(e[mnrs]?)? ", after):
        return f"{before} {soll} k{after}." if article else None
    tail = VERB_TAIL.search(after)
    if tail is None or (tail["word"] and tail["word"][0].isupper()):
        return None  # "Mitglied bleiben": the negation belongs before an object of unknown length
    return f"{before} {soll} {after[: tail.start()]}nicht {tail.group(0)}."


def embed_demand(target: str) -> tuple[str, str] | None:
    """A demand as a subordinate clause and in indirect speech, None if the rule cannot tell.

    "Die Stadt soll bauen." → ("die Stadt bauen soll", "die Stadt solle bauen").
    """
    demand = DEMAND.match(target)
    if demand is None or re.search(r"\bsoll(en)?\b|[:;()]", demand["before"] + demand["after"]):
        return None
    before = SMALL.sub(lambda word: word.group(0).lower(), demand["before"] + " ").strip()
    indirect = {"soll": "solle", "sollen": "sollten"}[demand["soll"]]
    after = demand["after"]
    return f"{before} {after} {demand['soll']}", f"{before} {indirect} {after}"


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

    def add(self, template: str, *actors: int) -> None:
        """Append a sentence in which {A}, {B} stand for the actors, in any order."""
        if self.text and not self.text.endswith("\n"):
            self.text += " "
        for part in re.split(r"(\{[AB]\})", template):
            if part not in ("{A}", "{B}"):
                self.text += part
                continue
            actor = actors["{A}{B}".index(part) // 3]
            full, short, lead = self.names[actor]
            named = short if self.mentions[actor] and self.draw.random() < 0.7 else full
            if named == full:
                # A group's article is nominative: after a preposition it would be wrong.
                if full == short and re.search(r"\b([Vv]on|mit|bei) $", self.text):
                    lead = ""
                begins = not self.text or re.search(r"(\n|[.!?“] )$", self.text)
                self.text += lead[:1].upper() + lead[1:] if begins else lead
            self.mentions[actor].append(
                Mention(start=len(self.text), end=len(self.text) + len(named))
            )
            self.text += named


def _compose(
    name: str,
    told: dict[str, list[Statement]],
    other: str | None,
    negate: float,
    draw: random.Random,
) -> Document:
    text = _Text(draw)
    actor_of: dict[str, int] = {}
    labels: dict[tuple[int, str], StanceLabel] = {}
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
        speakers = []
        for statement in statements:
            actor = actor_of.get(statement.party)
            if actor is None or any(actor == speaker for speaker, _ in speakers):
                actor = actor_of[statement.party] = text.new_actor()
            speakers.append((actor, statement))
        _tell(text, thesis, embedded, speakers, opened or len(told) == 1, draw)
        labels |= {(actor, thesis): statement.label for actor, statement in speakers}
        if draw.random() < 0.3:
            text.add(draw.choice(PRESENT), text.new_actor())
    targets, stances = [], []
    for number, thesis in enumerate([*told, *([other] if other else [])], start=1):
        negated = None
        if thesis not in anaphoric and draw.random() < negate:
            negated = negate_target(thesis)
        targets.append(Target(id=f"t{number}", text=negated or thesis))
        for actor in range(len(text.names)):
            label = labels.get((actor, thesis), StanceLabel.NONE)
            stances.append(
                Stance(
                    actor=f"a{actor + 1}",
                    target=f"t{number}",
                    label=flip_label(label) if negated else label,
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
) -> None:
    """Sentences that give each speaker's statement on a thesis.

    ``clear``: a verdict need not say what it is about.
    """
    waiting = list(speakers)
    while waiting:
        actor, statement = waiting.pop(0)
        if statement.text:
            if clear and draw.random() < 0.25:
                text.add(draw.choice(VERDICTS[statement.label]), actor)
            form = draw.choice(QUOTES)
            quoted = _escape(statement.text)
            if form.startswith("„{q}“,"):
                quoted = quoted.removesuffix(".")
            text.add(form.replace("{q}", quoted), actor)
            continue
        partner = waiting[0] if waiting and not waiting[0][1].text else None
        if clear and draw.random() < 0.4:
            if partner and (statement.label, partner[1].label) in PAIRED_VERDICTS:
                form = draw.choice(PAIRED_VERDICTS[statement.label, partner[1].label])
                text.add(form, actor, partner[0])
                waiting.pop(0)
                continue
            if (statement.label, StanceLabel.NONE) in PAIRED_VERDICTS and draw.random() < 0.25:
                form = draw.choice(PAIRED_VERDICTS[statement.label, StanceLabel.NONE])
                text.add(form, actor, text.new_actor())
                continue
        if clear and draw.random() < 0.6:
            text.add(draw.choice(VERDICTS[statement.label]), actor)
            continue
        label, demand, inner = statement.label, thesis, embedded
        opposite = negate_target(thesis)
        if opposite and draw.random() < 0.4:
            # To call for the opposite is to be against the thesis.
            label, demand, inner = flip_label(label), opposite, embed_demand(opposite)
        forms = [f for f in CLAUSES[label] if inner or "{claim}" in f]
        if forms:
            text.add(_fill(draw.choice(forms), demand, inner), actor)
        else:
            text.add(_escape(f"Zur Forderung „{thesis}“: ") + draw.choice(VERDICTS[label]), actor)
