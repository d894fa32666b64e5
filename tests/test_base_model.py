"""The embedded base model, as a user loads it, and the script that builds it."""

from __future__ import annotations

import importlib.util
import json
import struct
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

ROOT = Path(__file__).parent.parent
BASE = ROOT / "models" / "minilm-de"

NEWS = (
    "Außenministerin Käthe Öllers fordert schärfere Maßnahmen gegen Übergriffe. „Wir müssen "
    "größere Anstrengungen unternehmen“, sagte sie am 4. April in Köln – trotz 3,5 % Inflation."
)


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(BASE)


@pytest.fixture(scope="module")
def model():
    return AutoModel.from_pretrained(BASE, add_pooling_layer=False).eval()


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = ROOT / "scripts" / "build_base_model.py"
    spec = importlib.util.spec_from_file_location("build_base_model", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


def test_model_and_tokenizer_fit_together(model, tokenizer):
    assert model.config.vocab_size == len(tokenizer)
    assert model.get_input_embeddings().weight.shape == (len(tokenizer), 384)
    assert model.dtype == torch.float32
    assert all(torch.isfinite(weight).all() for weight in model.parameters())
    assert tokenizer.model_max_length == model.config.max_position_embeddings
    assert model.config.pad_token_id == tokenizer.pad_token_id


def test_every_weight_comes_from_the_file():
    _, loading = AutoModel.from_pretrained(BASE, add_pooling_layer=False, output_loading_info=True)
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]


def test_weights_are_small_enough_for_git():
    assert (BASE / "model.safetensors").stat().st_size < 65_000_000


def test_offsets_are_those_of_the_words(tokenizer):
    encoding = tokenizer(NEWS, return_offsets_mapping=True)
    for piece, (start, end) in zip(encoding.tokens(), encoding["offset_mapping"], strict=True):
        if piece != "▁" and piece not in tokenizer.all_special_tokens:
            assert NEWS[start:end] == piece.removeprefix("▁")
    name = NEWS.index("Öllers")
    first, last = encoding.char_to_token(name), encoding.char_to_token(name + len("Öllers") - 1)
    assert encoding["offset_mapping"][first][0] == name
    assert encoding["offset_mapping"][last][1] == name + len("Öllers")


def test_offsets_of_decomposed_umlauts_and_runs_of_spaces(tokenizer):
    text = "Die  A\u0308rzte\n\nwarnen"
    encoding = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
    assert tokenizer.decode(encoding["input_ids"]) == "Die Ärzte warnen"
    spans = encoding["offset_mapping"]
    assert "".join(text[a:b] for a, b in spans) == "DieA\u0308rztewarnen"


@pytest.mark.parametrize(
    "text",
    [
        NEWS,
        "äöüÄÖÜß",
        "Straßenbahn-Überführung",
        "Er sagte: ‚Nein‘ – und ging …",
        "Łódź, Českỳ, Ñ",
    ],
)
def test_german_text_survives_the_tokenizer(tokenizer, text):
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.unk_token_id not in ids
    # A full stop at the end of an ellipsis character is NFKC's doing.
    assert tokenizer.decode(ids) == text.replace("…", "...")


def test_pair_is_laid_out_as_in_xlm_r(tokenizer):
    ids = tokenizer("Er stimmt zu.", "Sie lehnt ab.")["input_ids"]
    assert [i for i in ids if i in (0, 2)] == [0, 2, 2, 2]
    assert (ids[0], ids[-1]) == (0, 2)
    assert tokenizer.convert_ids_to_tokens([0, 1, 2, 3]) == ["<s>", "<pad>", "</s>", "<unk>"]
    assert tokenizer.mask_token_id == len(tokenizer) - 1


@pytest.mark.parametrize("text", ["😀👍🏽🇩🇪", "", " ", "漢字", "\u200b\ufeff", "\U0001fae8"])
def test_odd_text_is_no_problem(model, tokenizer, text):
    with torch.inference_mode():
        hidden = model(**tokenizer(text, return_tensors="pt")).last_hidden_state
    assert hidden.shape[1] >= 2
    assert torch.isfinite(hidden).all()


def test_close_sentences_are_closer_than_unrelated_ones(model, tokenizer):
    sentences = [
        "query: Auf Autobahnen soll ein Tempolimit eingeführt werden.",
        "query: Die Höchstgeschwindigkeit auf Fernstraßen soll begrenzt werden.",
        "query: Im Ofen wird der Kuchen eine Stunde lang gebacken.",
    ]
    batch = tokenizer(sentences, padding=True, return_tensors="pt")
    with torch.inference_mode():
        hidden = model(**batch).last_hidden_state
    mask = batch["attention_mask"][:, :, None]
    vectors = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)
    limit, close, cake = vectors
    assert limit @ close > limit @ cake + 0.05


def test_card_tells_origin_and_check():
    card = (BASE / "README.md").read_text(encoding="utf-8")
    assert "multilingual-e5-small" in card
    assert "license: mit" in card
    size = json.loads((BASE / "config.json").read_text())["vocab_size"]
    assert f"{size:,}" in card


def test_blocks_of_four_bits_are_restored(script):
    # Byte j holds weight j (low half) and weight j + 16 (high half); 8 is zero.
    block = np.frombuffer(np.float16(0.5).tobytes() + bytes([0x80 + 9] + [0x08] * 15), np.uint8)
    matrix = script.dequantise(np.concatenate([block, block]), columns=32)
    assert matrix.shape == (2, 32)
    expected = np.array([0.5] + [0.0] * 16 + [-4.0] * 15, np.float32)
    np.testing.assert_array_equal(matrix, np.stack([expected, expected]))


def test_specials_used_pieces_and_characters_stay(script):
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "▁der", "▁the", "ß", "漢", "€", "▁und", "<mask>"]
    kept = script.choose_pieces(pieces, used=[9, 4, 4])
    assert [pieces[i] for i in kept] == [*pieces[:4], "▁der", "ß", "€", "▁und", "<mask>"]
    with pytest.raises(ValueError, match="<s>"):
        script.choose_pieces(pieces[1:], used=[])


def test_texts_come_from_all_formats(script, tmp_path):
    (tmp_path / "a.txt").write_text("Über alles\n", encoding="utf-8")
    (tmp_path / "b.jsonl").write_text('{"id": "n1", "text": "Ein Satz"}\n', encoding="utf-8")
    (tmp_path / "c.json").write_text('[{"x": ["Noch einer"]}]', encoding="utf-8-sig")
    (tmp_path / "d.bin").write_bytes(b"\xff")
    assert script.read_texts(tmp_path) == ["Über alles", "Ein Satz", "Noch einer"]
    (tmp_path / "e.jsonl").write_text("{broken\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"e\.jsonl"):
        script.read_texts(tmp_path)
    with pytest.raises(ValueError, match="no such file"):
        script.read_texts(tmp_path / "missing")


@pytest.mark.parametrize("content", [b"GGUF", b"E5S1" + struct.pack("<I", 1) + bytes(10)])
def test_a_file_that_is_no_packed_model_is_named(script, tmp_path, content):
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.bin"):
        script.read_packed_model(path)
