from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from stance.examples import build_examples
from stance.features import MIN_TEXT_TOKENS, Features, build_features
from stance.locations import models_dir
from stance.mentions import find_occurrences
from stance.schema import Actor, Document, Mention, Stance, StanceLabel, Target

TARGET = "Soll die Regierung einer Waffenruhe zustimmen?"
NAMES = ("Götz Tüllinger", "Änne Wröbel")
FILLERS = (
    "Die Bürgermeisterin fordert",
    "ein Tempolimit",
    "„Straße“,",
    "😀😀",
    "—",
    "1.500 €",
    "\n\n",
    "\t",
    "(Häfen)",
)
# Texts in which the names stand alone, in quotes, or beside punctuation.
TEXTS = st.lists(
    st.sampled_from((*FILLERS, *NAMES, f"„{NAMES[0]}“", f"{NAMES[1]}:", f"({NAMES[0]})")),
    min_size=1,
    max_size=120,
).map(" ".join)
few = settings(max_examples=40, deadline=None)


@pytest.fixture(scope="module", params=["tiny", "minilm-de"])
def tokenizer(
    request: pytest.FixtureRequest, tiny_tokenizer: PreTrainedTokenizerFast
) -> PreTrainedTokenizerFast:
    """WordPiece with token types, and the unigram tokenizer of the embedded base model."""
    if request.param == "tiny":
        return tiny_tokenizer
    return AutoTokenizer.from_pretrained(models_dir() / request.param)


def make_byte_tokenizer() -> PreTrainedTokenizerFast:
    """One token a byte, so that an emoji is four."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    tokens = ["[PAD]", "[CLS]", "[SEP]", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    model = Tokenizer(models.BPE(vocab={t: n for n, t in enumerate(tokens)}, merges=[]))
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = decoders.ByteLevel()
    model.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 1), ("[SEP]", 2)],
    )
    return PreTrainedTokenizerFast(tokenizer_object=model, pad_token="[PAD]")


def author() -> Actor:
    return Actor(id="author", name="Kolumnistin", author=True)


def named(text: str, names: Iterable[str] = NAMES) -> tuple[Actor, ...]:
    """Actors with all occurrences of their names in the text."""
    found = find_occurrences(text, {name: [name] for name in names})
    return tuple(Actor(id=name, name=name, mentions=found[name]) for name in names)


def build(
    text: str,
    actors: Sequence[Actor],
    tokenizer: PreTrainedTokenizerFast,
    target: str = TARGET,
    max_tokens: int = 64,
    overlap_tokens: int = 20,
) -> Features:
    document = Document(
        id="d1", text=text, actors=tuple(actors), targets=(Target(id="t1", text=target),)
    )
    (example,) = build_examples([document])
    return build_features(example, tokenizer, max_tokens=max_tokens, overlap_tokens=overlap_tokens)


def decode(tokenizer: Any, features: Features, window: int, start: int, end: int) -> str:
    """The string of some tokens, without spaces, which a tokenizer may set anew."""
    ids = features.windows[window].input_ids[start:end]
    return "".join(tokenizer.decode(ids).split())


def squeeze(text: str) -> str:
    return "".join(text.split())


@few
@given(text=TEXTS)
def test_every_mention_is_in_one_window_and_its_tokens_are_the_name(
    text: str, tokenizer: PreTrainedTokenizerFast
) -> None:
    actors = named(text)
    features = build(text, actors, tokenizer)
    assert len(features.mentions) == sum(len(actor.mentions) for actor in actors)
    for mention in features.mentions:
        name = actors[mention.actor].name
        found = decode(tokenizer, features, mention.window, mention.start, mention.end)
        assert found == squeeze(name)
    assert features.warnings == ()


@few
@given(text=TEXTS)
def test_windows_are_kept_for_their_mentions_and_within_the_limit(
    text: str, tokenizer: PreTrainedTokenizerFast
) -> None:
    features = build(text, named(text), tokenizer)
    assert {mention.window for mention in features.mentions} == set(range(len(features.windows)))
    for number, window in enumerate(features.windows):
        assert len(window.input_ids) == len(window.type_ids) <= 64
        assert decode(tokenizer, features, number, *window.target_span) == squeeze(TARGET)


@few
@given(text=TEXTS)
def test_the_windows_of_an_author_overlap_and_cover_the_text(
    text: str, tokenizer: PreTrainedTokenizerFast
) -> None:
    features = build(text, [author()], tokenizer)
    parts = [window.characters for window in features.windows]
    covered = {position for start, end in parts for position in range(start, end)}
    assert covered >= {n for n, character in enumerate(text) if not character.isspace()}
    for (_, end), (start, _) in pairwise(parts):
        assert start < end
    spans = [(m.window, m.start, m.end) for m in features.mentions]
    assert spans == [(n, *window.text_span) for n, window in enumerate(features.windows)]


@few
@given(text=TEXTS)
def test_a_mention_stands_in_the_window_with_most_text_around_it(
    text: str, tokenizer: PreTrainedTokenizerFast
) -> None:
    actors = (*named(text), author())
    features = build(text, actors, tokenizer)  # the author keeps all windows
    last = len(features.windows) - 1

    def measure_margin(number: int, mention: Mention) -> float:
        start, end = features.windows[number].characters
        before = inf if number == 0 else mention.start - start
        after = inf if number == last else end - mention.end
        return min(before, after)

    chosen = [m.window for m in features.mentions if m.actor < 2]
    mentions = [mention for actor in actors for mention in actor.mentions]
    for window, mention in zip(chosen, mentions, strict=True):
        margins = [measure_margin(number, mention) for number in range(last + 1)]
        assert margins[window] == max(margins) >= 0


def test_the_second_part_of_every_window_has_its_token_type(
    tiny_tokenizer: PreTrainedTokenizerFast,
) -> None:
    text = "Der Verband will die Steuer prüfen. " * 30
    features = build(text, [author()], tiny_tokenizer)
    assert len(features.windows) > 3
    for window in features.windows:
        start, end = window.text_span
        assert set(window.type_ids[:start]) == {0}
        assert set(window.type_ids[start : end + 1]) == {1}


def test_windows_without_a_mention_are_left_out(tokenizer: PreTrainedTokenizerFast) -> None:
    text = "Der Verband will prüfen. " * 60 + NAMES[0] + " ist dafür."
    actors = named(text)
    features = build(text, actors, tokenizer)
    (window,) = features.windows
    assert window.characters[0] > 500
    assert window.characters[1] == len(text)
    (mention,) = features.mentions
    found = decode(tokenizer, features, mention.window, mention.start, mention.end)
    assert found == squeeze(NAMES[0])
    assert len(build(text, [*actors, author()], tokenizer).windows) > 5


def test_an_actor_that_the_text_does_not_mention_has_no_tokens(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    text = f"{NAMES[0]} ist dagegen."
    features = build(text, named(text), tokenizer)
    assert [mention.actor for mention in features.mentions] == [0]
    assert features.author == (False, False)
    assert len(features.labels) == 2
    nobody = build("Niemand ist dagegen.", named("Niemand"), tokenizer)
    assert (nobody.windows, nobody.mentions, nobody.tokens, nobody.longest) == ((), (), 0, 0)


def test_a_short_text_is_one_window_that_counts_its_tokens(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    text = f"{NAMES[0]} ist dafür, {NAMES[1]} dagegen."
    features = build(text, named(text), tokenizer)
    (window,) = features.windows
    assert list(window.input_ids) == tokenizer(TARGET, text)["input_ids"]
    assert features.tokens == features.longest == len(window.input_ids)


def test_a_target_too_long_is_cut_with_a_warning_and_the_text_is_not(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    target = "Soll die Regierung die Steuer prüfen und die Löhne kürzen? " * 20
    text = "Der Verband will die Steuer prüfen. " * 20
    features = build(text, [author()], tokenizer, target=target, max_tokens=96)
    (warning,) = features.warnings
    assert warning.startswith("target cut from ")
    for number, window in enumerate(features.windows):
        assert len(window.input_ids) <= 96
        kept = decode(tokenizer, features, number, *window.target_span)
        assert squeeze(target).startswith(kept)
        assert len(kept) > 50
    assert all(len(w.input_ids) == 96 for w in features.windows[:-1])
    first = features.windows[0].text_span
    assert first[1] - first[0] == MIN_TEXT_TOKENS
    assert features.windows[-1].characters[1] == len(text.rstrip())


def test_a_target_is_not_cut_within_a_character_of_many_tokens() -> None:
    tokenizer = make_byte_tokenizer()
    features = build("Ein Text " * 20, [author()], tokenizer, target="😀" * 40, max_tokens=64)
    assert features.warnings == ("target cut from 160 to 28 tokens",)
    assert decode(tokenizer, features, 0, *features.windows[0].target_span) == "😀" * 7
    assert max(len(window.input_ids) for window in features.windows) == 64
    tight = build("Ein Text", [author()], tokenizer, target="😀", max_tokens=8)
    assert tight.warnings == ("target cut from 4 to 0 tokens",)
    assert tight.longest == 8


def test_a_mention_longer_than_the_overlap_is_read_in_part_with_a_warning(
    tiny_tokenizer: PreTrainedTokenizerFast,
) -> None:
    filler, name = "Der Verband will prüfen. " * 8, "Verband der Häfen und der Straße " * 8
    text = filler + name + filler
    actor = Actor(id="a1", name="Verband", mentions=(Mention(start=200, end=200 + len(name)),))
    features = build(text, [actor], tiny_tokenizer, overlap_tokens=4)
    assert len(features.mentions) == 1
    (warning,) = features.warnings
    assert f"mention 200..{200 + len(name)} is longer" in warning


@pytest.mark.parametrize("text", ["", " ", "\n\t \n"])
def test_a_text_without_words_has_no_windows(text: str, tokenizer: PreTrainedTokenizerFast) -> None:
    features = build(text, [author()], tokenizer)
    assert (features.windows, features.mentions) == ((), ())


def test_a_text_of_emoji_is_read(tokenizer: PreTrainedTokenizerFast) -> None:
    text = "😀 🏳️‍🌈 👍🏽 " * 40
    mention = Mention(start=2, end=8)
    actors = [author(), Actor(id="a1", name="Regenbogen", mentions=(mention,))]
    features = build(text, actors, tokenizer)
    assert {m.actor for m in features.mentions} == {0, 1}
    assert features.warnings == ()


def test_a_mention_of_white_space_has_a_warning(tokenizer: PreTrainedTokenizerFast) -> None:
    text = f"{NAMES[0]}   ist dafür."
    actor = Actor(id="a1", name="Lücke", mentions=(Mention(start=15, end=16),))
    features = build(text, [actor, *named(text)], tokenizer)
    assert features.warnings == ("mention 15..16 has no token",)
    assert {mention.actor for mention in features.mentions} == {1}


def test_the_least_number_of_tokens_works_and_one_less_is_refused(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    least = 2 * tokenizer.num_special_tokens_to_add(pair=True) + 1
    text = f"{NAMES[0]} ist dafür."
    features = build(text, [author()], tokenizer, max_tokens=least)
    assert features.longest == least
    assert features.windows[-1].characters[1] == len(text)
    with pytest.raises(ValueError, match=rf"max_tokens={least - 1} .* at least {least}"):
        build(text, [author()], tokenizer, max_tokens=least - 1)


def test_a_mention_brings_its_sentence_along(tokenizer: PreTrainedTokenizerFast) -> None:
    text = "Frauke schwieg. Am 3. Mai lehnte Holm den Bau ab. Alle gingen."
    start = text.index("Holm")
    holm = Actor(id="a1", name="Holm", mentions=(Mention(start=start, end=start + 4),))
    document = Document(
        id="d", text=text, actors=(holm, author()), targets=(Target(id="t", text=TARGET),)
    )
    (example,) = build_examples([document])
    features = build_features(example, tokenizer, max_tokens=128, overlap_tokens=16)
    named, whole = features.mentions
    assert named.sentence is not None
    words = tokenizer.decode(features.windows[0].input_ids[slice(*named.sentence)])
    expected = tokenizer.decode(tokenizer("Am 3. Mai lehnte Holm den Bau ab.")["input_ids"][1:-1])
    assert words == expected
    assert whole.sentence is None


def test_evidence_has_the_tokens_of_its_words(tokenizer: PreTrainedTokenizerFast) -> None:
    text = "Götz Tüllinger fordert ein Tempolimit. " * 30 + "Änne Wröbel ist dagegen."
    at = text.index("ist dagegen")
    stances = (
        Stance(actor="a0", target="t1", label=StanceLabel.FAVOR),
        Stance(
            actor="a1",
            target="t1",
            label=StanceLabel.AGAINST,
            evidence=(Mention(start=at, end=at + len("ist dagegen")),),
        ),
    )
    document = Document(
        id="d",
        text=text,
        actors=tuple(
            actor.model_copy(update={"id": f"a{n}"}) for n, actor in enumerate(named(text))
        ),
        targets=(Target(id="t1", text=TARGET),),
        stances=stances,
    )
    (example,) = build_examples([document])
    features = build_features(example, tokenizer, max_tokens=64, overlap_tokens=16)
    (piece,) = features.evidence
    assert piece.actor == 1
    assert piece.window == len(features.windows) - 1
    decoded = decode(tokenizer, features, piece.window, piece.start, piece.end)
    assert squeeze(decoded) == squeeze("ist dagegen")
