"""Documents from which the text or the target is taken away.

Does a corpus give its labels away? A model that does well without the text has learned what is said
of such targets and by whom; one that does well without the target only tells who is for or against
something. Trained on such documents, models are baselines: what another gains over them it gets
from reading both. (Kaushik and Lipton 2018, "How Much Reading Does Reading Comprehension Require?";
for stance Kaushal, Saha and Ganguly 2021, "tWT-WT: A Dataset to Assert the Role of Target Entities
for Detecting Stance of Tweets".)
"""

from __future__ import annotations

from stance.schema import Document, Mention

WITHHELD = ("text", "target")
"""What can be withheld; of the text the names of its actors stay."""
REMOVED = "…"
"""Stands for a target, or for a text without names, that is taken away."""


def withhold(document: Document, part: str | None) -> Document:
    """The document without its ``text`` or its ``target``; None leaves it as it is.

    Raises:
        ValueError: for another part.
    """
    if part is None:
        return document
    check_withheld(part)
    return remove_text(document) if part == "text" else remove_targets(document)


def check_withheld(part: str | None) -> None:
    """See that this can be withheld.

    Raises:
        ValueError: if not.
    """
    if part is not None and part not in WITHHELD:
        raise ValueError(f"withhold is {part!r}; give {' or '.join(WITHHELD)}, or null")


def remove_text(document: Document) -> Document:
    """The document with a text that is only the list of its actors; gold stances are kept."""
    text, actors = "", []
    for actor in document.actors:
        mentions: tuple[Mention, ...] = ()
        if actor.mentions:
            first = actor.mentions[0]
            named = document.text[first.start : first.end]
            mentions = (Mention(start=len(text), end=len(text) + len(named)),)
            text += f"{named}. "
        actors.append(actor.model_copy(update={"mentions": mentions}))
    stances = tuple(stance.model_copy(update={"evidence": ()}) for stance in document.stances)
    return document.model_copy(
        update={"text": text or REMOVED, "actors": tuple(actors), "stances": stances}
    )


def remove_targets(document: Document) -> Document:
    """The document with ``REMOVED`` for each target; gold stances are kept."""
    targets = tuple(target.model_copy(update={"text": REMOVED}) for target in document.targets)
    return document.model_copy(update={"targets": targets})
