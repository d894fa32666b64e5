"""Files of other systems beside the documents: what is read, what is filled in, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stance.corpora import load_corpus
from stance.encodings import DocumentError
from stance.evaluation import evaluate_documents, iter_pairs
from stance.foreign_predictions import read_foreign_predictions
from stance.native import parse_document
from stance.prediction_files import ENDINGS, PredictionFileError, open_writer
from stance.prediction_shards import ShardWriter
from stance.schema import LABELS, Document, Prediction

TEXT = "Frauke Ömmelbach fordert das Tempolimit. Tüllinger ist dagegen."


def build_document(name: str, text: str = TEXT, targets: int = 2) -> Document:
    statements = ["Das Tempolimit soll kommen.", "Auf ein Tempolimit soll verzichtet werden."]
    record = {
        "id": name,
        "text": text,
        "actors": [
            {"id": "a1", "name": "Frauke Ömmelbach", "mentions": ["Frauke Ömmelbach"]},
            {"id": "a2", "name": "Götz Tüllinger", "mentions": ["Tüllinger"]},
        ],
        "targets": [
            {"id": f"t{number}", "text": statement}
            for number, statement in enumerate(statements[:targets], 1)
        ],
        "stances": [{"actor": "a1", "target": "t1", "label": "favor"}],
    }
    return parse_document(record)


DOCUMENTS = [build_document("n1"), build_document("n2", TEXT + " Mehr nicht.")]


def build_rows(documents: list[Document], label: str = "favor") -> list[dict[str, Any]]:
    """The least that a row needs, for every pair."""
    return [
        {
            "document_id": document.id,
            "target_id": target.id,
            "actor_id": actor.id,
            "label": label,
        }
        for document, target, actor in iter_pairs(documents)
    ]


def build_records(documents: list[Document], stance: str = "support") -> list[dict[str, Any]]:
    """What stance-llm writes for every pair."""
    return [
        {
            "text": document.text,
            "ent_text": actor.name,
            "statement": target.text,
            "stance_pred": stance,
            "model_used": "modell-7b",
            "chain_used": "is",
            "run_alias": "zwei-woerter",
            "meta": {"prompt_history": None},
        }
        for document, target, actor in iter_pairs(documents)
    ]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        pd.DataFrame(rows).to_parquet(path)
    elif path.suffix == ".csv":
        # As a German Excel writes it.
        pd.DataFrame(rows).to_csv(path, index=False, sep=";", encoding="utf-8-sig")
    else:
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        path.write_text("".join(lines), encoding="utf-8")
    return path


def build_prediction(probabilities: tuple[float, ...], pair: int = 0) -> Prediction:
    document, target, actor = list(iter_pairs(DOCUMENTS))[pair]
    best = probabilities.index(max(probabilities))
    return Prediction.model_validate(
        {
            "document_id": document.id,
            "actor_id": actor.id,
            "actor": actor.name,
            "target_id": target.id,
            "target": target.text,
            "label": LABELS[best],
            "probabilities": probabilities,
            "confidence": probabilities[best],
            "mentions": [
                {"start": s.start, "end": s.end, "text": document.text[s.start : s.end]}
                for s in actor.mentions
            ],
            "evidence": [{"start": 0, "end": 6, "text": document.text[:6]}, {"start": 7, "end": 9}],
            "windows": [{"start": 0, "end": len(document.text)}],
            "warnings": ["gekürzt"],
            "model": "anderes-modell",
        }
    )


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_of_ours_comes_back_in_the_order_of_the_pairs(tmp_path: Path, ending: str) -> None:
    predictions = [build_prediction((0.1, 0.6, 0.2, 0.1), pair) for pair in range(8)]
    path = tmp_path / f"zeilen{ending}"
    with open_writer(path) as writer:
        writer.write(predictions[::-1])
    system = read_foreign_predictions(path, DOCUMENTS)
    assert (system.name, system.has_probabilities, system.unused_rows) == (
        "anderes-modell",
        True,
        0,
    )
    assert system.predict(iter(DOCUMENTS)) == predictions
    assert system.predict(DOCUMENTS[1:]) == predictions[4:]


def test_shards_are_read_as_one_file(tmp_path: Path) -> None:
    predictions = [build_prediction((0.1, 0.6, 0.2, 0.1), pair) for pair in range(8)]
    path = tmp_path / "zeilen.csv"
    with ShardWriter(path, rows_per_shard=3) as writer:
        for prediction in predictions:
            writer.write([prediction])
            writer.save()
    assert len(list(path.iterdir())) == 3
    assert read_foreign_predictions(path, DOCUMENTS).predict(DOCUMENTS) == predictions
    with (path / "00002.csv").open("a", encoding="utf-8") as file:
        file.write((path / "00000.csv").read_text(encoding="utf-8").splitlines()[1] + "\n")
    with pytest.raises(DocumentError, match=r"00002\.csv, line 4: a second.*00000\.csv, line 2"):
        read_foreign_predictions(path, DOCUMENTS)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.floats(0.01, 1), min_size=4, max_size=4))
@pytest.mark.parametrize("ending", [".jsonl", ".csv"])
def test_probabilities_are_taken_as_they_are(
    tmp_path: Path, ending: str, weights: list[float]
) -> None:
    expected = tuple(weight / sum(weights) for weight in weights)
    documents = [build_document("n1", targets=1)]
    rows = [
        row | {f"p_{label}": p for label, p in zip(LABELS, expected, strict=True)}
        for row in build_rows(documents, "neutral")
    ]
    path = write(tmp_path / f"zeilen{ending}", rows)
    system = read_foreign_predictions(path, documents)
    for prediction in system.predict(documents):
        assert prediction.probabilities == pytest.approx(expected, abs=1e-9)
        assert prediction.label == "neutral"
        assert prediction.confidence == prediction.probabilities[2]
    assert system.has_probabilities


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
def test_labels_alone_are_enough_and_are_no_probabilities(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path / f"kodierung{ending}", build_rows(DOCUMENTS, "against"))
    system = read_foreign_predictions(path, DOCUMENTS)
    assert (system.name, system.has_probabilities) == ("kodierung", False)
    for (_, _, actor), row in zip(iter_pairs(DOCUMENTS), system.predict(DOCUMENTS), strict=True):
        assert row.probabilities == (0, 1, 0, 0)
        assert row.confidence == 1
        assert [mention["start"] for mention in row.mentions] == [s.start for s in actor.mentions]
    scores = evaluate_documents(system, DOCUMENTS).metrics
    assert (scores["n"], scores["accuracy"]) == (2, 0)


def test_labels_that_went_through_a_file_of_ours_are_still_no_probabilities(tmp_path: Path) -> None:
    labels = write(tmp_path / "kodierung.jsonl", build_rows(DOCUMENTS))
    path = tmp_path / "noch_einmal.csv"
    with open_writer(path) as writer:
        writer.write(read_foreign_predictions(labels, DOCUMENTS).predict(DOCUMENTS))
    assert not read_foreign_predictions(path, DOCUMENTS).has_probabilities


@pytest.mark.parametrize(
    ("stance", "label"), [("support", "favor"), ("opposition", "against"), ("irrelevant", "none")]
)
def test_records_of_stance_llm_are_matched_by_what_was_asked(
    tmp_path: Path, stance: str, label: str
) -> None:
    records = build_records(DOCUMENTS, stance)[::-1]
    for record in records:
        if record["ent_text"] == "Götz Tüllinger":
            record["ent_text"] = "Tüllinger"  # the name as the text has it
    path = write(tmp_path / "classifications.jsonl", records)
    system = read_foreign_predictions(path, DOCUMENTS)
    assert system.name == "stance-llm is modell-7b"
    assert not system.has_probabilities
    assert {row.label for row in system.predict(DOCUMENTS)} == {label}


def test_the_corpus_stance_llm_and_what_the_package_makes_of_it_go_together(
    tmp_path: Path,
) -> None:
    question = {"text": TEXT, "ent_text": "Tüllinger", "statement": "Das Tempolimit soll kommen."}
    # The same question twice: only the ids tell which answer is whose.
    given = [question | {"id": number, "stance_true": "opposition"} for number in (7, 8)]
    corpus = tmp_path / "stance_llm.json"
    corpus.write_text(json.dumps(given), encoding="utf-8")
    documents = load_corpus("stance_llm", "test", corpus)
    answers = [
        question | {"id": 8, "stance_pred": "irrelevant"},
        question | {"id": 7, "stance_pred": "opposition"},
    ]
    system = read_foreign_predictions(write(tmp_path / "c.jsonl", answers), documents)
    assert [row.label for row in system.predict(documents)] == ["against", "none"]
    assert evaluate_documents(system, documents).metrics["accuracy"] == 0.5


def test_what_is_the_name_of_one_actor_is_not_taken_for_a_mention_of_another(
    tmp_path: Path,
) -> None:
    record = {
        "id": "n1",
        "text": "Die Regierung in Sorn fordert das Tempolimit.",
        "actors": [
            {"id": "a1", "name": "Regierung", "mentions": ["Regierung", "Sorn"]},
            {"id": "a2", "name": "Sorn", "mentions": []},
        ],
        "targets": [{"id": "t1", "text": "Das Tempolimit soll kommen."}],
    }
    documents = [parse_document(record)]
    records = build_records(documents)
    records[1]["stance_pred"] = "irrelevant"
    path = write(tmp_path / "c.jsonl", records[::-1])
    rows = read_foreign_predictions(path, documents).predict(documents)
    assert [row.label for row in rows] == ["favor", "none"]


@pytest.mark.parametrize("build", [build_rows, build_records])
def test_rows_for_other_pairs_are_counted(tmp_path: Path, build: Any) -> None:
    elsewhere = build_document("n3", "Frauke Ömmelbach schweigt, Tüllinger auch.")
    path = write(tmp_path / "zeilen.jsonl", build([*DOCUMENTS, elsewhere]))
    system = read_foreign_predictions(path, DOCUMENTS)
    assert system.unused_rows == 4
    assert len(system.predict(DOCUMENTS)) == 8


def test_a_pair_without_a_prediction_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "zeilen.jsonl", build_rows(DOCUMENTS)[:-1])
    with pytest.raises(
        DocumentError,
        match=r"zeilen\.jsonl: no prediction for document 'n2', target 't2', actor 'a2'$",
    ):
        read_foreign_predictions(path, DOCUMENTS)
    other = build_document("n3", "Frauke Ömmelbach schweigt, Tüllinger auch.")
    path = write(tmp_path / "andere.jsonl", build_records([other]))
    with pytest.raises(DocumentError, match=r"\(8 of 8 pairs have none\).*do not have: 4"):
        read_foreign_predictions(path, DOCUMENTS)


@pytest.mark.parametrize("build", [build_rows, build_records])
def test_a_second_prediction_for_a_pair_is_refused(tmp_path: Path, build: Any) -> None:
    rows = build(DOCUMENTS)
    path = write(tmp_path / "zeilen.jsonl", [*rows, rows[2]])
    with pytest.raises(
        DocumentError,
        match=r"line 9: a second prediction for document 'n1', target 't2', actor 'a1'; .*line 3,",
    ):
        read_foreign_predictions(path, DOCUMENTS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"label": "error"},
            r"line 2, field label: 'error' for document 'n1', target 't1', .*'a2'",
        ),
        ({"label": "support"}, "field label: 'support'.*must be one of favor, against, neutral"),
        ({"label": None}, "line 2: no label; a row needs document_id"),
        ({"document_id": None}, "line 2: no document_id"),
        ({"actor_id": 1.5}, "line 2, field actor_id: 1.5; expected a string"),
        ({"actor": "Eva Holm"}, "field actor: 'Eva Holm', but .* is about 'Götz Tüllinger'"),
        ({"target": "Das Gegenteil."}, "field target: 'Das Gegenteil.', but"),
        ({"p_favor": 1.0}, "line 2: no p_against, p_neutral, p_none; give all"),
        ({f"p_{label}": 0.5 for label in LABELS}, "sum to 1"),
        ({f"p_{label}": "0,25" for label in LABELS}, "field p_favor: '0,25'; expected a number"),
        ({"evidence": ["Ömmelbach"]}, "field evidence: 'Ömmelbach'; expected"),
        ({"evidence": 3}, "field evidence: 3; expected a list"),
        ({"model": "b"}, "line 2, field model: 'b', but rows before are of 'zeilen'"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    rows = build_rows(DOCUMENTS)
    rows[1] |= change
    path = write(tmp_path / "zeilen.jsonl", rows)
    with pytest.raises(DocumentError, match=message):
        read_foreign_predictions(path, DOCUMENTS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stance_pred": "error"}, "line 2, field stance_pred: 'error' for 'Götz Tüllinger' on"),
        ({"stance_pred": None}, "line 2, field stance_pred: None"),
        ({"ent_text": None}, "line 2, field ent_text: None; expected a string"),
    ],
)
def test_a_bad_record_of_stance_llm_is_named(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    records = build_records(DOCUMENTS)
    records[1] |= change
    path = write(tmp_path / "classifications.jsonl", records)
    with pytest.raises(DocumentError, match=message):
        read_foreign_predictions(path, DOCUMENTS)


def test_a_damaged_cell_is_named(tmp_path: Path) -> None:
    rows = [row | {"evidence": "[{"} for row in build_rows(DOCUMENTS)]
    path = write(tmp_path / "zeilen.csv", rows)
    with pytest.raises(PredictionFileError, match="line 2, field evidence: not valid JSON"):
        read_foreign_predictions(path, DOCUMENTS)


def test_ids_that_a_table_made_numbers_of_are_found(tmp_path: Path) -> None:
    documents = [build_document("17", targets=1)]
    rows = [row | {"document_id": 17} for row in build_rows(documents)]
    path = write(tmp_path / "zeilen.parquet", rows)
    assert len(read_foreign_predictions(path, documents).predict(documents)) == 2


def test_altered_documents_have_no_answer(tmp_path: Path) -> None:
    system = read_foreign_predictions(write(tmp_path / "z.jsonl", build_rows(DOCUMENTS)), DOCUMENTS)
    for document in (build_document("n1", TEXT + " Doch."), build_document("n9")):
        with pytest.raises(ValueError, match=f"document '{document.id}' is not one of those"):
            system.predict([document])


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"fehlt\.jsonl"):
        read_foreign_predictions(tmp_path / "fehlt.jsonl", DOCUMENTS)
    path = tmp_path / "zeilen.xlsx"
    path.write_bytes(b"")
    with pytest.raises(DocumentError, match=r"must end in \.jsonl, \.csv"):
        read_foreign_predictions(path, DOCUMENTS)
