"""``ActorFinder``: texts in, the actors that they name out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from stance.actor_linking import cover_words, link_mentions, pair_features
from stance.actor_spokespersons import add_spoken_for
from stance.actor_tagging import (
    ActorTagger,
    TaggedMention,
    TagLogits,
    TextTagger,
    decode_mentions,
    load_tagger,
    split_words,
)
from stance.entity_recognition import Recogniser, merge_mentions
from stance.gazetteer import KnownActor, known_states
from stance.runtime import Runtime
from stance.schema import Actor

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from stance.model import StanceModel


class ActorFinder:
    """Finds who acts in a text, with a tagger that was trained on a stance model, with what else
    finds names, or both.

    Args:
        tagger: None if others are to find all mentions. Then no learned score joins them, but only
            what their wording says.
        recognisers: what finds names beside the tagger, see ``stance.entity_recognition``.
        gazetteer: actors that are looked for in every text as well, and known by name and id.
    """

    def __init__(
        self,
        model: StanceModel,
        tagger: ActorTagger | None,
        tokenizer: PreTrainedTokenizerFast,
        runtime: Runtime,
        *,
        recognisers: Sequence[Recogniser] = (),
        gazetteer: Sequence[KnownActor] = (),
        max_tokens_per_batch: int = 2048,
    ) -> None:
        self.tagger = None
        if tagger is not None:
            self.tagger = TextTagger(model, tagger, tokenizer, runtime, max_tokens_per_batch)
        self.recognisers = tuple(recognisers)
        self.gazetteer = tuple(gazetteer)

    @classmethod
    def from_directory(
        cls,
        directory: str | Path,
        model: StanceModel,
        tokenizer: PreTrainedTokenizerFast,
        runtime: Runtime,
        *,
        recognisers: Sequence[Recogniser] = (),
        gazetteer: Sequence[KnownActor] = (),
        max_tokens_per_batch: int = 2048,
    ) -> ActorFinder:
        """With the tagger of a model directory; raises as ``load_tagger``."""
        return cls(
            model,
            load_tagger(directory, model),
            tokenizer,
            runtime,
            recognisers=recognisers,
            gazetteer=gazetteer,
            max_tokens_per_batch=max_tokens_per_batch,
        )

    def find(self, texts: Sequence[str]) -> list[tuple[Actor, ...]]:
        """The actors of each text, in the order in which it first names them."""
        tagged: Sequence[TagLogits | None] = [None] * len(texts)
        if self.tagger is not None:
            tagged = self.tagger.tag_texts(texts)
        named = [recognise(texts) for recognise in self.recognisers]
        return [
            self._link(text, tagged[number], [found[number] for found in named])
            for number, text in enumerate(texts)
        ]

    def _link(
        self, text: str, logits: TagLogits | None, named: Sequence[Sequence[TaggedMention]]
    ) -> tuple[Actor, ...]:
        words = split_words(text)
        tagged = [] if logits is None else decode_mentions(text, words, logits)
        mentions = add_spoken_for(text, merge_mentions([tagged, *named]))
        scored = [mention for mention in mentions if mention.score >= 0]

        def score(pairs: Sequence[tuple[int, int]]) -> list[float]:
            if logits is None:
                return [-1.0] * len(pairs)
            return self._score_pairs(text, words, scored, logits, pairs)

        return link_mentions(text, mentions, score, self.gazetteer, known_states())

    def _score_pairs(
        self,
        text: str,
        words: Sequence[tuple[int, int]],
        mentions: Sequence[TaggedMention],
        logits: TagLogits,
        pairs: Sequence[tuple[int, int]],
    ) -> list[float]:
        assert self.tagger is not None, "there are no logits without a tagger"
        vectors = torch.stack(
            [
                logits.states[slice(*cover_words(words, mention.start, mention.end))].mean(dim=0)
                for mention in mentions
            ]
        )
        features = [pair_features(text, words, mentions[one], mentions[two]) for one, two in pairs]
        first, second = (torch.tensor(side) for side in zip(*pairs, strict=True))
        device = self.tagger.runtime.device
        with torch.inference_mode():
            scores = self.tagger.tagger.score_pairs(
                vectors[first].to(device),
                vectors[second].to(device),
                torch.tensor(features, device=device),
            )
        found: list[float] = scores.tolist()
        return found
