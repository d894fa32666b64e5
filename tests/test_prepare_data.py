from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from rich.console import Console

from stance.commands.prepare_data import PrepareDataArguments, build_arguments, prepare_data
from stance.corpora import CORPORA, load_corpus
from stance.documents import read_documents
from stance.locations import config_dir

LINE = (
    '{{"id": {id}, "language": "{language}", "question": "Soll es so sein?", '
    '"comment": "Für alle.", "label": "FAVOR", "author": "a"}}\n'
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name in ("train", "valid", "test"):
        lines = LINE.format(id=1, language="de") + LINE.format(id=2, language="fr")
        (tmp_path / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    return tmp_path


def run(**arguments: object) -> str:
    console = Console(file=StringIO(), width=80)
    prepare_data(PrepareDataArguments(**arguments), console)  # type: ignore[arg-type]
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_it_writes_each_split_and_says_what_was_dropped(source: Path) -> None:
    output = source / "out"
    printed = run(name="xstance", path=str(source), output_dir=str(output))
    assert "language fr" in printed
    assert "against" in printed
    for split in CORPORA["xstance"].splits:
        assert read_documents(output / f"{split}.jsonl") == load_corpus("xstance", split, source)


def test_existing_files_are_kept_unless_asked(source: Path) -> None:
    output = source / "out"
    output.mkdir()
    (output / "test.jsonl").write_text("mine", encoding="utf-8")
    with pytest.raises(FileExistsError, match="overwrite=true"):
        run(name="xstance", path=str(source), output_dir=str(output))
    assert (output / "test.jsonl").read_text(encoding="utf-8") == "mine"
    assert not (output / "train.jsonl").exists()
    run(name="xstance", path=str(source), output_dir=str(output), overwrite=True, splits=["test"])
    assert len(read_documents(output / "test.jsonl")) == 1


def test_without_an_output_dir_it_only_prints(source: Path) -> None:
    before = set(source.iterdir())
    assert "kept" in run(name="xstance", path=str(source))
    assert set(source.iterdir()) == before


@pytest.mark.parametrize("name", CORPORA)
def test_every_data_config_composes_to_a_corpus_with_its_splits(name: str) -> None:
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        config = compose("prepare_data", [f"data={name}"])
    assert build_arguments(config).corpus is CORPORA[name]
    named = {config.data[split] for split in ("train", "validation", "test")} - {None}
    assert named <= set(CORPORA[name].splits)


def test_a_wrong_split_is_refused() -> None:
    with pytest.raises(ValueError, match="no split 'dev'"):
        PrepareDataArguments(name="newsstance", splits=["dev"])
