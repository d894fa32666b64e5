from __future__ import annotations

import re
from collections import Counter

import pytest

from stance.corpora.demands import negate_target
from stance.corpora.invented_statements import invent_statements
from stance.corpora.pseudo_reports import MAX_QUOTE_WORDS, compose_reports, shorten
from stance.schema import Actor, Document, Mention, Stance, StanceLabel, Target

TARGETS = (
    "Die Stadt soll die Brücke sanieren.",
    "Hunde sollen an der Leine bleiben müssen.",
    "Das Schwimmbad soll kostenlos sein.",
    "Die Stadt soll kein Feuerwerk erlauben.",  # no rule to negate it
)
LABELS = (StanceLabel.FAVOR, StanceLabel.AGAINST, StanceLabel.NEUTRAL)


def make_statement(number: int, target: str, label: StanceLabel, text: str = "") -> Document:
    """A text whose author, a party, takes the stance; its words carry label and number."""
    return Document(
        id=f"s{number}",
        text=text or f"Wir sagen {label.value}{number}x zu diesem Vorschlag.",
        source="gemeinderat",
        actors=(Actor(id="a1", name=f"Partei {number % 7}", author=True),),
        targets=(Target(id="t1", text=target),),
        stances=(Stance(actor="a1", target="t1", label=label),),
    )


STATEMENTS = [
    make_statement(100 * t + n, target, LABELS[n % 3])
    for t, target in enumerate(TARGETS)
    for n in range(60)
]
NEGATED = {negated: target for target in TARGETS if (negated := negate_target(target))}
FLIPPED = {StanceLabel.FAVOR: StanceLabel.AGAINST, StanceLabel.AGAINST: StanceLabel.FAVOR}


@pytest.fixture(scope="module")
def reports() -> list[Document]:
    return compose_reports(STATEMENTS, seed=1)


def restore(report: Document, number: int) -> tuple[str, list[StanceLabel]]:
    """A target before it was negated, and the labels toward it before they were flipped."""
    target = report.targets[number]
    labels = [stance.label for stance in report.stances if stance.target == target.id]
    if target.text in NEGATED:
        return NEGATED[target.text], [FLIPPED.get(label, label) for label in labels]
    return target.text, labels


def test_every_mention_is_the_name_or_its_short_form(reports: list[Document]) -> None:
    shortened = 0
    for report in reports:
        for actor in report.actors:
            named = [report.text[mention.start : mention.end] for mention in actor.mentions]
            assert named[0] == actor.name
            assert set(named[1:]) <= {actor.name, actor.name.split()[-1]}
            shortened += named[-1] != actor.name
    assert shortened


@pytest.mark.parametrize("seed", range(2, 7))
def test_actors_of_a_report_share_no_name(seed: int) -> None:
    for report in compose_reports(STATEMENTS, seed=seed):
        names = Counter(
            name
            for actor in report.actors
            for name in {report.text[m.start : m.end] for m in actor.mentions}
        )
        assert set(names.values()) == {1}


@pytest.mark.parametrize("quotes", [0.0, 0.5, 1.0])
def test_every_statement_is_used_once_with_its_label(quotes: float) -> None:
    used: Counter[tuple[str, StanceLabel]] = Counter()
    for report in compose_reports(STATEMENTS, seed=1, quotes=quotes):
        for number in range(len(report.targets)):
            target, labels = restore(report, number)
            used.update((target, label) for label in labels if label != StanceLabel.NONE)
    assert used == Counter((d.targets[0].text, d.stances[0].label) for d in STATEMENTS)


def test_a_label_belongs_to_the_words_and_is_flipped_only_with_the_target() -> None:
    negated = 0
    reports = [r for seed in range(9) for r in compose_reports(STATEMENTS, seed=seed, negate=0.5)]
    for report in reports:
        # With one statement in the report, it is that of the one actor with a stance.
        words = re.findall(r"(favor|against|neutral)\d+x", report.text)
        labels = [label for n in range(len(report.targets)) for label in restore(report, n)[1]]
        stances = [label for label in labels if label != StanceLabel.NONE]
        if len(words) == len(stances) == 1:
            assert words == stances
            negated += report.targets[0].text in NEGATED
    assert negated


@pytest.mark.parametrize("quotes", [0.0, 1.0])
def test_the_evidence_is_the_sentence_that_names_the_actor(quotes: float) -> None:
    counts = Counter[bool]()
    for report in compose_reports(STATEMENTS, seed=1, quotes=quotes):
        names = {actor.id: actor.mentions for actor in report.actors}
        for stance in report.stances:
            counts[bool(stance.evidence)] += stance.label is not StanceLabel.NONE
            assert not stance.evidence or stance.label is not StanceLabel.NONE
            for piece in stance.evidence:
                inside = [n for n in names[stance.actor] if piece.start <= n.start < piece.end]
                assert inside, report.text[piece.start : piece.end]
                # The words of others are not in it.
                for actor, mentions in names.items():
                    if actor != stance.actor:
                        assert not any(piece.start <= n.start < piece.end for n in mentions)
    # A sentence that two share is nobody's; quotes are never shared.
    assert counts[True] > 0.7 * counts.total()
    assert bool(counts[False]) == (quotes == 0)


def test_all_pairs_of_a_report_are_labelled(reports: list[Document]) -> None:
    for report in reports:
        pairs = {(stance.actor, stance.target) for stance in report.stances}
        assert len(pairs) == len(report.stances) == len(report.actors) * len(report.targets)


def test_actors_and_theses_of_a_report_vary(reports: list[Document]) -> None:
    assert {len(report.actors) for report in reports} >= {1, 2, 3, 4}
    assert {len(report.targets) for report in reports} >= {1, 2, 3}
    differing = 0
    for report in reports:
        for actor in report.actors:
            labels = {s.label for s in report.stances if s.actor == actor.id} - {StanceLabel.NONE}
            differing += len(labels) > 1
    assert differing  # the same actor is for one thesis and against another


def test_the_same_seed_gives_the_same_reports(reports: list[Document]) -> None:
    assert compose_reports(STATEMENTS, seed=1) == reports
    assert compose_reports(STATEMENTS, seed=2) != reports
    assert len({report.id for report in reports}) == len(reports)


def test_the_share_of_negated_targets_can_be_set() -> None:
    never = {t.text for r in compose_reports(STATEMENTS, seed=1, negate=0) for t in r.targets}
    assert never == set(TARGETS)
    some = [t.text for r in compose_reports(STATEMENTS, seed=1, negate=0.5) for t in r.targets]
    assert 0.1 < sum(text in NEGATED for text in some) / len(some) < 0.5


def test_a_contrary_in_other_words_flips_the_labels() -> None:
    contraries = {TARGETS[2]: "Wer baden will, soll Eintritt zahlen."}
    shown = 0
    reports = [
        report
        for seed in range(9)
        for report in compose_reports(STATEMENTS, seed=seed, negate=1, contraries=contraries)
    ]
    for report in reports:
        words = re.findall(r"(favor|against|neutral)\d+x", report.text)
        for target in report.targets:
            if target.text in contraries.values() and len(report.targets) == 1:
                labels = [s.label for s in report.stances if s.label != StanceLabel.NONE]
                assert Counter(labels) == Counter(
                    FLIPPED.get(StanceLabel(word), StanceLabel(word)) for word in words
                )
                shown += 1
    assert shown


def test_invented_statements_give_reports_on_the_targets_of_news() -> None:
    """Targets of one text, which are often contrary, do not come in one report."""
    news = [
        Document(
            id=f"n{number}",
            text="Streit um ein Bad.",
            targets=(
                Target(id="t1", text=f"Bad {number} soll schließen."),
                Target(id="t2", text=f"Bad {number} soll offen bleiben."),
            ),
        )
        for number in range(40)
    ]
    statements = invent_statements(news, seed=1)
    shares = Counter(s.label for d in statements for s in d.stances)
    assert shares[StanceLabel.NEUTRAL] < min(shares[StanceLabel.FAVOR], shares[StanceLabel.AGAINST])
    reports = compose_reports(statements, seed=1, negate=0, quotes=0)
    asked = {target.text for report in reports for target in report.targets}
    assert asked == {target.text for document in news for target in document.targets}
    for report in reports:
        pools = [re.findall(r"\d+", target.text)[0] for target in report.targets]
        assert len(set(pools)) == len(pools)


def test_without_quotes_the_statements_are_only_told() -> None:
    for report in compose_reports(STATEMENTS, seed=1, quotes=0):
        assert not re.search(r"(favor|against|neutral)\d+x", report.text)


@pytest.mark.parametrize("seed", range(1, 4))
def test_a_verdict_on_the_proposal_is_clear(seed: int) -> None:
    # "lehnt den Vorschlag ab" means the thesis as it was set out; where none was, the report has
    # one thesis, which is not negated.
    for report in compose_reports(STATEMENTS, seed=seed, quotes=0, negate=1):
        for paragraph in report.text.split("\n\n"):
            if not any(word in paragraph for word in ("Brücke", "Hunde", "bad", "Feuerwerk")):
                assert report.targets[0].text in TARGETS
                told = {s.target for s in report.stances if s.label != StanceLabel.NONE}
                assert told == {"t1"}


def test_braces_in_a_statement_do_not_name_an_actor() -> None:
    text = "Wir sind für {A} und {q}."
    document = make_statement(1, TARGETS[0], StanceLabel.FAVOR, text)
    for seed in range(20):
        (report,) = compose_reports([document], seed=seed)
        for actor in report.actors:
            assert len(actor.mentions) == report.text.count(actor.name.split()[-1])


STATEMENT = STATEMENTS[0]
TWO_TARGETS = (*STATEMENT.targets, Target(id="t2", text=TARGETS[1]))
TWO_ACTORS = (*STATEMENT.actors, Actor(id="a2", name="Verband"))
NAMED = (Actor(id="a1", name="Wir", mentions=(Mention(start=0, end=3),)),)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"targets": TWO_TARGETS}, "2 targets"),
        ({"actors": TWO_ACTORS}, "2 actors"),
        ({"actors": NAMED}, r"1 actors \(0 of them its author\)"),
        ({"stances": ()}, "0 stances"),
    ],
)
def test_other_documents_are_refused_by_name(changes: dict[str, object], message: str) -> None:
    document = STATEMENT.model_copy(update={"id": "falsch-7", **changes})
    with pytest.raises(ValueError, match=rf"'falsch-7' .*{message}"):
        compose_reports([STATEMENTS[1], document], seed=1)


def test_a_statement_is_shortened_to_whole_sentences() -> None:
    sentence = "Wir wollen, dass die Stadt die Brücke über die Möhne bald saniert."
    short = shorten(" ".join([sentence] * 10))
    assert short == " ".join([sentence] * (MAX_QUOTE_WORDS // len(sentence.split())))
    long = "Wir " + "sehr " * 100 + "gern."
    assert shorten(f"{long} Ja.") == long
    assert shorten('Ja!\n\nNein „so“ "nie".') == "Ja! Nein ‚so‘ nie."
