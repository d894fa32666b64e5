"""Short documents that hold the words of one actor only: easy material for training.

To tell favor from against is learned slowly from whole reports, where most sentences belong to
somebody else. An excerpt leaves out the question whose words they are: it is the sentences with the
evidence of one actor's stances, as annotated.
"""

from __future__ import annotations

from collections.abc import Iterable

from stance.schema import Actor, Document, Mention, Stance, StanceLabel
from stance.sentences import split_sentences


def excerpt_documents(documents: Iterable[Document]) -> list[Document]:
    """One document for each actor with annotated evidence, in the order of documents and actors.

    Its text is the sentences that the evidence touches, its targets are those toward which the
    actor's stance has evidence there or is none. Where these sentences do not name the actor, he is
    taken for their author.
    """
    return [
        excerpt
        for document in documents
        for actor in document.actors
        if (excerpt := _excerpt(document, actor))
    ]


def _excerpt(document: Document, actor: Actor) -> Document | None:
    stances = [stance for stance in document.stances if stance.actor == actor.id]
    evidence = [span for stance in stances for span in stance.evidence]
    if not evidence:
        return None
    sentences = [
        (start, min(end, len(document.text)))
        for start, end in split_sentences(document.text)
        if any(span.start < end and start < span.end for span in evidence)
    ]
    text = ""
    mentions = []
    for start, end in sentences:
        if text:
            text += " "
        mentions += [
            Mention(start=m.start - start + len(text), end=m.end - start + len(text))
            for m in actor.mentions
            if start <= m.start and m.end <= end
        ]
        text += document.text[start:end].rstrip()
    labelled = [s for s in stances if s.evidence or s.label is StanceLabel.NONE]
    named = {"mentions": tuple(mentions)} if mentions else {"mentions": (), "author": True}
    kept = {stance.target for stance in labelled}
    return Document(
        id=f"{document.id}/{actor.id}",
        text=text,
        actors=(actor.model_copy(update=named),),
        targets=tuple(target for target in document.targets if target.id in kept),
        stances=tuple(Stance(actor=s.actor, target=s.target, label=s.label) for s in labelled),
    )
