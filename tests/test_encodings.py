from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from stance.encodings import DocumentError, detect_encoding

TEXT = "Grüße aus Köln – „schön“, sagt Öz.\r\nZweite Zeile: 5 €.\n"


def write(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("cp1252", "cp1252"),
        ("utf-16", "utf-16"),
        ("utf-32", "utf-32"),
    ],
)
def test_encodings_are_told_apart_and_the_text_survives(
    tmp_path: Path, encoding: str, expected: str
) -> None:
    path = write(tmp_path, TEXT.encode(encoding))
    assert detect_encoding(path) == expected
    with path.open(encoding=detect_encoding(path), newline="") as file:
        assert file.read() == TEXT


def test_big_endian_utf16_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"))
    assert path.read_text(encoding=detect_encoding(path)).startswith("Grüße")


def test_a_late_byte_decides_too(tmp_path: Path) -> None:
    assert detect_encoding(write(tmp_path, b"a\n" * (1 << 20) + b"K\xf6ln")) == "cp1252"


def test_damaged_utf8_is_not_taken_for_windows_1252(tmp_path: Path) -> None:
    path = write(tmp_path, "Köln\nBonn\n".encode() + b"K\xf6ln")
    with pytest.raises(DocumentError, match=r"a\.txt, line 3: not valid utf-8 .*0xf6") as caught:
        detect_encoding(path)
    assert (caught.value.file, caught.value.line) == (str(path), 3)


@pytest.mark.parametrize("content", [b"Text\n\0\0", b"K\xf6ln \x81"])
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DocumentError, match=r"save .* as UTF-8"):
        detect_encoding(write(tmp_path, content))


def test_a_missing_file_is_an_error_of_the_same_kind(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="cannot be read"):
        detect_encoding(tmp_path / "no.txt")


def test_an_error_says_where() -> None:
    error = DocumentError("is missing", Path("x.jsonl"), 3, "actors[0].id")
    assert str(error) == "x.jsonl, line 3, field actors[0].id: is missing"
    assert str(DocumentError("is bad", "x.parquet", 2)) == "x.parquet, row 2: is bad"
    assert str(DocumentError("is bad")) == "is bad"
