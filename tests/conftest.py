"""Fixtures that several test files use: a tiny tokenizer, tiny encoders, the outside data."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerFast

CHECKOUT = Path(__file__).resolve().parent.parent
MAX_TOKENS = 512

SENTENCES = (
    "Die Bürgermeisterin Frauke Ömmelbach fordert ein Tempolimit auf der Küstenstraße.",
    "Der Fährverein lehnt das Tempolimit ab und will die Straße ausbauen.",
    "Landrat Götz Tüllinger wägt ab: Es gebe Gründe dafür und dagegen.",
    "Frauke Ömmelbach sagte, der Ausbau der Häfen koste zu viel Geld.",
    "Ministerin Änne Wröbel unterstützt den Bau der Brücke über die Möhne.",
    "Die Gewerkschaft stimmte gegen den Vorschlag, die Löhne zu kürzen.",
    "Der Verband äußerte sich nicht zu der Frage, ob die Steuer steigen soll.",
    "Soll die Regierung einer Waffenruhe zustimmen? Tüllinger ist dafür, Wröbel dagegen.",
    "Die Partei will die Pläne prüfen und enthielt sich am Montag im Parlament.",
)


@pytest.fixture(scope="session")
def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """A WordPiece tokenizer of a few German sentences, in the layout of German BERT.

    Case and umlauts are kept, ``[CLS] a [SEP] b [SEP]`` is the template of a pair, and the second
    part has token type 1 if a caller asks for token types (unasked they are left out, as by the
    tokenizer of XLM-R, so that it serves every tiny encoder).
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=400, special_tokens=special, show_progress=False, min_frequency=1
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=MAX_TOKENS,
        model_input_names=["input_ids", "attention_mask"],
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )


@pytest.fixture(scope="session")
def tiny_encoder_config(
    tiny_tokenizer: PreTrainedTokenizerFast,
) -> Callable[[str], PreTrainedConfig]:
    """A function from an architecture's name to the config of a tiny encoder of it.

    Two layers, 32 wide, with the vocabulary of ``tiny_tokenizer`` and what sets the architecture
    apart from BERT: no token types in XLM-R, relative positions in DeBERTa, local attention in
    every second layer of ModernBERT.
    """
    from transformers import AutoConfig

    common = {
        "vocab_size": len(tiny_tokenizer),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": MAX_TOKENS,
        "pad_token_id": tiny_tokenizer.pad_token_id,
        "cls_token_id": tiny_tokenizer.cls_token_id,
        "sep_token_id": tiny_tokenizer.sep_token_id,
        "bos_token_id": tiny_tokenizer.cls_token_id,
        "eos_token_id": tiny_tokenizer.sep_token_id,
    }
    special: dict[str, dict[str, Any]] = {
        "bert": {"type_vocab_size": 2},
        # positions count from the padding id plus one
        "xlm-roberta": {"type_vocab_size": 1, "max_position_embeddings": MAX_TOKENS + 2},
        "deberta-v2": {
            "type_vocab_size": 0,
            "relative_attention": True,
            "max_relative_positions": -1,
            "position_buckets": 32,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "pos_att_type": ["p2c", "c2p"],
            "position_biased_input": False,
        },
        "modernbert": {"local_attention": 16, "global_attn_every_n_layers": 2},
    }

    def build(architecture: str) -> PreTrainedConfig:
        return AutoConfig.for_model(architecture, **(common | special[architecture]))

    return build


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The directory of corpora that stay outside the repository."""
    path = Path(os.environ.get("STANCE_DATA_DIR", CHECKOUT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"no outside corpora at {path}; point STANCE_DATA_DIR to them")
    return path


@pytest.fixture(scope="session")
def tiny_stance_model_dir(
    tiny_tokenizer: PreTrainedTokenizerFast,
    tiny_encoder_config: Callable[[str], PreTrainedConfig],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The directory of a stance model with random weights."""
    import torch

    from stance.model import StanceConfig, StanceModel

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("tiny-stance")
    encoder = tiny_encoder_config("bert").to_dict()
    StanceModel(StanceConfig(encoder=encoder, max_tokens=128, overlap_tokens=24)).save_pretrained(
        path
    )
    tiny_tokenizer.save_pretrained(path)
    return path


@pytest.fixture(scope="session")
def tiny_encoder_dir(
    tiny_tokenizer: PreTrainedTokenizerFast,
    tiny_encoder_config: Callable[[str], PreTrainedConfig],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The directory of a plain BERT encoder with random weights, as a base model."""
    import torch
    from transformers import AutoModel

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("tiny-encoder")
    AutoModel.from_config(tiny_encoder_config("bert")).save_pretrained(path)
    tiny_tokenizer.save_pretrained(path)
    return path
