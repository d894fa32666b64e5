"""The stance model: one encoder pass over ``target [SEP] text`` classifies all actors of the text.

The encoder's token states are averaged over each mention (span pooling); a mention's vector is that
average beside those over the actor's words and over the target, and the first token of its window.
The words are those of the mention's sentence, or what the model learned to take for the actor's
(``stance.attribution``). They are there because a small encoder that was pretrained for sentence
embeddings carries little in the states of a name, and learns slowly to bring it there. An actor is
the attention-weighted sum over all mentions in all windows, which a two-layer head classifies. The
mentions are not marked in the input, so the actors of a text cannot influence one another and
offsets stay true; only a model that hides names (``stance.name_hiding``) reads stand-ins for those
of all persons who are asked about.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel, initialization
from transformers.utils import ModelOutput

from stance.attribution import (
    WordAttention,
    compute_evidence_loss,
    spread_over_sentences,
    start_near,
    sum_states,
)
from stance.examples import IGNORED
from stance.schema import LABELS


class StanceConfig(PreTrainedConfig):
    """Configuration of a ``StanceModel``.

    Args:
        encoder: the encoder's own configuration, as a dictionary with its ``model_type``.
        max_tokens: tokens of a window, target and special tokens included.
        overlap_tokens: tokens that neighbouring windows share.
        head_dropout: dropout before each layer of the head.
        word_attention: whether the model learns which words of a window are an actor's (see
            ``stance.attribution``); without it they are the sentences of the mentions.
        notice: something every user of the model must know, such as a restrictive licence.
        withhold: ``text`` or ``target``, which the model was trained without and is not shown (see
            ``stance.withholding``); None for a model that reads both.
        names_hidden: whether the model reads stand-ins for the names of persons (see
            ``stance.name_hiding``).
    """

    model_type = "stance"

    def __init__(
        self,
        encoder: dict[str, Any] | None = None,
        max_tokens: int = 512,
        overlap_tokens: int = 96,
        head_dropout: float = 0.1,
        word_attention: bool = False,
        notice: str | None = None,
        withhold: str | None = None,
        names_hidden: bool = False,
        **kwargs: Any,
    ) -> None:
        self.encoder = encoder or {}
        self.max_tokens = max_tokens
        self.overlap_tokens = overlap_tokens
        self.head_dropout = head_dropout
        self.word_attention = word_attention
        self.notice = notice
        self.withhold = withhold
        self.names_hidden = names_hidden
        kwargs.setdefault("id2label", dict(enumerate(LABELS)))
        kwargs.setdefault("label2id", {label: number for number, label in enumerate(LABELS)})
        super().__init__(**kwargs)

    def encoder_config(self) -> PreTrainedConfig:
        """The encoder's configuration as an object."""
        values = dict(self.encoder)
        return AutoConfig.for_model(values.pop("model_type"), **values)


@dataclass
class StanceOutput(ModelOutput):
    """``logits`` (A, 4) in the order of ``LABELS``; ``loss``, a scalar, where labels were given."""

    loss: Tensor | None = None
    logits: Tensor | None = None


class StanceModel(PreTrainedModel):
    """Encoder, mention pooling and classification head."""

    config_class = StanceConfig
    config: StanceConfig
    base_model_prefix = "encoder"
    _supports_sdpa = True
    _supports_flash_attn = True
    supports_gradient_checkpointing = True

    def __init__(self, config: StanceConfig) -> None:
        super().__init__(config)
        encoder_config = config.encoder_config()
        self.encoder = AutoModel.from_config(encoder_config)
        if getattr(self.encoder, "pooler", None) is not None:
            self.encoder.pooler = None  # not used; unused parameters would break torchrun
        width = encoder_config.hidden_size
        self.takes_type_ids = getattr(encoder_config, "type_vocab_size", 0) > 1
        self.words = WordAttention(width) if config.word_attention else None
        self.mention_kind = nn.Embedding(2, width)  # 0: mentioned in the text, 1: its author
        self.norm = nn.LayerNorm(5 * width)  # encoders differ in the scale of their states
        self.combine = nn.Linear(5 * width, width)
        self.attention = nn.Linear(width, 1)
        self.classifier = nn.Linear(width, len(LABELS))
        self.dropout = nn.Dropout(config.head_dropout)
        self.class_weights: Tensor | None = None
        self.label_smoothing = 0.0
        self.evidence_weight = 0.0
        self.post_init()

    @classmethod
    def from_encoder(
        cls,
        name_or_path: str | Path,
        *,
        max_tokens: int = 512,
        overlap_tokens: int = 96,
        dropout: float | None = None,
        attention_dropout: float | None = None,
        head_dropout: float = 0.1,
        word_attention: bool = False,
        freeze_embeddings: bool = False,
        notice: str | None = None,
    ) -> StanceModel:
        """A model with a pretrained encoder and a new head.

        Args:
            name_or_path: a Hugging Face model directory or hub name.
            dropout, attention_dropout: override the encoder's own rates where given.

        Raises:
            ValueError: if ``max_tokens`` is more than the encoder has positions for.
        """
        encoder_config = AutoConfig.from_pretrained(name_or_path)
        set_dropout(encoder_config, dropout, attention_dropout)
        check_positions(encoder_config, max_tokens)
        encoder = AutoModel.from_pretrained(
            name_or_path, config=encoder_config, dtype=torch.float32
        )
        config = StanceConfig(
            encoder=encoder.config.to_dict(),
            max_tokens=max_tokens,
            overlap_tokens=overlap_tokens,
            head_dropout=head_dropout,
            word_attention=word_attention,
            notice=notice,
        )
        model = cls(config)
        model.encoder.load_state_dict(
            {k: v for k, v in encoder.state_dict().items() if not k.startswith("pooler.")}
        )
        if freeze_embeddings:
            model.encoder.get_input_embeddings().weight.requires_grad_(False)
        return model

    def freeze_layers(self, count: int) -> None:
        """Keep the first layers of the encoder, and all of it but its layers, as they are in
        training: that saves the backward pass through them. 0 freezes nothing.

        Raises:
            ValueError: if the encoder has fewer layers, or none that are known.
        """
        layers = self.config.encoder_config().num_hidden_layers
        if not 0 <= count <= layers:
            raise ValueError(f"freeze_layers is {count}; the encoder has {layers} layers")
        if not count:
            return
        stacks = [
            module
            for module in self.encoder.modules()
            if isinstance(module, nn.ModuleList) and len(module) == layers
        ]
        if not stacks:
            kind = type(self.encoder).__name__
            raise ValueError(f"freeze_layers: a {kind} has no list of its layers to freeze some of")
        self.encoder.requires_grad_(False)
        stacks[0][count:].requires_grad_(True)

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, WordAttention):
            initialization.zeros_(module.from_mention)
            initialization.copy_(module.from_sentence, start_near())

    def encode_mentions(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        target_spans: Tensor,
        text_spans: Tensor,
        mention_spans: Tensor,
        token_type_ids: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Vectors (M, 4H) of the mentions: the averages over their own tokens, over the actor's
        words and over those of the target, and the first token of the window; and the weights
        (M, T) of the window's tokens as the actor's words.

        Args:
            input_ids, attention_mask, token_type_ids: (B, T).
            target_spans, text_spans: (B, 2), start and end of the target's and the text's tokens.
            mention_spans: (M, 5), window, start and end of each mention and of its sentence.
        """
        extra = {"token_type_ids": token_type_ids} if self.takes_type_ids else {}
        states = self.encoder(
            input_ids=input_ids, attention_mask=attention_mask, **extra
        ).last_hidden_state.float()
        # Averages over spans from running sums: no (M, T) mask is built.
        sums = nn.functional.pad(states.cumsum(dim=1), (0, 0, 1, 0))

        def average(rows: Tensor, start: Tensor, end: Tensor) -> Tensor:
            return (sums[rows, end] - sums[rows, start]) / (end - start).clamp(min=1)[:, None]

        windows, start, end, _, _ = mention_spans.unbind(dim=1)
        targets = average(torch.arange(len(states), device=states.device), *target_spans.unbind(1))
        names, targets = average(windows, start, end), targets[windows]
        if self.words is None:
            weights = spread_over_sentences(mention_spans, states.shape[1])
        else:
            weights = self.words(states, torch.cat([names, targets], -1), mention_spans, text_spans)
        words = sum_states(weights, states, windows)
        return torch.cat([names, words, targets, states[windows, 0]], dim=-1), weights

    def classify_actors(
        self, mentions: Tensor, mention_actors: Tensor, author_actors: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logits (A, 4) of the actors, and how much each mention (M,) counts for its actor.

        Args:
            mentions: (M, 4H), from ``encode_mentions``, of all windows of the texts.
            mention_actors: (M,), the actor of each mention, 0 to A - 1.
            author_actors: (A,), whether the actor is the author of the text.
        """
        kinds = self.mention_kind(author_actors.long())[mention_actors]
        _, words, target, _ = mentions.chunk(4, dim=-1)
        joined = torch.cat([mentions, words * target], dim=-1)
        hidden = torch.tanh(self.combine(self.dropout(self.norm(joined))) + kinds)
        scores = self.attention(hidden).squeeze(-1).float()
        actors = len(author_actors)
        highest = torch.full((actors,), -torch.inf, device=scores.device, dtype=scores.dtype)
        highest = highest.scatter_reduce(0, mention_actors, scores.detach(), "amax")
        weights = (scores - highest[mention_actors]).exp()
        total = torch.zeros_like(highest).index_add(0, mention_actors, weights)
        shares = weights / total[mention_actors]
        pooled = torch.zeros(actors, hidden.shape[1], device=hidden.device, dtype=hidden.dtype)
        pooled = pooled.index_add(0, mention_actors, hidden * shares[:, None])
        return self.classifier(self.dropout(pooled)), shares

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        target_spans: Tensor,
        text_spans: Tensor,
        mention_spans: Tensor,
        mention_actors: Tensor,
        author_actors: Tensor,
        token_type_ids: Tensor | None = None,
        evidence_spans: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> StanceOutput:
        """Logits of all actors of a batch of whole examples (see ``collate_examples``)."""
        mentions, weights = self.encode_mentions(
            input_ids, attention_mask, target_spans, text_spans, mention_spans, token_type_ids
        )
        logits, _ = self.classify_actors(mentions, mention_actors, author_actors)
        if labels is None:
            return StanceOutput(logits=logits)
        loss = nn.functional.cross_entropy(
            logits,
            labels,
            weight=None if self.class_weights is None else self.class_weights.to(logits),
            ignore_index=IGNORED,
            label_smoothing=self.label_smoothing,
        )
        if self.words is not None and self.evidence_weight and evidence_spans is not None:
            loss = loss + self.evidence_weight * compute_evidence_loss(weights, evidence_spans)
        return StanceOutput(loss=loss, logits=logits)


def set_dropout(
    encoder_config: PreTrainedConfig, dropout: float | None, attention_dropout: float | None
) -> None:
    """Override the dropout rates of an encoder, under whichever names it has; None leaves them."""
    for names, rate in (
        (("hidden_dropout_prob", "mlp_dropout", "embedding_dropout"), dropout),
        (("attention_probs_dropout_prob", "attention_dropout"), attention_dropout),
    ):
        for name in names:
            if rate is not None and hasattr(encoder_config, name):
                setattr(encoder_config, name, rate)


def check_positions(encoder_config: PreTrainedConfig, max_tokens: int) -> None:
    """Check that the encoder has a position for every token of a window.

    Raises:
        ValueError: if ``max_tokens`` is too many.
    """
    positions = getattr(encoder_config, "max_position_embeddings", None)
    if not positions or positions < 0:
        return
    if encoder_config.model_type in {"xlm-roberta", "roberta", "camembert"}:
        positions -= encoder_config.pad_token_id + 1  # their positions start after the padding's
    if max_tokens > positions:
        raise ValueError(
            f"max_tokens={max_tokens} is more than the {positions} positions of the encoder"
        )


AutoConfig.register("stance", StanceConfig)
AutoModel.register(StanceConfig, StanceModel)
