from __future__ import annotations

from stance.corpora.foreign_targets import pair_with_foreign_targets
from stance.native import parse_document
from stance.schema import Document

THESES = {
    "Das Tempolimit soll kommen.": "Tempolimits retten Leben, wir fordern sie seit Jahren.",
    "Das Tempolimit auf Landstraßen soll sinken.": "Wir wollen Tempolimits senken.",
    "Die Vermögensteuer soll wieder erhoben werden.": "Große Vermögen sollen beitragen.",
}


def make_statements() -> list[Document]:
    return [
        parse_document(
            {
                "id": f"s{number}",
                "text": text,
                "actors": [{"id": "p", "name": "Bürgerliste", "author": True}],
                "targets": [{"id": f"t{number}", "text": thesis}],
                "stances": [{"actor": "p", "target": f"t{number}", "label": "favor"}],
            }
        )
        for number, (thesis, text) in enumerate(THESES.items())
    ]


def test_a_statement_has_no_stance_on_a_foreign_target() -> None:
    statements = make_statements()
    changed = pair_with_foreign_targets(statements, share=1.0, seed=1)
    for before, after in zip(statements, changed, strict=True):
        assert after.text == before.text
        assert after.targets[0].text != before.targets[0].text
        assert [label.value for label in after.labels.values()] == ["none"]
        assert after.id != before.id
    # The other thesis on the same topic is not taken.
    assert changed[0].targets[0].text == changed[1].targets[0].text == list(THESES)[2]


def test_only_the_share_is_changed_and_the_seed_decides_which() -> None:
    statements = make_statements()
    changed = pair_with_foreign_targets(statements, share=1 / 3, seed=2)
    assert sum(a != b for a, b in zip(statements, changed, strict=True)) == 1
    assert changed == pair_with_foreign_targets(statements, share=1 / 3, seed=2)
    assert pair_with_foreign_targets(statements[:2], share=1.0, seed=2) == statements[:2]
