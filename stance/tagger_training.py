"""Train a tagger on annotated mentions, on top of a trained stance model.

The stance model stays as it is: what its lower layers say of the texts is computed once and kept
(in fp16), so that an epoch costs only the tagger's own layers.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from stance.actor_finding import ActorFinder
from stance.actor_linking import cover_words, describe_gold, list_pairs, pair_features
from stance.actor_metrics import score_actors
from stance.actor_tagging import (
    ARTICLES,
    KINDS,
    PAIR_FEATURES,
    ActorTagger,
    TaggerSettings,
    TextWindow,
    average_words,
    build_text_windows,
    pad_windows,
    save_tagger,
    share_lower_layers,
    split_words,
    start_from_encoder,
)
from stance.batching import plan_batches
from stance.runtime import Runtime, choose_runtime
from stance.schema import Document

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from stance.model import StanceModel

logger = logging.getLogger(__name__)
IGNORED = -100


@dataclass(frozen=True, kw_only=True)
class TaggerTrainingSettings:
    """How a tagger is trained.

    Args:
        epochs: passes over the texts.
        learning_rate: highest, of the layers; falls to 0 in a straight line.
        head_learning_rate: of the outputs, which begin at random.
        max_tokens_per_batch: padded tokens of a batch.
        warmup_ratio: share of the steps in which the rate rises.
    """

    epochs: int = 4
    learning_rate: float = 2e-4
    head_learning_rate: float = 1e-3
    max_tokens_per_batch: int = 2048
    warmup_ratio: float = 0.05
    seed: int = 1

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            whole = name in ("epochs", "max_tokens_per_batch", "seed")
            right = type(value) is int or (type(value) is float and not whole)
            if not right or value < 0:
                raise ValueError(f"{name} is {value!r}; give a number from 0 up")
        if not self.max_tokens_per_batch or not self.learning_rate:
            raise ValueError("max_tokens_per_batch and learning_rate must be above 0")


@dataclass(frozen=True)
class TaggedWindow:
    """A window with the states (T, H) of the shared layers and what the tagger should say.

    Attributes:
        tags, names: (W,), of the words; ``IGNORED`` where nothing is wanted.
        mentions: (M, 2), first and one past the last of a mention's words, as places in the window.
        pairs: (P, 2), numbers of mentions, the earlier first.
        features: (P, PAIR_FEATURES).
        same: (P,), whether both mean the same actor.
    """

    window: TextWindow
    states: Tensor
    tags: Tensor
    names: Tensor
    mentions: Tensor
    pairs: Tensor
    features: Tensor
    same: Tensor


def train_tagger(
    model: StanceModel,
    tokenizer: PreTrainedTokenizerFast,
    documents: Sequence[Document],
    validation: Sequence[Document],
    directory: str | Path,
    *,
    tagger: TaggerSettings,
    settings: TaggerTrainingSettings,
    device: str = "auto",
    facts: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Train, score on validation texts, and write the tagger into the model's directory.

    Args:
        facts: about the documents, noted beside the settings in the tagger's configuration.

    Returns:
        The scores of ``stance.actor_metrics.score_actors`` on ``validation``.

    Raises:
        ValueError: if no document has a mention, or the model has too few layers.
    """
    documents = [document for document in documents if any(a.mentions for a in document.actors)]
    if not documents:
        raise ValueError("no document has an actor with mentions to learn from")
    torch.manual_seed(settings.seed)
    draw = random.Random(settings.seed)
    runtime = choose_runtime(device)
    model.encoder.to(runtime.device)
    network = ActorTagger(model.config.encoder_config(), tagger).to(runtime.device)
    start_from_encoder(network, model)
    examples = read_states(model, tokenizer, documents, tagger.shared_layers, runtime, settings)
    lengths = [len(example.window.input_ids) for example in examples]
    batches = plan_batches(lengths, settings.max_tokens_per_batch)
    steps = settings.epochs * len(batches)
    outputs = [p for n, p in network.named_parameters() if not n.startswith("layers.")]
    optimizer = torch.optim.AdamW(
        [
            {"params": network.layers.parameters(), "lr": settings.learning_rate},
            {"params": outputs, "lr": settings.head_learning_rate},
        ],
        weight_decay=0.01,
    )
    warmup = max(1, round(settings.warmup_ratio * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min((step + 1) / warmup, (steps - step) / max(1, steps - warmup)),
    )
    network.train()
    losses: list[float] = []
    for step, batch in enumerate(
        tqdm(iter_batches(batches, settings.epochs, draw), total=steps, desc="tagger"), start=1
    ):
        loss = compute_loss(network, [examples[number] for number in batch], tokenizer.pad_token_id)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if step % 100 == 0:
            logger.info("step %d of %d: loss %.3f", step, steps, sum(losses[-100:]) / 100)
    network.eval()
    scores: dict[str, Any] = {}
    if validation:
        finder = ActorFinder(model, network, tokenizer, runtime)
        found = finder.find([document.text for document in validation])
        scores = score_actors([document.actors for document in validation], found)
    training = asdict(settings) | {"steps": steps} | dict(facts or {})
    save_tagger(network, directory, scores, training)
    return scores


def iter_batches(
    batches: Sequence[Sequence[int]], epochs: int, draw: random.Random
) -> Iterator[Sequence[int]]:
    """The batches of all epochs, each epoch in another order."""
    for _ in range(epochs):
        order = list(batches)
        draw.shuffle(order)
        yield from order


def read_states(
    model: StanceModel,
    tokenizer: PreTrainedTokenizerFast,
    documents: Sequence[Document],
    shared_layers: int,
    runtime: Runtime,
    settings: TaggerTrainingSettings,
) -> list[TaggedWindow]:
    """The windows of all texts with the states of the shared layers."""
    lower = share_lower_layers(model, shared_layers)
    examples = [
        (document, words, window)
        for document in documents
        for words in [split_words(document.text)]
        for window in build_text_windows(document.text, words, tokenizer, model.config.max_tokens)
    ]
    read: dict[int, TaggedWindow] = {}
    lengths = [len(window.input_ids) for _, _, window in examples]
    with torch.no_grad():  # not inference_mode: what is read here is trained on
        plan = plan_batches(lengths, settings.max_tokens_per_batch)
        for batch in tqdm(plan, desc="reading texts"):
            rows = [examples[number] for number in batch]
            ids, mask = pad_windows(
                [window.input_ids for *_, window in rows], tokenizer.pad_token_id
            )
            ids, mask = ids.to(runtime.device), mask.to(runtime.device)
            states = lower(input_ids=ids, attention_mask=mask).last_hidden_state.half().cpu()
            for number, (document, words, window), row in zip(batch, rows, states, strict=True):
                kept = row[: len(window.input_ids)].clone()
                read[number] = label_window(document, words, window, kept)
    return [read[number] for number in range(len(examples))]


def label_window(
    document: Document, words: Sequence[tuple[int, int]], window: TextWindow, states: Tensor
) -> TaggedWindow:
    """What the tagger should say of the words of a window, and of its pairs of mentions."""
    place = {word: position for position, word in enumerate(window.words)}
    tags = torch.zeros(len(window.words), dtype=torch.long)
    names = torch.full((len(window.words),), float(IGNORED))
    gold = sorted(
        (
            (mention, owner)
            for owner, actor in enumerate(document.actors)
            for mention in describe_gold(document.text, actor, words)
        ),
        key=lambda pair: pair[0].start,
    )
    inside, owners, kept = [], [], []
    for mention, owner in gold:
        first, stop = cover_words(words, mention.start, mention.end)
        if first == stop or first not in place or stop - 1 not in place:
            continue
        begin, past = place[first], place[stop - 1] + 1
        named = (0, 0) if mention.name is None else cover_words(words, *mention.name)
        kind = KINDS.index(mention.kind)
        for position in range(begin, past):
            tags[position] = 1 + 2 * kind + (position > begin)
            word = window.words[position]
            form = document.text[slice(*words[word])].lower()
            names[position] = float(named[0] <= word < named[1] and form not in ARTICLES)
        inside.append((begin, past))
        owners.append(owner)
        kept.append(mention)
    pairs = list_pairs(len(kept))
    features = [pair_features(document.text, words, kept[one], kept[two]) for one, two in pairs]
    return TaggedWindow(
        window=window,
        states=states,
        tags=tags,
        names=names,
        mentions=torch.tensor(inside, dtype=torch.long).reshape(-1, 2),
        pairs=torch.tensor(pairs, dtype=torch.long).reshape(-1, 2),
        features=torch.tensor(features).reshape(-1, PAIR_FEATURES),
        same=torch.tensor([float(owners[one] == owners[two]) for one, two in pairs]),
    )


def compute_loss(network: ActorTagger, examples: Sequence[TaggedWindow], pad_id: int) -> Tensor:
    """The sum of the mean losses of tags, names and pairs of a batch."""
    device = network.tags.weight.device
    ids, mask = pad_windows([example.window.input_ids for example in examples], pad_id)
    states = torch.zeros(*ids.shape, network.tags.in_features)
    for row, example in enumerate(examples):
        states[row, : len(example.states)] = example.states
    hidden = network(states.to(device), mask.to(device))
    firsts, earlier, later, features, same = [], [], [], [], []
    for row, example in zip(hidden, examples, strict=True):
        firsts.append(row[list(example.window.first_tokens)])
        if not len(example.pairs):
            continue
        words = average_words(row, example.window.first_tokens, example.window.last_tokens)
        vectors = average_spans(words, example.mentions)
        earlier.append(vectors[example.pairs[:, 0]])
        later.append(vectors[example.pairs[:, 1]])
        features.append(example.features)
        same.append(example.same)
    read = torch.cat(firsts)
    tags = torch.cat([example.tags for example in examples]).to(device)
    names = torch.cat([example.names for example in examples]).to(device)
    loss = nn.functional.cross_entropy(network.tags(read), tags)
    asked = names != IGNORED
    if asked.any():
        guesses = network.names(read).squeeze(-1)[asked]
        loss = loss + nn.functional.binary_cross_entropy_with_logits(guesses, names[asked])
    if same:
        scores = network.score_pairs(
            torch.cat(earlier), torch.cat(later), torch.cat(features).to(device)
        )
        loss = loss + nn.functional.binary_cross_entropy_with_logits(
            scores, torch.cat(same).to(device)
        )
    return loss


def average_spans(words: Tensor, spans: Tensor) -> Tensor:
    """Mean states (M, H) of the words (W, H) of each span (M, 2)."""
    sums = nn.functional.pad(words.cumsum(dim=0), (0, 0, 1, 0))
    start, end = spans.unbind(dim=1)
    return (sums[end] - sums[start]) / (end - start)[:, None]
