"""The model gives each actor the same verdict whatever else is in the batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from stance.attribution import compute_evidence_loss, start_near
from stance.batching import collate_examples
from stance.examples import build_examples
from stance.features import Features, build_features
from stance.model import StanceConfig, StanceModel, check_positions
from stance.schema import Actor, Document, Mention, Target

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerFast

ARCHITECTURES = ("bert", "xlm-roberta", "deberta-v2", "modernbert")
TEXT = (
    "Frauke Ömmelbach fordert ein Tempolimit. Götz Tüllinger lehnt das Tempolimit ab. "
    "Ömmelbach sagte, die Straße sei gefährlich."
)


def make_document(text: str, names: tuple[str, ...], author: bool = False) -> Document:
    actors = [
        Actor(
            id=name,
            name=name,
            mentions=tuple(
                Mention(start=at, end=at + len(name))
                for at in range(len(text))
                if text.startswith(name, at)
            ),
        )
        for name in names
    ]
    if author:
        actors.append(Actor(id="author", name="Redaktion", author=True))
    target = Target(id="t1", text="Das Tempolimit soll kommen.")
    return Document(id="d", text=text, actors=tuple(actors), targets=(target,))


@pytest.fixture
def encode(tiny_tokenizer: PreTrainedTokenizerFast) -> Callable[[Document], Features]:
    def build(document: Document) -> Features:
        (example,) = build_examples([document])
        return build_features(example, tiny_tokenizer, max_tokens=64, overlap_tokens=16)

    return build


def build_model(encoder_config: PreTrainedConfig, word_attention: bool = True) -> StanceModel:
    torch.manual_seed(1)
    encoder = encoder_config.to_dict()
    return StanceModel(
        StanceConfig(encoder=encoder, max_tokens=64, word_attention=word_attention)
    ).eval()


@pytest.mark.parametrize("word_attention", [False, True])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_padding_and_company_do_not_change_an_actor(
    architecture: str,
    word_attention: bool,
    tiny_encoder_config: Callable[[str], PreTrainedConfig],
    encode: Callable[[Document], Features],
) -> None:
    model = build_model(tiny_encoder_config(architecture), word_attention)
    short = encode(make_document("Ömmelbach ist dafür.", ("Ömmelbach",)))
    long = encode(make_document(TEXT, ("Ömmelbach", "Tüllinger"), author=True))
    with torch.no_grad():
        alone = model(**collate_examples([short], 0)).logits
        first = model(**collate_examples([short, long], 0)).logits
        second = model(**collate_examples([long, short], 0)).logits
    torch.testing.assert_close(first[:1], alone, rtol=0, atol=1e-5)
    torch.testing.assert_close(second[-1:], alone, rtol=0, atol=1e-5)
    torch.testing.assert_close(second[:3], first[1:], rtol=0, atol=1e-5)


def test_actors_of_a_text_together_or_alone_get_the_same(
    tiny_encoder_config: Callable[[str], PreTrainedConfig],
    encode: Callable[[Document], Features],
) -> None:
    model = build_model(tiny_encoder_config("bert"))
    names = ("Ömmelbach", "Tüllinger")
    with torch.no_grad():
        together = model(**collate_examples([encode(make_document(TEXT, names))], 0)).logits
        alone = [
            model(**collate_examples([encode(make_document(TEXT, (name,)))], 0)).logits
            for name in names
        ]
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=1e-5)
    assert not torch.allclose(together[0], together[1]), "each actor has a verdict of its own"


def test_all_windows_of_a_text_count(
    tiny_encoder_config: Callable[[str], PreTrainedConfig],
    encode: Callable[[Document], Features],
) -> None:
    model = build_model(tiny_encoder_config("bert"))
    filler = "Der Fährverein will die Straße ausbauen. " * 12
    long = make_document(TEXT + filler + "Ömmelbach ist nun dagegen.", ("Ömmelbach",))
    features = encode(long)
    assert len(features.windows) > 1
    mentions = long.actors[0].mentions
    without_last = long.model_copy(
        update={"actors": (long.actors[0].model_copy(update={"mentions": mentions[:-1]}),)}
    )
    with torch.no_grad():
        whole = model(**collate_examples([features], 0)).logits
        part = model(**collate_examples([encode(without_last)], 0)).logits
    assert not torch.allclose(whole, part, atol=1e-6)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_saved_and_loaded_model_is_the_same(
    architecture: str,
    tiny_encoder_config: Callable[[str], PreTrainedConfig],
    encode: Callable[[Document], Features],
    tmp_path: Path,
) -> None:
    model = build_model(tiny_encoder_config(architecture))
    # A new model's attention starts near the mention; what it learned is kept.
    torch.testing.assert_close(model.words.from_sentence.data, start_near())
    with torch.no_grad():
        model.words.from_mention[0] = 0.7
    model.save_pretrained(tmp_path)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".safetensors"]
    loaded = StanceModel.from_pretrained(tmp_path).eval()
    batch = collate_examples([encode(make_document(TEXT, ("Ömmelbach", "Tüllinger")))], 0)
    with torch.no_grad():
        torch.testing.assert_close(loaded(**batch).logits, model(**batch).logits)
    assert loaded.words.from_mention[0].item() == pytest.approx(0.7)
    assert loaded.config.id2label == {0: "favor", 1: "against", 2: "neutral", 3: "none"}


def test_unlabelled_pairs_do_not_count_in_the_loss(
    tiny_encoder_config: Callable[[str], PreTrainedConfig],
    encode: Callable[[Document], Features],
) -> None:
    model = build_model(tiny_encoder_config("bert"))
    batch = collate_examples([encode(make_document(TEXT, ("Ömmelbach", "Tüllinger")))], 0)
    batch["labels"] = torch.tensor([1, -100])
    with torch.no_grad():
        output = model(**batch)
        expected = torch.nn.functional.cross_entropy(output.logits[:1], torch.tensor([1]))
    torch.testing.assert_close(output.loss, expected)


def test_weights_of_the_encoder_are_taken_and_embeddings_can_be_frozen(
    tiny_encoder_dir: Path,
) -> None:
    from transformers import AutoModel

    base = AutoModel.from_pretrained(tiny_encoder_dir)
    model = StanceModel.from_encoder(
        tiny_encoder_dir, max_tokens=64, dropout=0.3, freeze_embeddings=True
    )
    key = "encoder.layer.1.output.dense.weight"
    torch.testing.assert_close(model.encoder.state_dict()[key], base.state_dict()[key])
    assert model.encoder.config.hidden_dropout_prob == 0.3
    assert not model.encoder.get_input_embeddings().weight.requires_grad
    assert model.classifier.weight.requires_grad


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_first_layers_can_be_frozen(
    architecture: str,
    tiny_encoder_config: Callable[[str], PreTrainedConfig],
    encode: Callable[[Document], Features],
) -> None:
    model = build_model(tiny_encoder_config(architecture))
    model.freeze_layers(1)
    batch = collate_examples([encode(make_document(TEXT, ("Ömmelbach",)))], 0)
    model(**(batch | {"labels": torch.tensor([1])})).loss.backward()
    learning = {n for n, p in model.encoder.named_parameters() if p.grad is not None}
    assert learning
    assert not any("embeddings" in name for name in learning)
    assert not any(".0." in name for name in learning)
    assert any(".1." in name for name in learning)
    with pytest.raises(ValueError, match="freeze_layers is 3; the encoder has 2 layers"):
        model.freeze_layers(3)


def test_evidence_counts_in_the_loss_where_it_is_weighed(
    tiny_encoder_config: Callable[[str], PreTrainedConfig],
    encode: Callable[[Document], Features],
) -> None:
    model = build_model(tiny_encoder_config("bert"))
    batch = collate_examples([encode(make_document(TEXT, ("Ömmelbach",)))], 0)
    batch["labels"] = torch.tensor([1])
    start, _ = batch["text_spans"][0].tolist()
    batch["evidence_spans"] = torch.tensor([[0, start, start + 2]])
    with torch.no_grad():
        plain = model(**batch).loss
        model.evidence_weight = 0.5
        weighed = model(**batch).loss
        none_given = batch | {"evidence_spans": torch.zeros(0, 3, dtype=torch.long)}
        without = model(**none_given).loss
        expected = compute_evidence_loss(
            model.encode_mentions(
                *(batch[n] for n in ("input_ids", "attention_mask", "target_spans")),
                batch["text_spans"],
                batch["mention_spans"],
                batch["token_type_ids"],
            )[1],
            torch.tensor([[0, start, start + 2]]),
        )
    torch.testing.assert_close(weighed - plain, 0.5 * expected)
    torch.testing.assert_close(without, plain)


def test_windows_longer_than_the_positions_are_an_error(
    tiny_encoder_config: Callable[[str], PreTrainedConfig],
) -> None:
    with pytest.raises(ValueError, match="max_tokens=513 is more than the 512 positions"):
        check_positions(tiny_encoder_config("bert"), 513)
    check_positions(tiny_encoder_config("bert"), 512)
    # XLM-R numbers its positions from the padding id on: the first of these 514 is not used
    check_positions(tiny_encoder_config("xlm-roberta"), 513)
    with pytest.raises(ValueError, match="the 513 positions"):
        check_positions(tiny_encoder_config("xlm-roberta"), 514)


def test_half_precision_trains_and_reads_as_full_precision_does(
    tiny_encoder_config: Callable[[str], PreTrainedConfig],
    encode: Callable[[Document], Features],
) -> None:
    model = build_model(tiny_encoder_config("bert"))
    model.evidence_weight = 0.5
    batch = collate_examples([encode(make_document(TEXT, ("Ömmelbach", "Tüllinger")))], 0)
    batch |= {"labels": torch.tensor([0, 1]), "evidence_spans": batch["mention_spans"][:1, :3]}
    full = model(**batch)
    with torch.autocast("cpu", torch.bfloat16):
        half = model(**batch)
        half.loss.backward()
    torch.testing.assert_close(half.logits.float(), full.logits, rtol=0, atol=0.05)
    assert model.words.key.weight.grad is not None
