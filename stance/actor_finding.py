"""``ActorFinder``: texts in, the actors that they name out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from stance.actor_linking import cover_words, link_mentions, pair_features
from stance.actor_tagging import (
    ActorTagger,
    TaggedMention,
    TagLogits,
    TextTagger,
    decode_mentions,
    load_tagger,
    split_words,
)
from stance.gazetteer import KnownActor, known_states
from stance.runtime import Runtime
from stance.schema import Actor

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from stance.model import StanceModel


class ActorFinder:
    """Finds who acts in a text, with a tagger that was trained on a stance model.

    Args:
        gazetteer: actors that are looked for in every text as well, and known by name and id.
    """

    def __init__(
        self,
        model: StanceModel,
        tagger: ActorTagger,
        tokenizer: PreTrainedTokenizerFast,
        runtime: Runtime,
        *,
        gazetteer: Sequence[KnownActor] = (),
        max_tokens_per_batch: int = 2048,
    ) -> None:
        self.tagger = TextTagger(model, tagger, tokenizer, runtime, max_tokens_per_batch)
        self.gazetteer = tuple(gazetteer)

    @classmethod
    def from_directory(
        cls,
        directory: str | Path,
        model: StanceModel,
        tokenizer: PreTrainedTokenizerFast,
        runtime: Runtime,
        *,
        gazetteer: Sequence[KnownActor] = (),
        max_tokens_per_batch: int = 2048,
    ) -> ActorFinder:
        """With the tagger of a model directory; raises as ``load_tagger``."""
        return cls(
            model,
            load_tagger(directory, model),
            tokenizer,
            runtime,
            gazetteer=gazetteer,
            max_tokens_per_batch=max_tokens_per_batch,
        )

    def find(self, texts: Sequence[str]) -> list[tuple[Actor, ...]]:
        """The actors of each text, in the order in which it first names them."""
        tagged = self.tagger.tag_texts(texts)
        return [self._link(text, logits) for text, logits in zip(texts, tagged, strict=True)]

    def _link(self, text: str, logits: TagLogits) -> tuple[Actor, ...]:
        words = split_words(text)
        mentions = decode_mentions(text, words, logits)

        def score(pairs: Sequence[tuple[int, int]]) -> list[float]:
            return self._score_pairs(text, words, mentions, logits, pairs)

        return link_mentions(text, mentions, score, self.gazetteer, known_states())

    def _score_pairs(
        self,
        text: str,
        words: Sequence[tuple[int, int]],
        mentions: Sequence[TaggedMention],
        logits: TagLogits,
        pairs: Sequence[tuple[int, int]],
    ) -> list[float]:
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
