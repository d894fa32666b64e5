"""Agreement against slow references; from coders' files to gold labels and back through a CSV."""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from collections.abc import Mapping
from itertools import combinations, pairwise, permutations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stance.adjudication import (
    MAX_CELL_CHARACTERS,
    RULES,
    build_gold,
    check_disagreements_file,
    choose_gold,
    count_origins,
    join_spans,
    quote_passage,
    read_decisions,
    tabulate_disagreements,
    write_agreement,
)
from stance.agreement import (
    bootstrap_alpha,
    count_labels,
    measure_agreement,
)
from stance.codings import (
    Codings,
    combine_codings,
    read_codings,
)
from stance.documents import DocumentError, read_documents
from stance.schema import LABELS, Actor, Document, Mention, Stance, StanceLabel, Target

TEXT = (
    "Frauke Ömmelbach will das Tempolimit. Es regnete lange. Götz Tüllinger ist dagegen.\n"
    "Er werde nie zustimmen."
)
NAMES = ("Frauke Ömmelbach", "Götz Tüllinger", "Änne Wröbel", "Tjark Rüskamp")
TARGET = "Das Tempolimit soll kommen."

# One row per pair of a document with the labels of the coders; None where one gave none.
Row = tuple[str | None, ...]


def build_actor(name: str) -> Actor:
    """Actor a1, a2, ... has the first, second, ... of ``NAMES``, and then they begin anew."""
    full = NAMES[(int(name[1:]) - 1) % len(NAMES)]
    start = TEXT.find(full)
    return Actor(
        id=name,
        name=full,
        mentions=(Mention(start=start, end=start + len(full)),) if start >= 0 else (),
    )


def build_document(
    name: str, labels: Mapping[str, str | None], evidence: tuple[Mention, ...] = ()
) -> Document:
    """One target, and the actors of ``labels``; a label of None is no stance."""
    return Document(
        id=name,
        text=TEXT,
        actors=tuple(map(build_actor, labels)),
        targets=(Target(id="t1", text=TARGET),),
        stances=tuple(
            Stance(actor=actor, target="t1", label=StanceLabel(label), evidence=evidence)
            for actor, label in labels.items()
            if label is not None
        ),
    )


def build_codings(*documents: list[Row], coders: tuple[str, ...] = ("anna", "ben")) -> Codings:
    """Documents d0, d1, ... from the rows of their pairs, which every coder has."""
    return combine_codings(
        {
            coder: [
                build_document(
                    f"d{number}",
                    {f"a{place}": row[column] for place, row in enumerate(rows, start=1)},
                )
                for number, rows in enumerate(documents)
            ]
            for column, coder in enumerate(coders)
        }
    )


def slow_alpha(units: list[list[str]]) -> float:
    """One minus observed over expected disagreement, by looking at every two values."""
    units = [unit for unit in units if len(unit) > 1]
    values = [value for unit in units for value in unit]
    observed = sum(
        sum(a != b for a, b in permutations(unit, 2)) / (len(unit) - 1) for unit in units
    )
    expected = sum(a != b for a, b in permutations(values, 2))
    return 1 - observed * (len(values) - 1) / expected if expected else math.nan


def as_alpha(value: float | None) -> float:
    return math.nan if value is None else value


def tables(coders: int) -> st.SearchStrategy[list[Row]]:
    label = st.one_of(st.none(), st.sampled_from(LABELS))
    return st.lists(st.tuples(*[label] * coders), min_size=1, max_size=12)


@settings(deadline=None, max_examples=30)
@given(tables(3), st.permutations(["anna", "ben", "cleo"]))
def test_alpha_is_one_minus_observed_over_expected_disagreement(
    rows: list[Row], coders: list[str]
) -> None:
    codings = build_codings(rows, coders=tuple(coders))
    agreement = measure_agreement(codings, resamples=1)
    units = [[label for label in row if label is not None] for row in rows]
    assert as_alpha(agreement["alpha"]["value"]) == pytest.approx(
        slow_alpha(units), abs=1e-9, nan_ok=True
    )
    for label, alpha in agreement["alpha_by_label"].items():
        binary = [[str(value == label) for value in unit] for unit in units]
        assert as_alpha(alpha["value"]) == pytest.approx(slow_alpha(binary), abs=1e-9, nan_ok=True)
        assert (alpha["value"] is None) == (alpha["reason"] is not None)
    chosen = [alpha["n"] for alpha in agreement["alpha_by_label"].values()]
    assert sum(chosen) == agreement["alpha"]["n"]
    json.dumps(agreement, allow_nan=False)


@settings(deadline=None, max_examples=30)
@given(tables(2))
def test_two_coders_are_compared_where_both_have_a_label(rows: list[Row]) -> None:
    (two,) = measure_agreement(build_codings(rows), resamples=1)["pairs_of_coders"]
    both = [row for row in rows if None not in row]
    assert (two["coders"], two["n"]) == (["anna", "ben"], len(both))
    table = Counter(both)
    assert two["confusion_matrix"] == [[table[a, b] for b in LABELS] for a in LABELS]
    if not both:
        assert (two["agreement"], two["kappa"]) == (None, None)
        assert "no pair in common" in two["reason"]
        return
    observed = sum(a == b for a, b in both) / len(both)
    assert two["agreement"] == pytest.approx(observed, abs=1e-9)
    shares = [Counter(column) for column in zip(*both, strict=True)]
    chance = sum(shares[0][label] * shares[1][label] for label in LABELS) / len(both) ** 2
    if chance == 1:
        assert two["kappa"] is None
        assert "only" in two["reason"]
    else:
        assert two["kappa"] == pytest.approx((observed - chance) / (1 - chance), abs=1e-9)
        assert two["reason"] is None


@settings(deadline=None, max_examples=15)
@given(tables(2), tables(2), st.integers(0, 5))
def test_the_interval_spans_the_samples_of_two_documents(
    first: list[Row], second: list[Row], seed: int
) -> None:
    # Of two documents a quarter of the samples is one twice, a quarter the other twice: their
    # extremes are the percentiles, whatever the seed.
    counts, owners = count_labels(build_codings(first, second))
    interval = bootstrap_alpha(counts, owners, resamples=200, seed=seed)
    parts = [[list(row) for row in rows if None not in row] for rows in (first, second)]
    if not all(parts) or math.isnan(slow_alpha([*parts[0], *parts[1]])):
        assert interval["low"] is interval["high"] is None
        assert interval["reason"]
        return
    alphas = [slow_alpha([*one, *other]) for one, other in product(parts, repeat=2)]
    defined = [alpha for alpha in alphas if not math.isnan(alpha)]
    assert interval["low"] == pytest.approx(min(defined), abs=1e-9)
    assert interval["high"] == pytest.approx(max(defined), abs=1e-9)
    assert (interval["without_alpha"] > 0) == (len(defined) < len(alphas))
    assert interval == bootstrap_alpha(counts, owners, resamples=200, seed=seed)


def test_another_seed_draws_other_samples() -> None:
    rng = np.random.default_rng(0)
    documents = [[tuple(rng.choice(LABELS, 2)) for _ in range(3)] for _ in range(12)]
    counts, owners = count_labels(build_codings(*documents))
    lows = {bootstrap_alpha(counts, owners, resamples=40, seed=seed)["low"] for seed in range(4)}
    assert len(lows) > 1


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([("none", "none"), ("none", "none")], "all labels to compare are none"),
        ([("favor", None), (None, "against")], "no pair has labels of two"),
    ],
)
def test_alpha_that_cannot_be_computed_is_null_with_a_reason(rows: list[Row], reason: str) -> None:
    alpha = measure_agreement(build_codings(rows, rows))["alpha"]
    assert alpha["value"] is alpha["interval"]["low"] is None
    assert reason in alpha["reason"]
    assert reason in alpha["interval"]["reason"]


def test_pairs_and_documents_of_some_coders_are_kept_and_counted() -> None:
    codings = combine_codings(
        {
            "anna": [
                build_document("d1", {"a1": "favor", "a2": "none", "a3": None}),
                build_document("d2", {"a1": "favor"}),
            ],
            "ben": [build_document("d1", {"a1": "favor", "a2": "against", "a4": "none"})],
            "cleo": [build_document("d1", {"a1": "favor"}), build_document("d3", {"a1": "none"})],
        }
    )
    agreement = measure_agreement(codings, resamples=1)
    assert [document.id for document in codings.documents] == ["d1", "d2", "d3"]
    assert agreement["counts"] == {
        "documents": 3,
        "documents_in_all_files": 1,
        "pairs": 5,
        "pairs_of_all_coders": 1,
        "pairs_of_two_or_more": 2,
        "pairs_of_one_coder": 3,
        "pairs_with_disagreement": 1,
        "pairs_without_label": 1,
    }
    assert agreement["coders"]["anna"] == {
        "documents": 2,
        "pairs": 3,
        "pairs_without_label": 1,
        "labels": {"favor": 2, "against": 0, "neutral": 0, "none": 1},
    }
    assert agreement["notes"] == []


def test_documents_of_one_id_with_other_texts_are_named() -> None:
    own = [build_document(f"d{number}", {"a1": "none"}) for number in range(8)]
    other = [document.model_copy(update={"text": TEXT + "!"}) for document in own[:7]]
    with pytest.raises(ValueError, match=rf"'d0' \(at character {len(TEXT)} anna .*'d4' .*2 more"):
        combine_codings({"anna": own, "ben": other})


def test_an_id_that_means_two_actors_is_named() -> None:
    own = build_document("d1", {"a1": "none"})
    other = own.model_copy(update={"actors": (Actor(id="a1", name="Tjark Rüskamp"),)})
    with pytest.raises(ValueError, match=r"'d1': the id 'a1' is 'Tjark Rüskamp' .* ben, .*Frauke"):
        combine_codings({"anna": [own], "ben": [other]})


def test_texts_that_have_other_ids_elsewhere_are_noted() -> None:
    codings = combine_codings(
        {
            "anna": [build_document("d1", {"a1": "none"})],
            "ben": [build_document("d9", {"a1": "none"})],
        }
    )
    (note,) = measure_agreement(codings, resamples=1)["notes"]
    assert "1 of the texts" in note
    assert "'d1' (anna) and 'd9' (ben)" in note


def write_table(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_native(path: Path, *documents: Document) -> Path:
    lines = [document.model_dump_json() + "\n" for document in documents]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def table_rows(labels: list[str], **extra: str) -> list[dict[str, str]]:
    return [
        extra | {"text": TEXT, "actor": name, "target": TARGET, "label": label}
        for name, label in zip(NAMES, labels, strict=False)
    ]


@pytest.mark.parametrize("extra", [{"id": "d1"}, {}])
def test_rows_of_tables_are_matched_by_names_in_any_order(
    tmp_path: Path, extra: dict[str, str]
) -> None:
    rows = table_rows(["favor", "against", "neutral"], **extra)
    codings = read_codings(
        [
            write_table(tmp_path / "anna.csv", rows),
            write_table(tmp_path / "ben.csv", rows[::-1]),
            write_table(tmp_path / "cleo.csv", rows[1:]),
        ]
    )
    assert list(codings.by_coder) == ["anna", "ben", "cleo"]
    assert len(codings.documents) == 1
    assert sorted(map(len, codings.stances.values())) == [2, 3, 3]
    assert measure_agreement(codings, resamples=1)["alpha"]["value"] == 1


def test_a_table_takes_over_the_ids_of_native_documents(tmp_path: Path) -> None:
    native = build_document("d1", {"a3": "none", "a1": "favor"})
    rows = table_rows(["favor", "against", "none", "none"], id="d1")
    codings = read_codings(
        [write_table(tmp_path / "anna.csv", rows), write_native(tmp_path / "ben.jsonl", native)]
    )
    names = {actor.id: actor.name for actor in codings.documents[0].actors}
    assert (names["a1"], names["a3"]) == (NAMES[0], NAMES[2])
    assert sorted(names.values()) == sorted(NAMES)
    assert list(codings.stances["d1", "a1", "t1"]) == ["anna", "ben"]
    assert list(codings.stances["d1", "a3", "t1"]) == ["anna", "ben"]
    assert measure_agreement(codings, resamples=1)["counts"]["pairs_of_one_coder"] == 2


def test_a_name_that_a_table_cannot_tell_apart_is_named(tmp_path: Path) -> None:
    native = build_document("d1", {"a1": "favor", "a5": "none"})
    files = [
        write_native(tmp_path / "anna.jsonl", native),
        write_table(tmp_path / "ben.csv", table_rows(["favor"], id="d1")),
    ]
    with pytest.raises(ValueError, match="'d1' has 'Frauke Ömmelbach' under the ids a1, a5"):
        read_codings(files)


def test_coders_need_files_with_labels_and_names_of_their_own(tmp_path: Path) -> None:
    file = write_native(tmp_path / "anna.jsonl", build_document("d1", {"a1": "favor"}))
    (tmp_path / "b").mkdir()
    empty = write_native(tmp_path / "leer.jsonl", build_document("d1", {"a1": None}))
    for files, message in (
        ([file], "two or more"),
        ([file, tmp_path / "b" / "anna.csv"], "2 files called 'anna'"),
        ([file, tmp_path / "gold.jsonl"], "'gold', which is another column"),
        ([file, tmp_path / "weg.jsonl"], r"weg\.jsonl: there is no such file"),
        ([file, empty], r"leer\.jsonl: has no label"),
    ):
        with pytest.raises(ValueError, match=message):
            read_codings(files)


@settings(deadline=None, max_examples=30)
@given(tables(3), st.sampled_from(RULES), st.data())
def test_gold_follows_decisions_then_the_rule(
    rows: list[Row], rule: str, data: st.DataObject
) -> None:
    codings = build_codings(rows, coders=("anna", "ben", "cleo"))
    pairs = list(codings.stances)
    decided = data.draw(st.sets(st.sampled_from(pairs))) if pairs else set()
    decisions = dict.fromkeys(decided, StanceLabel.NEUTRAL)
    verdicts = choose_gold(codings, rule, decisions)
    for pair, given_labels in codings.stances.items():
        labels = [stance.label for stance in given_labels.values()]
        needed = len(labels) if rule == "unanimous" else len(labels) // 2 + 1
        expected = next((label for label in labels if labels.count(label) >= needed), None)
        assert verdicts[pair].label == (StanceLabel.NEUTRAL if pair in decided else expected)
    origins = count_origins(verdicts)
    assert sum(origins.values()) == len(pairs)
    assert origins["decided"] == len(decided)
    gold = build_gold(codings, verdicts)
    assert sum(len(document.stances) for document in gold) == len(pairs) - origins["undecided"]


def test_where_gold_labels_come_from_is_counted() -> None:
    rows: list[Row] = [
        ("favor", "favor", "favor"),
        ("favor", "favor", "none"),
        ("favor", "against", "none"),
        ("favor", None, None),
        ("favor", "against", None),
    ]
    codings = build_codings(rows, coders=("anna", "ben", "cleo"))
    decisions = {("d0", "a5", "t1"): StanceLabel.AGAINST}
    assert count_origins(choose_gold(codings, "majority", decisions)) == {
        "unanimous": 1,
        "one_coder": 1,
        "by_majority": 1,
        "decided": 1,
        "undecided": 1,
    }
    with pytest.raises(ValueError, match="rule is 'most'; give unanimous or majority"):
        choose_gold(codings, "most")
    with pytest.raises(ValueError, match="no coder has labelled"):
        choose_gold(codings, decisions={("d0", "a9", "t1"): StanceLabel.NONE})


def test_gold_evidence_is_that_of_the_coders_with_the_gold_label() -> None:
    spans = {"anna": (0, 10), "ben": (5, 20), "cleo": (30, 40)}
    labels = {"anna": "favor", "ben": "favor", "cleo": "none"}
    codings = combine_codings(
        {
            coder: [build_document("d1", {"a1": labels[coder]}, (Mention(start=start, end=end),))]
            for coder, (start, end) in spans.items()
        }
    )
    gold = build_gold(codings, choose_gold(codings, "majority"))
    assert gold[0].stances[0].evidence == (Mention(start=0, end=20),)
    decisions = {("d1", "a1", "t1"): StanceLabel.NEUTRAL}
    assert build_gold(codings, choose_gold(codings, decisions=decisions))[0].stances[0] == Stance(
        actor="a1", target="t1", label=StanceLabel.NEUTRAL
    )


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 8)), max_size=8))
def test_joined_spans_hold_the_same_characters_without_overlap(
    spans: list[tuple[int, int]],
) -> None:
    given_spans = [Mention(start=start, end=start + length) for start, length in spans]
    joined = join_spans(given_spans)

    def characters(some: Any) -> set[int]:
        return {place for span in some for place in range(span.start, span.end)}

    assert characters(joined) == characters(given_spans)
    assert all(one.end <= other.start for one, other in pairwise(joined))
    assert all(
        any(span.start == joint.start for span in given_spans)
        and any(span.end == joint.end for span in given_spans)
        for joint in joined
    )


def test_the_passage_has_the_sentences_of_actor_and_evidence() -> None:
    start = TEXT.index("Er werde")
    marked = build_document("d1", {"a1": "favor"}, (Mention(start=start, end=start + 8),))
    codings = combine_codings({"anna": [marked], "ben": [build_document("d1", {"a1": "none"})]})
    header, row = tabulate_disagreements(codings)
    assert header[-1] == "passage"
    assert row[-1] == "Frauke Ömmelbach will das Tempolimit. [...] Er werde nie zustimmen."
    # The author, whom the text does not name, gets all of it, in one line.
    assert quote_passage(TEXT, []) == TEXT.replace("\n", " ")
    assert len(quote_passage("Viel Text. " * 9_000, [])) <= MAX_CELL_CHARACTERS + 6


def differing_codings() -> Codings:
    rows: list[Row] = [("favor", "against"), ("none", "none"), ("favor", "neutral")]
    return build_codings(rows, [("favor", None), ("none", "against"), (None, None)])


def write_files(directory: Path, codings: Codings) -> Path:
    agreement = measure_agreement(codings, resamples=1)
    gold = build_gold(codings, choose_gold(codings))
    write_agreement(directory, agreement, tabulate_disagreements(codings), gold)
    return directory / "disagreements.csv"


def fill_in(path: Path, *cells: str, delimiter: str = ",", encoding: str = "utf-8-sig") -> None:
    """Put cells into the column gold, and save as a spreadsheet would."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(file)
    for row, cell in zip(rows, cells, strict=False):
        row[header.index("gold")] = cell
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([header, *rows])


def test_the_files_say_what_the_coders_say(tmp_path: Path) -> None:
    codings = differing_codings()
    path = write_files(tmp_path, codings)
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["document_id"], row["actor"], row["anna"], row["ben"]) for row in rows] == [
        ("d0", NAMES[0], "favor", "against"),
        ("d0", NAMES[2], "favor", "neutral"),
        ("d1", NAMES[1], "none", "against"),
    ]
    assert {row["gold"] for row in rows} == {""}
    assert {row["target"] for row in rows} == {TARGET}
    gold = read_documents(tmp_path / "gold.jsonl")
    assert [document.labels for document in gold] == [
        {("a2", "t1"): "none"},
        {("a1", "t1"): "favor"},
    ]
    assert json.loads((tmp_path / "agreement.json").read_text(encoding="utf-8"))["counts"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "cp1252"])
def test_decisions_are_read_as_spreadsheets_save_them(
    tmp_path: Path, delimiter: str, encoding: str
) -> None:
    codings = differing_codings()
    path = write_files(tmp_path, codings)
    fill_in(path, "Favor ", "", "dagegen", delimiter=delimiter, encoding=encoding)
    decisions = read_decisions(path, codings)
    assert decisions == {("d0", "a1", "t1"): "favor", ("d1", "a2", "t1"): "against"}
    golds = [row[-2] for row in tabulate_disagreements(codings, decisions)]
    assert golds == ["gold", "favor", "", "against"]


@pytest.mark.parametrize(
    ("old", "new", "field", "problem"),
    [
        ("favor,against,", "favor,against,dafur", "gold", "unknown label 'dafur'; give favor"),
        ("d0,a1,", "7,a1,", "document_id", "'7' makes this row a pair that no coder"),
        ("d0,a1,", "d0,a9,", "actor_id", "'a9' makes this row"),
        (",t1,", ",t9,", "target_id", "'t9' makes this row"),
    ],
)
def test_a_wrong_decision_is_named_with_line_and_field(
    tmp_path: Path, old: str, new: str, field: str, problem: str
) -> None:
    codings = differing_codings()
    path = write_files(tmp_path, codings)
    fill_in(path, "" if field == "gold" else "favor")
    text = path.read_text(encoding="utf-8-sig")
    path.write_text(text.replace(old, new, 1), encoding="utf-8-sig")
    with pytest.raises(DocumentError, match=f"line 2, field {field}: {problem}"):
        read_decisions(path, codings)


def test_two_decisions_on_a_pair_a_lost_column_and_no_table_are_named(tmp_path: Path) -> None:
    codings = differing_codings()
    path = write_files(tmp_path, codings)
    fill_in(path, "favor")
    text = path.read_text(encoding="utf-8-sig")
    line = text.splitlines()[1]
    path.write_text(text + line.replace("against,favor", "against,none") + "\n", encoding="utf-8")
    with pytest.raises(DocumentError, match=r"line 5, field gold: 'none', but .* 'favor'"):
        read_decisions(path, codings)
    path.write_text(text.replace("actor_id", "Akteur", 1), encoding="utf-8")
    with pytest.raises(DocumentError, match="field actor_id: there is no column 'actor_id'"):
        read_decisions(path, codings)
    with pytest.raises(DocumentError, match=r"save the spreadsheet as CSV"):
        read_decisions(tmp_path / "disagreements.xlsx", codings)


def test_labels_that_somebody_filled_in_are_never_overwritten(tmp_path: Path) -> None:
    codings = differing_codings()
    path = write_files(tmp_path, codings)
    check_disagreements_file(path, {})
    fill_in(path, "", "none")
    with pytest.raises(DocumentError, match=r"line 3, field gold: the label 'none' would be lost"):
        check_disagreements_file(path, {})
    check_disagreements_file(path, read_decisions(path, codings))
    check_disagreements_file(tmp_path / "new.csv", {})


def test_every_two_coders_are_compared() -> None:
    coders = ("anna", "ben", "cleo", "dora")
    agreement = measure_agreement(build_codings([("none",) * 4], coders=coders), resamples=1)
    compared = [two["coders"] for two in agreement["pairs_of_coders"]]
    assert compared == [list(two) for two in combinations(coders, 2)]
