"""Targets that demand something ("X soll Y tun."): their opposites, and how to report them."""

from __future__ import annotations

import re

from stance.schema import StanceLabel

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
    if re.match(r"ein(e[mnrs]?)? ", after):
        return f"{before} {soll} k{after}."
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
