from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from stance.actor_tagging import (
    KINDS,
    TAGS,
    ActorTagger,
    TaggerSettings,
    TagLogits,
    TextTagger,
    build_text_windows,
    decode_mentions,
    load_tagger,
    save_tagger,
    share_lower_layers,
    split_words,
    start_from_encoder,
)
from stance.model import StanceConfig, StanceModel
from stance.runtime import choose_runtime

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerFast

ARCHITECTURES = ("bert", "xlm-roberta", "deberta-v2", "modernbert")
TEXT = "Die Bürgermeisterin Frauke Ömmelbach fordert ein Tempolimit. Der Fährverein lehnt es ab."
SETTINGS = TaggerSettings(shared_layers=1, own_layers=1)


@pytest.fixture
def make_model(
    tiny_encoder_config: Callable[[str], PreTrainedConfig],
) -> Callable[..., StanceModel]:
    def build(architecture: str = "bert", max_tokens: int = 128) -> StanceModel:
        torch.manual_seed(0)
        encoder = tiny_encoder_config(architecture).to_dict()
        return StanceModel(StanceConfig(encoder=encoder, max_tokens=max_tokens)).eval()

    return build


def make_tagger(model: StanceModel) -> ActorTagger:
    torch.manual_seed(1)
    return ActorTagger(model.config.encoder_config(), SETTINGS).eval()


def test_words_keep_hyphens_and_decomposed_umlauts_together() -> None:
    text = "Ann-Kathrin O’Lea (FVO\u0308) sagte: „Nein!“"
    assert [text[start:end] for start, end in split_words(text)] == [
        "Ann-Kathrin", "O’Lea", "(", "FVO\u0308", ")", "sagte", ":", "„", "Nein", "!", "“",
    ]  # fmt: skip


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_tags_every_word(
    architecture: str,
    make_model: Callable[..., StanceModel],
    tiny_tokenizer: PreTrainedTokenizerFast,
) -> None:
    model = make_model(architecture)
    tagger = make_tagger(model)
    start_from_encoder(tagger, model)
    text_tagger = TextTagger(model, tagger, tiny_tokenizer, choose_runtime("cpu"))
    (logits,) = text_tagger.tag_texts([TEXT])
    assert logits.tags.shape == (len(split_words(TEXT)), TAGS)
    assert bool((logits.tags.abs().sum(dim=1) > 0).all())
    assert logits.names.isfinite().all()


def test_a_text_alone_and_among_longer_ones_gets_the_same_tags(
    make_model: Callable[..., StanceModel], tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    model = make_model()
    tagger = TextTagger(model, make_tagger(model), tiny_tokenizer, choose_runtime("cpu"))
    (alone,) = tagger.tag_texts([TEXT])
    others = tagger.tag_texts(["", f"{TEXT} {TEXT} {TEXT}", TEXT])
    torch.testing.assert_close(others[2].tags, alone.tags, atol=1e-5, rtol=0)
    assert len(others[0].tags) == 0


def test_a_long_text_is_read_in_windows_that_have_every_word_once(
    make_model: Callable[..., StanceModel], tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    text = " ".join([TEXT] * 12)
    words = split_words(text)
    windows = build_text_windows(text, words, tiny_tokenizer, 48)
    assert len(windows) > 3
    assert sorted(word for window in windows for word in window.words) == list(range(len(words)))
    assert all(len(window.input_ids) <= 48 for window in windows)


def test_the_tagger_reads_the_lower_layers_of_the_model_itself(
    make_model: Callable[..., StanceModel],
) -> None:
    model = make_model()
    lower = share_lower_layers(model, 1)
    shared = lower.state_dict()["encoder.layer.0.output.dense.weight"]
    own = model.encoder.state_dict()["encoder.layer.0.output.dense.weight"]
    assert shared.data_ptr() == own.data_ptr()
    with pytest.raises(ValueError, match="the encoder has 2"):
        share_lower_layers(model, 3)


def test_the_taggers_layers_begin_as_the_next_ones_of_the_encoder(
    make_model: Callable[..., StanceModel],
) -> None:
    model = make_model()
    tagger = make_tagger(model)
    start_from_encoder(tagger, model)
    torch.testing.assert_close(
        tagger.layers.state_dict()["encoder.layer.0.output.dense.weight"],
        model.encoder.state_dict()["encoder.layer.1.output.dense.weight"],
    )


def test_a_saved_tagger_reads_as_before(
    tmp_path: Path,
    make_model: Callable[..., StanceModel],
    tiny_tokenizer: PreTrainedTokenizerFast,
) -> None:
    model = make_model()
    tagger = make_tagger(model)
    save_tagger(tagger, tmp_path, {"actor_mention_f1": 0.5}, {"steps": 3})
    loaded = load_tagger(tmp_path, model)
    runtime = choose_runtime("cpu")
    (before,) = TextTagger(model, tagger, tiny_tokenizer, runtime).tag_texts([TEXT])
    (after,) = TextTagger(model, loaded, tiny_tokenizer, runtime).tag_texts([TEXT])
    torch.testing.assert_close(before.tags, after.tags, atol=0.02, rtol=0.02)


def test_a_model_without_a_tagger_says_what_to_do(
    tmp_path: Path, make_model: Callable[..., StanceModel]
) -> None:
    with pytest.raises(FileNotFoundError, match="stance-train-tagger"):
        load_tagger(tmp_path, make_model())


def make_logits(text: str, tags: dict[str, int], names: set[str]) -> TagLogits:
    words = split_words(text)
    table = torch.zeros(len(words), TAGS)
    named = torch.full((len(words),), -5.0)
    for number, (start, end) in enumerate(words):
        word = text[start:end]
        table[number, tags.get(word, 0)] = 9.0
        named[number] = 5.0 if word in names else -5.0
    return TagLogits(table, named, torch.zeros(len(words), 4))


def test_tags_become_mentions_with_names_and_kinds() -> None:
    person, group = KINDS.index("person"), KINDS.index("group")
    tags = {"Die": 1, "Bürgermeisterin": 2, "Frauke": 2, "Ömmelbach": 2, "Anwohner": 1 + 2 * group}
    text = "Die Bürgermeisterin Frauke Ömmelbach traf Anwohner."
    first, second = decode_mentions(
        text, split_words(text), make_logits(text, tags, {"Frauke", "Ömmelbach"})
    )
    assert person == 0
    assert text[first.start : first.end] == "Die Bürgermeisterin Frauke Ömmelbach"
    assert first.name is not None
    assert text[slice(*first.name)] == "Frauke Ömmelbach"
    assert (first.kind, second.kind) == ("person", "group")
    assert (text[second.start : second.end], second.name) == ("Anwohner", None)


@pytest.mark.parametrize(
    ("chances", "expected"),
    [
        # What the article begins goes on although each word alone is rather outside.
        (
            {"der": (0.2, 0.8, 0), "Hafenbund": (0.5, 0.1, 0.4), "Mark": (0.6, 0, 0.4)},
            "der Hafenbund",
        ),
        # A mention does not begin inside.
        ({"Hafenbund": (0.45, 0, 0.55)}, None),
        ({"Hafenbund": (0.2, 0.3, 0.5), "Mark": (0.2, 0, 0.8)}, "Hafenbund Mark"),
        ({"der": (0.4, 0.6, 0)}, None),
    ],
)
def test_tags_are_chosen_together(
    chances: dict[str, tuple[float, float, float]], expected: str | None
) -> None:
    text = "Das sagte der Hafenbund Mark gestern."
    words = split_words(text)
    table = torch.zeros(len(words), TAGS)
    for number, (start, end) in enumerate(words):
        table[number, :3] = torch.tensor(chances.get(text[start:end], (1, 0, 0)))
    logits = TagLogits(table.log(), torch.full((len(words),), -5.0), torch.zeros(len(words), 4))
    found = [text[m.start : m.end] for m in decode_mentions(text, words, logits)]
    assert found == ([expected] if expected else [])


def test_a_text_without_words_has_no_mentions() -> None:
    logits = TagLogits(torch.zeros(0, TAGS), torch.zeros(0), torch.zeros(0, 4))
    assert decode_mentions(" ", [], logits) == []


def test_a_genitive_s_stays_outside_where_the_name_occurs_without_it() -> None:
    text = "Holm kam. Holms Rede war kurz, Jens lachte."
    mentions = decode_mentions(
        text, split_words(text), make_logits(text, {"Holm": 1, "Holms": 1, "Jens": 1}, {"Holms"})
    )
    assert [text[m.start : m.end] for m in mentions] == ["Holm", "Holm", "Jens"]
    assert mentions[1].name == (mentions[1].start, mentions[1].end)


def test_a_mention_does_not_end_with_a_comma() -> None:
    text = "Die Rektorin, Ada Holm, kam."
    logits = make_logits(
        text, {"Die": 1, "Rektorin": 2, ",": 2, "Ada": 1, "Holm": 2}, {"Ada", "Holm"}
    )
    mentions = decode_mentions(text, split_words(text), logits)
    assert [text[m.start : m.end] for m in mentions] == ["Die Rektorin", "Ada Holm"]


@pytest.mark.parametrize("field", ["shared_layers", "own_layers"])
def test_layers_must_be_a_number_from_one_up(field: str) -> None:
    with pytest.raises(ValueError, match=f"{field} is 0"):
        TaggerSettings(**{field: 0})
