"""Where a text names somebody who may take a stance: a tagger on the lower layers of the encoder.

The first layers of the stance model's encoder read the text without a target; a few layers of the
tagger's own go on from there. Each word gets a tag (begin, inside, outside, with the kind of the
actor), and a second output says which words of a mention are the name ("Annalena Baer" in "die
Ministerin Annalena Baer"). A third compares two mentions and says whether they mean the same actor,
as in mention-ranking coreference (Lee et al. 2017, "End-to-end Neural Coreference Resolution").
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedConfig

from stance.runtime import Runtime
from stance.schema import ActorKind
from stance.weights import pack_weights, unpack_weights

if TYPE_CHECKING:
    from tokenizers import Encoding
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from stance.model import StanceModel

KINDS: tuple[ActorKind, ...] = get_args(ActorKind)
OUTSIDE, BEGIN, INSIDE = range(3)
TAGS = 1 + 2 * len(KINDS)
"""``OUTSIDE``, then begin and inside of each kind in turn."""

TAGGER_FILE, TAGGER_CONFIG_FILE = "actor_tagger.safetensors", "actor_tagger.json"
PAIR_WIDTH = 64
PAIR_FEATURES = 10
OVERLAP_TOKENS = 96
NAME_GOES_ON = 8.0
"""A name is seldom cut short: so much likelier is it that a word of a name belongs to the mention
of such a word before it."""
ARTICLE_ALONE = -5.0
"""What it costs, as a logarithm of a probability, that an article alone names somebody."""
ARTICLES = frozenset(
    ["der", "die", "das", "dem", "den", "des", "ein", "eine", "einer", "einem", "einen", "eines"]
)
_NO_END = ",;:"
_WORD = re.compile(r"[^\W_][\w\u0300-\u036f]*(?:[-\u2010\u2011'’.](?=\w)[\w\u0300-\u036f]+)*|\S")


@dataclass(frozen=True)
class TaggerSettings:
    """The shape of a tagger.

    Args:
        shared_layers: how many layers of the stance model's encoder it reads.
        own_layers: how many of its own follow.
    """

    shared_layers: int = 4
    own_layers: int = 3

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if type(value) is not int or value < 1:
                raise ValueError(f"{name} is {value!r}; give a number from 1 up")


@dataclass(frozen=True)
class TaggedMention:
    """A stretch of the text that names somebody.

    Attributes:
        start, end: character offsets.
        name: offsets of the name in it; None for a mere description ("der Minister").
        kind: the likeliest kind of actor.
        score: mean probability of its tags.
    """

    start: int
    end: int
    name: tuple[int, int] | None
    kind: ActorKind
    score: float


@dataclass(frozen=True)
class TextWindow:
    """Tokens of a part of a text, and the words that are read there.

    Attributes:
        words: numbers of words, counted over the text.
        first_tokens, last_tokens: of each of these words, positions in ``input_ids``.
    """

    input_ids: tuple[int, ...]
    words: tuple[int, ...]
    first_tokens: tuple[int, ...]
    last_tokens: tuple[int, ...]


@dataclass(frozen=True)
class TagLogits:
    """What the tagger says of a text of N words: ``tags`` (N, TAGS), ``names`` (N,) and ``states``
    (N, H), the last for comparing mentions."""

    tags: Tensor
    names: Tensor
    states: Tensor


def split_words(text: str) -> list[tuple[int, int]]:
    """Character spans of the words; each sign of punctuation is one too."""
    return [match.span() for match in _WORD.finditer(text)]


def build_text_windows(
    text: str, words: Sequence[tuple[int, int]], tokenizer: PreTrainedTokenizerFast, max_tokens: int
) -> list[TextWindow]:
    """Windows over a text; each word belongs to the one in which it is farthest from the edges."""
    if not words:
        return []
    encodings = tokenizer(
        text,
        truncation=True,
        max_length=max_tokens,
        stride=min(OVERLAP_TOKENS, max_tokens // 4),
        return_overflowing_tokens=True,
        verbose=False,
    ).encodings
    assert encodings is not None, "only fast tokenizers give offsets"
    # For each word the best window so far: margin, window, first and last token.
    best: list[tuple[int, int, int, int] | None] = [None] * len(words)
    for number, encoding in enumerate(encodings):
        places = _locate_words(encoding, words)
        length = len(encoding.ids)
        for word, (first, last) in places.items():
            before = first if number else length
            after = length - last if number < len(encodings) - 1 else length
            margin = min(before, after)
            found = best[word]
            if found is None or margin > found[0]:
                best[word] = (margin, number, first, last)
    windows = []
    for number, encoding in enumerate(encodings):
        own = [
            (word, found[2], found[3])
            for word, found in enumerate(best)
            if found is not None and found[1] == number
        ]
        if own:
            numbers, first_tokens, last_tokens = zip(*own, strict=True)
            windows.append(TextWindow(tuple(encoding.ids), numbers, first_tokens, last_tokens))
    return windows


def _locate_words(
    encoding: Encoding, words: Sequence[tuple[int, int]]
) -> dict[int, tuple[int, int]]:
    """First and last token of each word that has some in the window; both run in step."""
    places: dict[int, tuple[int, int]] = {}
    word = 0
    for position, (start, end) in enumerate(encoding.offsets):
        if end <= start or encoding.special_tokens_mask[position]:
            continue
        while word < len(words) and words[word][1] <= start:
            word += 1
        reached = word
        while reached < len(words) and words[reached][0] < end:
            first, _ = places.get(reached, (position, position))
            places[reached] = (first, position)
            reached += 1
    return places


class ActorTagger(nn.Module):
    """The tagger's own layers and outputs.

    Args:
        encoder_config: that of the stance model's encoder.
    """

    def __init__(self, encoder_config: PreTrainedConfig, settings: TaggerSettings) -> None:
        super().__init__()
        self.settings = settings
        config = shorten_config(encoder_config, settings.own_layers)
        config.vocab_size = (config.pad_token_id or 0) + 1  # it reads states, not words
        self.layers = AutoModel.from_config(config)
        if getattr(self.layers, "pooler", None) is not None:
            self.layers.pooler = None
        width = encoder_config.hidden_size
        self.tags = nn.Linear(width, TAGS)
        self.names = nn.Linear(width, 1)
        self.pair_vector = nn.Linear(width, PAIR_WIDTH)
        self.pair_hidden = nn.Linear(3 * PAIR_WIDTH + PAIR_FEATURES, PAIR_WIDTH)
        self.pair_score = nn.Linear(PAIR_WIDTH, 1)

    def forward(self, states: Tensor, attention_mask: Tensor) -> Tensor:
        """States (B, T, H) of the tagger from those of the shared layers."""
        hidden: Tensor = self.layers(
            inputs_embeds=states, attention_mask=attention_mask
        ).last_hidden_state
        return hidden

    def score_pairs(self, earlier: Tensor, later: Tensor, features: Tensor) -> Tensor:
        """Scores (P,), above 0 for the same actor, of pairs of mentions.

        Args:
            earlier, later: (P, H), the mean states of their words.
            features: (P, PAIR_FEATURES), see ``stance.actor_linking``.
        """
        first = torch.tanh(self.pair_vector(earlier))
        second = torch.tanh(self.pair_vector(later))
        joined = torch.cat([first, second, first * second, features], dim=-1)
        score: Tensor = self.pair_score(torch.tanh(self.pair_hidden(joined))).squeeze(-1)
        return score


def shorten_config(config: PreTrainedConfig, layers: int) -> PreTrainedConfig:
    """The configuration of an encoder with fewer layers.

    Raises:
        ValueError: if it has not so many.
    """
    if layers > config.num_hidden_layers:
        raise ValueError(f"{layers} layers asked for; the encoder has {config.num_hidden_layers}")
    values = config.to_dict() | {"num_hidden_layers": layers}
    if values.get("layer_types"):
        values["layer_types"] = values["layer_types"][:layers]
    return type(config).from_dict(values)


def share_lower_layers(model: StanceModel, layers: int) -> PreTrainedModel:
    """The stance model's encoder up to a layer; the parameters are the same tensors."""
    config = shorten_config(model.config.encoder_config(), layers)
    lower = AutoModel.from_config(config)
    if getattr(lower, "pooler", None) is not None:
        lower.pooler = None
    wanted = set(lower.state_dict())
    shared = {name: value for name, value in model.encoder.state_dict().items() if name in wanted}
    lower.load_state_dict(shared, assign=True)
    encoder: PreTrainedModel = lower.eval().requires_grad_(False)
    return encoder


def start_from_encoder(tagger: ActorTagger, model: StanceModel) -> None:
    """Give the tagger's layers the weights of those that follow the shared ones in the encoder."""
    own, settings = tagger.layers.state_dict(), tagger.settings
    layer = re.compile(r"(^|\.)(layers?)\.(\d+)\.")
    for name, value in model.encoder.state_dict().items():
        found = layer.search(name)
        if found is None:
            continue
        number = int(found.group(3)) - settings.shared_layers
        start, end = found.span(3)
        renamed = f"{name[:start]}{number}{name[end:]}"
        if 0 <= number < settings.own_layers and renamed in own:
            own[renamed].copy_(value)
    for name, value in own.items():
        # The states already know their places.
        if "position_embeddings" in name or "token_type_embeddings" in name:
            value.zero_()


def save_tagger(
    tagger: ActorTagger,
    directory: str | Path,
    scores: Mapping[str, Any],
    training: Mapping[str, Any],
) -> Path:
    """Write a tagger beside a model, its matrices as int8, with its validation scores and what it
    was trained on; returns the path of the weights."""
    directory = Path(directory)
    file = directory / TAGGER_FILE
    save_file(pack_weights(tagger.state_dict()), file, metadata={"format": "pt"})
    content = {
        "settings": asdict(tagger.settings),
        "training": dict(training),
        "validation": dict(scores),
    }
    (directory / TAGGER_CONFIG_FILE).write_text(
        json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
    )
    return file


def load_tagger(directory: str | Path, model: StanceModel) -> ActorTagger:
    """The tagger of a model directory.

    Raises:
        FileNotFoundError: if the directory has none.
        ValueError: if its weights do not fit the model.
    """
    directory = Path(directory)
    for name in (TAGGER_CONFIG_FILE, TAGGER_FILE):
        if not (directory / name).is_file():
            raise FileNotFoundError(
                f"{directory}: no {name}, so this model finds no actors by itself; "
                "train a tagger with stance-train-tagger, or give the actors"
            )
    stored = json.loads((directory / TAGGER_CONFIG_FILE).read_text(encoding="utf-8"))
    tagger = ActorTagger(model.config.encoder_config(), TaggerSettings(**stored["settings"]))
    try:
        tagger.load_state_dict(unpack_weights(load_file(directory / TAGGER_FILE)))
    except RuntimeError as error:
        raise ValueError(f"{directory / TAGGER_FILE} does not fit the model: {error}") from error
    return tagger.eval()


class TextTagger:
    """Tags whole texts: the shared layers, the tagger, and the tokenizer of a model."""

    def __init__(
        self,
        model: StanceModel,
        tagger: ActorTagger,
        tokenizer: PreTrainedTokenizerFast,
        runtime: Runtime,
        max_tokens_per_batch: int = 2048,
    ) -> None:
        self.lower = share_lower_layers(model, tagger.settings.shared_layers)
        self.tagger = tagger.to(runtime.device)
        self.tokenizer = tokenizer
        self.runtime = runtime
        self.max_tokens = model.config.max_tokens
        self.max_tokens_per_batch = max_tokens_per_batch

    def tag_texts(self, texts: Sequence[str]) -> list[TagLogits]:
        """What the tagger says of each text, in order."""
        from stance.batching import plan_batches

        words = [split_words(text) for text in texts]
        windows = [
            (number, window)
            for number, (text, own) in enumerate(zip(texts, words, strict=True))
            for window in build_text_windows(text, own, self.tokenizer, self.max_tokens)
        ]
        width = self.tagger.tags.in_features
        results = [
            TagLogits(
                tags=torch.zeros(len(own), TAGS),
                names=torch.zeros(len(own)),
                states=torch.zeros(len(own), width),
            )
            for own in words
        ]
        lengths = [len(window.input_ids) for _, window in windows]
        with torch.inference_mode():
            for batch in plan_batches(lengths, self.max_tokens_per_batch):
                rows = [windows[position] for position in batch]
                states = self.read([window.input_ids for _, window in rows])
                for (number, window), row in zip(rows, states, strict=True):
                    chosen = average_words(row, window.first_tokens, window.last_tokens)
                    first = row[list(window.first_tokens)]
                    places = list(window.words)
                    results[number].tags[places] = self.tagger.tags(first).float().cpu()
                    results[number].names[places] = self.tagger.names(first).squeeze(-1).cpu()
                    results[number].states[places] = chosen.float().cpu()
        return results

    def read(self, input_ids: Sequence[Sequence[int]]) -> Tensor:
        """States (B, T, H) of a batch of windows."""
        ids, mask = pad_windows(input_ids, self.tokenizer.pad_token_id)
        ids, mask = ids.to(self.runtime.device), mask.to(self.runtime.device)
        states = self.lower(input_ids=ids, attention_mask=mask).last_hidden_state
        hidden: Tensor = self.tagger(states, mask)
        return hidden


def pad_windows(input_ids: Sequence[Sequence[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask (B, T)."""
    longest = max(map(len, input_ids))
    ids = torch.full((len(input_ids), longest), pad_id)
    mask = torch.zeros(len(input_ids), longest, dtype=torch.long)
    for row, own in enumerate(input_ids):
        ids[row, : len(own)] = torch.tensor(own)
        mask[row, : len(own)] = 1
    return ids, mask


def average_words(states: Tensor, first: Sequence[int], last: Sequence[int]) -> Tensor:
    """Mean states (N, H) of the tokens of each word from those (T, H) of a window."""
    sums = nn.functional.pad(states.cumsum(dim=0), (0, 0, 1, 0))
    start = torch.tensor(first, device=states.device)
    end = torch.tensor(last, device=states.device) + 1
    return (sums[end] - sums[start]) / (end - start)[:, None]


def decode_mentions(
    text: str, words: Sequence[tuple[int, int]], logits: TagLogits
) -> list[TaggedMention]:
    """The mentions that the tags of a text mean, in its order.

    They are those of the likeliest sequence of tags in which no mention begins inside and none is
    a mere article. A comma at the end is cut off, and so is the genitive s of a name that the text
    also has without it, as in ``find_occurrences``.
    """
    if not words:
        return []
    probabilities = logits.tags.softmax(dim=-1)
    begin, inside = probabilities[:, 1::2], probabilities[:, 2::2]
    chances = torch.stack([probabilities[:, OUTSIDE], begin.sum(1), inside.sum(1)], dim=1)
    chances[1:, INSIDE] *= torch.where(
        (logits.names[1:] > 0) & (logits.names[:-1] > 0), NAME_GOES_ON, 1.0
    )
    articles = torch.tensor([text[start:end].lower() in ARTICLES for start, end in words])
    spans: list[list[int]] = []
    for word, tag in enumerate(choose_tags(chances, articles)):
        if tag == BEGIN:
            spans.append([word, word + 1])
        elif tag == INSIDE:
            spans[-1][1] = word + 1
    alone = {text[start:end] for start, end in words}
    mentions = []
    for first, stop in spans:
        while stop - first > 1 and text[slice(*words[stop - 1])] in _NO_END:
            stop -= 1
        kind = KINDS[int((begin[first:stop] + inside[first:stop]).sum(dim=0).argmax())]
        named = [word for word in range(first, stop) if logits.names[word] > 0]
        end = trim_genitive(text, words[stop - 1], alone)
        name = None
        if named:
            longest = longest_run(named)
            last = end if longest[-1] == stop - 1 else words[longest[-1]][1]
            name = (words[longest[0]][0], last)
        score = 1 - float(probabilities[first:stop, 0].mean())
        mentions.append(TaggedMention(words[first][0], end, name, kind, score))
    return mentions


def choose_tags(chances: Tensor, articles: Tensor) -> list[int]:
    """The likeliest tags of N words, by Viterbi's algorithm: ``OUTSIDE``, ``BEGIN`` or ``INSIDE``.

    Args:
        chances: (N, 3), the probabilities of these three.
        articles: (N,), bool, the words with which a mention must not end.
    """
    scores = chances.clamp_min(1e-9).log()
    follow = torch.zeros(3, 3)
    follow[OUTSIDE, INSIDE] = -torch.inf
    after_article = follow.clone()
    after_article[BEGIN, [OUTSIDE, BEGIN]] = ARTICLE_ALONE
    best = scores[0].clone()
    best[INSIDE] = -torch.inf
    came_from = []
    for own, article in zip(scores[1:], articles[:-1].tolist(), strict=True):
        best, previous = (best[:, None] + (after_article if article else follow)).max(dim=0)
        best = best + own
        came_from.append(previous.tolist())
    tags = [int(best.argmax())]
    for previous in reversed(came_from):
        tags.append(previous[tags[-1]])
    return tags[::-1]


def trim_genitive(text: str, word: tuple[int, int], alone: set[str]) -> int:
    """Where a word ends without a genitive s; the s is one if the text has the word without it."""
    start, end = word
    form = text[start:end]
    if form.endswith("s") and len(form) > 3 and form[:-1] in alone:
        return end - 1
    return end


def longest_run(numbers: Sequence[int]) -> list[int]:
    """The longest stretch of consecutive numbers, the first of equals."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return max(runs, key=len)
