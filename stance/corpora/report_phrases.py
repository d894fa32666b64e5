"""What composed reports say: phrases by the label of their speakers {A} and {B}.

{claim} is the target as it stands, {clause} as a subordinate clause, {indirect} in indirect speech,
{q} an actor's own words.
"""

from __future__ import annotations

from stance.schema import StanceLabel

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
