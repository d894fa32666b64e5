"""Text files in the encodings that German text comes in, and the error that says where it broke.

Only strict decoding is used: a file is UTF-8 (with or without byte order mark), UTF-16 or UTF-32
with byte order mark, or Windows-1252, or it is refused. A file may be packed, as its name says by
``.gz`` or ``.zst`` at the end.
"""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from pathlib import Path
from typing import IO, cast

PACKED_ENDINGS = (".gz", ".zst")
"""What the names of packed files end in, after the ending that says what they hold."""

_BLOCK_BYTES = 1 << 20
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What umlauts, quotation marks and dashes are in UTF-8. Windows-1252 reads them as "Ã¤" or "â€œ",
# which no text contains, so a file that has them and is not valid UTF-8 is a damaged UTF-8 file.
_UTF8_TRACE = re.compile(rb"\xc3[\x80-\xbf]|\xe2\x80[\x80-\xbf]")


class DocumentError(ValueError):
    """Input that cannot be read: says where it is, what is wrong, and what would be right.

    Attributes:
        file: the file, or None for a record that comes from none.
        line: the line in the file, counted from 1 (in a Parquet file: the row), or None.
        field: the path of the field, such as ``actors[1].mentions[0]``, or None.
    """

    def __init__(
        self,
        problem: str,
        file: str | Path | None = None,
        line: int | None = None,
        field: str | None = None,
    ) -> None:
        self.file = None if file is None else str(file)
        self.line = line
        self.field = field
        unit = "row" if self.file and self.file.lower().endswith(".parquet") else "line"
        place = [
            self.file,
            None if line is None else f"{unit} {line}",
            None if field is None else f"field {field}",
        ]
        where = ", ".join(part for part in place if part)
        super().__init__(f"{where}: {problem}" if where else problem)


def drop_packing(path: Path) -> Path:
    """The path without ``.gz`` or ``.zst``: its ending says what the file holds."""
    return path.with_suffix("") if path.suffix.lower() in PACKED_ENDINGS else path


def open_binary(path: Path) -> IO[bytes]:
    """The content of a file, unpacked."""
    ending = path.suffix.lower()
    if ending == ".gz":
        return cast("IO[bytes]", gzip.open(path, "rb"))
    if ending == ".zst":
        import pyarrow  # has Zstandard, which Python itself has from 3.14 on

        return pyarrow.input_stream(str(path), compression="zstd")
    return path.open("rb")


def open_text(path: Path, newline: str = "") -> IO[str]:
    """The content of a text file, unpacked and in the encoding that it is in.

    Raises:
        DocumentError: as ``detect_encoding``.
    """
    encoding = detect_encoding(path)
    return io.TextIOWrapper(open_binary(path), encoding=encoding, newline=newline)


def detect_encoding(path: Path) -> str:
    """The encoding of a text file, as a name for ``open``; the whole file is read, in blocks.

    Raises:
        DocumentError: if the file cannot be read or unpacked, holds no text, or is damaged.
    """
    try:
        return _detect_encoding(path)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DocumentError(f"cannot be read: {reason}", path) from error


def _detect_encoding(path: Path) -> str:
    with open_binary(path) as file:
        head = file.read(4)
    for mark, encoding in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return _check_decoding(path, encoding)
    try:
        return _check_decoding(path, "utf-8")
    except DocumentError:
        if _has_utf8_trace(path):
            raise
    return _check_decoding(path, "cp1252")


def _check_decoding(path: Path, encoding: str) -> str:
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    line = 1
    with open_binary(path) as file:
        while True:
            block = file.read(_BLOCK_BYTES)
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                line += error.object[: error.start].count(b"\n")
                raise DocumentError(
                    f"not valid {encoding} ({error.reason}: byte 0x{error.object[error.start]:02x}"
                    "); save the file as UTF-8",
                    path,
                    line,
                ) from error
            if "\0" in text:
                line += text[: text.index("\0")].count("\n")
                raise DocumentError(
                    "has a NUL character, so this is no text file, or UTF-16 without byte order "
                    "mark; save it as UTF-8",
                    path,
                    line,
                )
            if not block:
                return encoding
            line += text.count("\n")


def _has_utf8_trace(path: Path) -> bool:
    with open_binary(path) as file:
        tail = b""
        while block := file.read(_BLOCK_BYTES):
            if _UTF8_TRACE.search(tail + block):
                return True
            tail = block[-2:]
    return False
