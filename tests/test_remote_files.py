"""URLs of inputs, tried with ``file://``, which takes the same way as those of a service."""

from __future__ import annotations

from pathlib import Path

import pytest

from stance.documents import iter_documents
from stance.encodings import DocumentError
from stance.remote_files import copy_inputs, is_remote, open_filesystem, rename_file


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "Züge"
    (folder / "tief" / "er").mkdir(parents=True)
    for name in ("a.txt", "b.txt", "tief/c.txt", "tief/er/d.txt"):
        (folder / name).write_text(f"Text {name}", encoding="utf-8")
    (folder / "other.bin").touch()
    return folder


@pytest.mark.parametrize("pattern", ["", "/a.txt", "/*.txt", "/*/c.txt", "/tief"])
def test_documents_have_the_ids_that_they_have_where_they_lie(
    texts: Path, tmp_path: Path, pattern: str
) -> None:
    given = f"{texts}{pattern}"
    inputs = copy_inputs([f"file://{given}"], tmp_path / "copies")
    assert list(iter_documents(inputs.paths)) == list(iter_documents(given))


@pytest.mark.parametrize("given", ["file://{}/leer.txt", "file://{}/*.txt", "file://{}", "{}"])
def test_an_error_has_the_name_that_was_given(
    texts: Path, tmp_path: Path, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (texts / "leer.txt").touch()
    inputs = copy_inputs([given.format(texts)], tmp_path / "copies")
    with pytest.raises(DocumentError) as caught:
        list(iter_documents(inputs.paths))
    error = rename_file(caught.value, inputs.names)
    name = f"{given.partition('{')[0]}{texts}/leer.txt"
    assert error.file == name
    assert str(error) == f"{name}: the file is empty; a document needs a text"


def test_local_inputs_stay_where_they_are_and_what_they_are_called(
    texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    inputs = copy_inputs(["Züge/*.txt"], tmp_path / "copies")
    assert inputs.paths == [f"{texts}/*.txt"]
    error = rename_file(DocumentError("leer", texts / "a.txt"), inputs.names)
    assert str(error) == "Züge/a.txt: leer"
    assert not is_remote("C:/Texte")
    assert open_filesystem("rows.csv")[1] == f"{Path.cwd().as_posix()}/rows.csv"


@pytest.mark.parametrize("name", ["/nichts.txt", "/*.csv"])
def test_an_url_of_nothing_is_named(texts: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(DocumentError, match=r"Züge.*: there is no such file"):
        copy_inputs([f"file://{texts}{name}"], tmp_path / "copies")


def test_an_unknown_kind_of_url_is_named(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"gopher://x/y: cannot be read"):
        copy_inputs(["gopher://x/y"], tmp_path)
