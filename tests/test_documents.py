from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from stance import documents as module
from stance.documents import (
    DocumentError,
    TripleColumns,
    iter_documents,
    read_documents,
    split_documents,
    write_documents,
)
from stance.schema import Document

TEXT = "Eva Holm will die Brücke, Jan Öz nicht. „Nie“, sagt Öz."
RECORD = {
    "id": "n1",
    "text": TEXT,
    "actors": [{"id": "a1", "name": "Eva Holm", "mentions": ["Eva Holm"]}],
    "targets": [{"id": "t1", "text": "Die Brücke soll kommen."}],
    "stances": [{"actor": "a1", "target": "t1", "label": "favor"}],
}
ROWS = [
    {"text": TEXT, "actor": "Eva Holm", "target": "Die Brücke", "label": "favor"},
    {
        "text": "Der Rat,\nder „alte“, tagt.",
        "actor": "Rat",
        "target": "Die Brücke",
        "label": "none",
    },
    {"text": TEXT, "actor": "Jan Öz", "target": "Die Brücke", "label": "against"},
]


def write(path: Path, *lines: str | dict[str, Any], encoding: str = "utf-8") -> Path:
    texts = [x if isinstance(x, str) else json.dumps(x, ensure_ascii=False) for x in lines]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(("\n".join(texts) + "\n").encode(encoding))
    return path


def write_table(path: Path, rows: list[dict[str, Any]]) -> Path:
    frame = pd.DataFrame(rows)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


def error_of(read: Callable[[], Any]) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        read()
    return caught.value


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_native_jsonl_in_each_encoding(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path / "a.jsonl", RECORD, "", {"text": "Öde"}, encoding=encoding)
    first, second = read_documents(path)
    assert (first.text, first.labels) == (TEXT, {("a1", "t1"): "favor"})
    assert (second.id, second.text) == ("a-3", "Öde")


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet", "jsonl"])
def test_triples_of_each_format_give_the_same(tmp_path: Path, ending: str) -> None:
    first, second = read_documents(write_table(tmp_path / f"rows.{ending}", ROWS))
    assert (first.text, second.text) == (TEXT, ROWS[1]["text"])
    assert first.labels == {("a1", "t1"): "favor", ("a2", "t1"): "against"}
    assert [len(actor.mentions) for actor in first.actors] == [1, 2]
    assert second.labels == {("a1", "t1"): "none"}


def test_a_german_spreadsheet_with_semicolons_is_read(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv", "Text;Wer;Ziel", '"Öz; ""nie"".";Öz;Bau, neu', encoding="cp1252"
    )
    document = read_documents(path, TripleColumns("Text", "Wer", "Ziel"))[0]
    assert document.text == 'Öz; "nie".'
    assert document.targets[0].text == "Bau, neu"


def test_columns_and_labels_can_be_mapped_and_unused_ones_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [{"body": "Öz sagt es.", "actor": "Öz", "target": "Bau", "vote": "1", "page": "3"}]
    path = write_table(tmp_path / "a.csv", rows)
    columns = TripleColumns(text="body", label="vote")
    assert read_documents(path, columns, {"1": "against"})[0].labels == {("a1", "t1"): "against"}
    assert "columns not used: page" in caplog.text


def test_a_table_of_texts_needs_no_actors(tmp_path: Path) -> None:
    path = write_table(tmp_path / "a.csv", [{"body": TEXT, "page": "3"}])
    document = read_documents(path, TripleColumns(text="body"))[0]
    assert (document.id, document.text, document.model_extra) == ("a-2", TEXT, {"page": "3"})
    path = write_table(tmp_path / "a.parquet", [{"text": TEXT, "id": 7}])
    assert read_documents(path)[0].id == "7"


def test_named_columns_do_not_disturb_native_records(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", RECORD)
    assert read_documents(path, TripleColumns("body", "who", "what"))[0].labels


def test_text_files_keep_every_character(tmp_path: Path) -> None:
    content = "Titel \r\n\r\nÖz sagt:\t„Nein“ 😀\u2028e\u0308\n"
    (tmp_path / "a.txt").write_bytes(content.encode("utf-8-sig"))
    document = read_documents(tmp_path / "a.txt")[0]
    assert (document.id, document.text) == ("a", content)


def test_a_directory_is_read_in_depth_and_unknown_files_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "b.txt", "Zwei")
    write(tmp_path / "sub" / "b.TXT", "Drei")
    write(tmp_path / "a.jsonl", {"text": "Eins"})
    write(tmp_path / "sub" / "notes.pdf", "?")
    found = read_documents(tmp_path)
    assert [document.id for document in found] == ["a-1", "b", "sub/b"]
    assert "files of unknown kinds not read: sub/notes.pdf" in caplog.text
    assert all(record.levelno == logging.WARNING for record in caplog.records)


def test_lists_and_patterns(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write(tmp_path / f"{name}.txt", name)
    found = read_documents([tmp_path / "c.txt", str(tmp_path / "[ab].txt")])
    assert [document.id for document in found] == ["c", "a", "b"]


@pytest.mark.parametrize(
    ("name", "content", "line", "message"),
    [
        ("a.jsonl", "", None, "the file is empty"),
        ("a.csv", "", None, "the file is empty"),
        ("a.csv", "text,actor,target\n", None, "the file is empty"),
        ("a.txt", " \n", None, "the file is empty"),
        ("a.jsonl", '{"text": "a"}\n\n{"text": \n', 3, "not valid JSON .* at character 10.*write"),
        ("a.jsonl", '{"text": "a"}\n[1]\n', 2, "a JSON list, not an object; write one"),
        ("a.jsonl", '{"text": "\\ud83d"}\n', 1, "half a surrogate pair"),
        ("a.jsonl", '{"id": "x"}\n', 1, "field text: is missing"),
        ("a.jsonl", '{"text": "a", "id": "x"}\n{"text": "b", "id": "x"}\n', 2, "has the id 'x'"),
        ("a.jsonl", '{"text": "a"}\n{"text": "b", "actor": "c"}\n', 2, "a flat row among native"),
        ("a.jsonl", '{"text": "a", "actor": "b"}\n', 1, "no column 'target'.*'text', 'actor'"),
        ("a.csv", "text,target\na,b\n", 2, "no column 'actor'.*columns are 'text', 'target'"),
        ("a.csv", "body,page\na,b\n", 2, "no column 'text'.*columns are 'body', 'page'"),
        ("a.csv", "text,text\na,b\n", 1, "columns of one name"),
        ("a.csv", 'text,actor,target\n"a\nb",c,d\n\n"x",y\n', 5, "2 cells, but 3 columns"),
        ("a.csv", 'text,actor,target\na,b,c\n"x" y,b,c\n', 3, "not a valid table.*double the"),
        ("a.csv", 'text,actor,target\na,b,c\n"x,b,c\n', 3, "not a valid table"),
        ("a.csv", 'text,actor,target,label\n"a\nb",c,d,pro\nx,c,d,jein\n', 4, "unknown label"),
        ("a.parquet", "PAR1", 1, "not a valid Parquet file"),
        ("a.pdf", "x", None, r"unknown kind; it must end in \.jsonl, \.csv, \.tsv, \.parquet, \.t"),
    ],
)
def test_bad_files_are_refused_with_file_and_line(
    tmp_path: Path, name: str, content: str, line: int | None, message: str
) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    error = error_of(lambda: read_documents(path))
    assert (error.file, error.line) == (str(path), line)
    with pytest.raises(DocumentError, match=message):
        raise error


def test_paths_without_texts_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path / "a.pdf", "x")
    assert "a directory without texts" in str(error_of(lambda: read_documents(tmp_path / "empty")))
    assert "no such file" in str(error_of(lambda: read_documents(tmp_path / "no.txt")))
    assert "matches no files that end in" in str(
        error_of(lambda: read_documents(f"{tmp_path}/*.pdf"))
    )
    assert "no paths given" in str(error_of(lambda: read_documents([])))


def test_errors_can_be_collected_and_the_rest_is_read(tmp_path: Path) -> None:
    write(
        tmp_path / "a.jsonl", "{", {"text": "Eins", "id": "x"}, "[]", {"text": ""}, {"text": "Zwei"}
    )
    write(tmp_path / "b.txt", "")
    write(tmp_path / "c.jsonl", {"text": "Drei", "id": "x"}, {"text": "Vier"})
    errors: list[DocumentError] = []
    found = list(iter_documents(tmp_path, on_error=errors.append))
    assert [document.text for document in found] == ["Eins", "Zwei", "Vier"]
    assert [(Path(str(error.file)).name, error.line) for error in errors] == [
        ("a.jsonl", 1),
        ("a.jsonl", 3),
        ("a.jsonl", 4),
        ("b.txt", None),
        ("c.jsonl", 1),
    ]


def test_a_file_is_read_only_as_far_as_needed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"text": "Eins"}, "{")
    found = iter_documents(path)
    assert next(found).text == "Eins"
    assert error_of(lambda: next(found)).line == 2


def test_big_tables_stream_and_need_their_rows_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_GROUPED_BYTES", 10)
    path = write_table(tmp_path / "a.csv", [ROWS[0], ROWS[2], ROWS[1], ROWS[0]])
    found = iter_documents(path)
    assert len(next(found).actors) == 2
    assert next(found).actors[0].name == "Rat"
    error = error_of(lambda: next(found))
    assert (error.line, "sort the file" in str(error)) == (6, True)


def test_a_cell_longer_than_the_csv_default_is_read(tmp_path: Path) -> None:
    text = "Öz sagt es. " * 20_000
    path = write_table(tmp_path / "a.csv", [{"text": text, "actor": "Öz", "target": "Bau"}])
    document = read_documents(path)[0]
    assert (document.text, len(document.actors[0].mentions)) == (text, 20_000)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", RECORD | {"page": 4}, {"text": "😀 Öde", "title": "T"})
    documents = read_documents(path)
    assert write_documents(iter(documents), tmp_path / "new" / "b.jsonl") == 2
    assert read_documents(tmp_path / "new" / "b.jsonl") == documents


def test_a_failure_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", RECORD)
    broken = write(tmp_path / "b.jsonl", RECORD, "{")
    before = path.read_bytes()
    with pytest.raises(DocumentError):
        write_documents(iter_documents(broken), path)
    assert path.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.jsonl", "b.jsonl"]
    with pytest.raises(ValueError, match=r"name the file \*\.jsonl"):
        write_documents([], tmp_path / "a.csv")


def make_documents(count: int) -> list[Document]:
    return [
        Document(id=f"d{number}", text="Text", source="a" if number % 4 else "b")
        for number in range(count)
    ]


def source(document: Document) -> str:
    return str(document.source)


def test_documents_are_split_by_fraction_and_stratum() -> None:
    documents = make_documents(80)
    fractions = {"train": 0.75, "validation": 0.1, "test": 0.15}
    splits = split_documents(documents, fractions, seed=3, stratify_by=source)
    assert {name: len(split) for name, split in splits.items()} == {
        "train": 60,
        "validation": 8,
        "test": 12,
    }
    assert sum(source(document) == "b" for document in splits["test"]) == 3
    ids = [document.id for split in splits.values() for document in split]
    assert sorted(ids) == sorted(document.id for document in documents)
    positions = [documents.index(document) for document in splits["train"]]
    assert positions == sorted(positions)
    assert split_documents(documents, fractions, seed=3, stratify_by=source) == splits
    assert split_documents(documents, fractions, seed=4, stratify_by=source) != splits


@pytest.mark.parametrize(
    ("count", "fractions", "message"),
    [
        (8, {"train": 0.9, "test": 0.2}, "must be positive and sum to 1"),
        (8, {}, "must be positive and sum to 1"),
        (4, {"train": 0.5, "test": 0.5}, "too few documents for 2 splits in the strata 'b'"),
        (8, {"train": 0.98, "test": 0.02}, "too few documents in a stratum for the split 'train'"),
    ],
)
def test_a_split_that_cannot_be_is_refused(
    count: int, fractions: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        split_documents(make_documents(count), fractions, stratify_by=source)


def pack(path: Path, content: bytes) -> Path:
    packed = gzip.compress(content)
    if path.suffix == ".zst":
        packed = pa.compress(content, "zstd", asbytes=True)
    path.write_bytes(packed)
    return path


@pytest.mark.parametrize("packing", ["gz", "zst"])
@pytest.mark.parametrize("ending", ["jsonl", "csv", "tsv", "txt"])
def test_packed_files_are_read_like_others(tmp_path: Path, ending: str, packing: str) -> None:
    separator = "\t" if ending == "tsv" else ","
    table = f'id{separator}text\nn1{separator}"Grüße, Öz."\n'
    content = {"jsonl": '{"id": "n1", "text": "Grüße, Öz."}\n', "txt": "Grüße, Öz."}
    raw = content.get(ending, table).encode("cp1252" if ending == "csv" else "utf-8")
    path = pack(tmp_path / f"n1.{ending}.{packing}", raw)
    for given in (path, tmp_path, tmp_path / "*"):
        (document,) = read_documents(given)
        assert (document.id, document.text) == ("n1", "Grüße, Öz.")


@pytest.mark.parametrize("packing", ["gz", "zst"])
def test_an_error_in_a_packed_file_names_file_line_and_field(tmp_path: Path, packing: str) -> None:
    lines = ['{"text": "Eins."}', '{"text": "Zwei."}', '{"text": 3}']
    path = pack(tmp_path / f"news.jsonl.{packing}", "\n".join(lines).encode())
    error = error_of(lambda: read_documents(path))
    assert (error.file, error.line, error.field) == (str(path), 3, "text")
    (first, _) = [*iter_documents(path, on_error=lambda error: None)]
    assert first.id == "news-1"


@pytest.mark.parametrize("packing", ["gz", "zst"])
def test_a_damaged_packed_file_is_named(tmp_path: Path, packing: str) -> None:
    path = pack(tmp_path / f"a.jsonl.{packing}", b'{"text": "Eins."}\n' * 1_000)
    for damaged in (path.read_bytes()[:-12], b"no packed file"):
        path.write_bytes(damaged)
        error = error_of(lambda: read_documents(path))
        assert error.file == str(path)
        assert "cannot be read" in str(error)
