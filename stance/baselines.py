"""What a model has to beat: always the commonest label, the actor's place alone, and TF-IDF.

``position`` is a logistic regression on where and how often the actor is named, whether as the
first or last of the text, and its kind: what can be had without reading a word.

``tfidf_logreg`` is a serious try at the task without a neural encoder. It sees the sentences that
name the actor (all of the text, if the actor is its author), with mentions of the actor and of
other actors masked, so that it learns "<actor> fordert" and not who usually demands, and with the
words of the target masked, so that "lehnt <topic> ab" carries over to new targets. To these n-grams
come the few words around the actor; the words of the sentences that follow; the target's own words;
word pairs crossed with whether the target itself asks to stop something (to be for a ban is to be
against the thing); and where and how often the actor appears. All of it is linear and trained in
seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stance.metrics import encode_labels
from stance.schema import LABELS, Actor, Document, Target
from stance.sentences import split_sentences

if TYPE_CHECKING:
    import pandas as pd

BASELINES = ("majority", "position", "tfidf_logreg")

NUMBERS = ("position", "mentions", "actors", "author", "overlap", "distance")
"""Where the actor is first named (share of the text), how often (log), how many actors there are
(log), whether it is the author, which share of the target's words its sentences hold, and how many
words lie between it and the nearest of them (log, at most ``FAR``)."""

PLACES = ("position", "mentions", "actors", "author", "first", "last")
"""What the position baseline knows beside the actor's kind."""

ACTOR, OTHER, TOPIC, END = "xakteurx", "xanderex", "xthemax", "xendex"
NEAR, FAR = 7, 30
"""Words on either side of the actor that count as near; a distance in words that counts as far."""
STEM_LENGTH = 6
"""Words that share this many first letters count as the same: a German stemmer for the poor."""

_WORD = re.compile(r"\w+")
_STOPPING = re.compile(
    r"\b(?:nicht|kein\w*|verzicht\w*|stopp\w*|gestoppt|ab(?:ge)?lehn\w*|ab(?:ge)?schaff\w*|verbiet\w*"
    r"|verboten|verbot|beend\w*|streich\w*|gestrichen|aus(?:ge)?setz\w*|zurück\w*|aufgeben|auslaufen"
    r"|kürz\w*|gekürzt|senk\w*|gesenkt)\b",
    re.IGNORECASE,
)
_STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        "der die das den dem des ein eine einen einem einer eines und oder in im an am auf aus bei "
        "mit von vom zu zum zur für als wie dass sich sein seine ihre ihr es er sie soll sollen "
        "werden wird ist sind hat haben",
    )
)


@dataclass(frozen=True)
class Baseline:
    """A scikit-learn classifier over the table of ``tabulate_pairs``, fitted on ``n`` rows."""

    name: str
    model: Any
    n: int

    def predict_probabilities(self, table: pd.DataFrame) -> NDArray[np.float64]:
        """Probabilities (N, 4) in the order of ``LABELS``; a class never trained on gets 0."""
        found = np.zeros((len(table), len(LABELS)))
        if len(table):
            columns = encode_labels([str(name) for name in self.model.classes_])
            found[:, columns] = self.model.predict_proba(table)
        return found


def tabulate_pairs(documents: Iterable[Document]) -> pd.DataFrame:
    """One row per document x target x actor (in this order) with what the baselines look at.

    Columns: ``own`` (sentences that name the actor, actors and target masked), ``near`` (the words
    of it around the actor), ``after`` (the sentences that follow), ``target``, ``crossed`` (``own``
    with each word marked by what the target asks for), the columns of ``NUMBERS``, whether the
    actor is the ``first`` or ``last`` of the text to be named, its ``kind``, and ``label`` (None if
    unlabelled).
    """
    import pandas as pd

    rows = (row for document in documents for row in _rows(document))
    texts = ["own", "near", "after", "target", "crossed"]
    columns = [*texts, *NUMBERS, "first", "last", "kind", "label"]
    return pd.DataFrame(rows, columns=columns)


def sample_documents(
    documents: Sequence[Document], max_pairs: int, seed: int = 0
) -> list[Document]:
    """Documents drawn at random, in their old order, with at most ``max_pairs`` labelled pairs.

    All of them if they have no more than that. Documents without a stance are left out.
    """
    labelled = [index for index, document in enumerate(documents) if document.stances]
    order = np.random.default_rng(seed).permutation(labelled)
    kept, pairs = [], 0
    for index in order:
        pairs += len(documents[index].stances)
        if pairs > max_pairs:
            break
        kept.append(int(index))
    return [documents[index] for index in sorted(kept)]


def fit_baseline(name: str, table: pd.DataFrame, seed: int = 0) -> Baseline:
    """Train a baseline on the labelled rows of ``tabulate_pairs``.

    Raises:
        ValueError: for an unknown name, or without any labelled row.
    """
    if name not in BASELINES:
        raise ValueError(f"unknown baseline {name!r}; baselines are {list(BASELINES)}")
    labelled = table[table["label"].notna()]
    if labelled.empty:
        raise ValueError(f"the baseline {name} has no labelled pair to train on")
    from sklearn.dummy import DummyClassifier

    # "prior" predicts the commonest label, and ranks the rest for a restriction to other labels.
    # One class alone leaves a regression nothing to separate.
    one_class = labelled["label"].nunique() == 1
    model: Any
    if name == "majority" or one_class:
        model = DummyClassifier(strategy="prior")
    elif name == "position":
        model = _build_position_logreg(seed)
    else:
        model = _build_tfidf_logreg(len(labelled), seed)
    model.fit(labelled, labelled["label"].to_numpy(dtype=str))
    return Baseline(name, model, len(labelled))


def end_text(text: str) -> str:
    """The text in lower case with a closing word, so that no column of texts is wholly empty.

    In a corpus where every actor is the author, nothing is near an actor or after its sentences.
    """
    return f"{text.lower()} {END}"


def _build_position_logreg(seed: int) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, SplineTransformer

    features = ColumnTransformer(
        [
            ("places", SplineTransformer(n_knots=4, degree=2), list(PLACES)),
            ("kind", OneHotEncoder(handle_unknown="ignore"), ["kind"]),
        ]
    )
    regression = LogisticRegression(class_weight="balanced", max_iter=300, random_state=seed)
    return make_pipeline(features, regression)


def _build_tfidf_logreg(rows: int, seed: int) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def words(longest: int) -> Any:
        return TfidfVectorizer(
            preprocessor=end_text,
            token_pattern=r"\w+",
            ngram_range=(1, longest),
            min_df=2,
            sublinear_tf=True,
            max_features=60_000,
            dtype=np.float32,
        )

    characters = TfidfVectorizer(
        preprocessor=end_text,
        analyzer="char_wb",
        ngram_range=(3, 5),
        min_df=min(5, rows),
        sublinear_tf=True,
        max_features=40_000,
        dtype=np.float32,
    )
    features = ColumnTransformer(
        [
            ("own", words(3), "own"),
            ("characters", characters, "own"),
            ("near", words(3), "near"),
            ("after", words(1), "after"),
            ("target", words(2), "target"),
            ("crossed", words(2), "crossed"),
            ("numbers", StandardScaler(), list(NUMBERS)),
        ]
    )
    regression = LogisticRegression(
        C=0.5, class_weight="balanced", max_iter=300, tol=1e-3, random_state=seed
    )
    return make_pipeline(features, regression)


def _rows(document: Document) -> Iterator[tuple[Any, ...]]:
    sentences = split_sentences(document.text)
    labels = document.labels
    begins = [min((span.start for span in actor.mentions), default=0) for actor in document.actors]
    for target in document.targets:
        for actor, begin in zip(document.actors, begins, strict=True):
            label = labels.get((actor.id, target.id))
            yield (
                *_row(document, sentences, actor, target),
                float(begin == min(begins)),
                float(begin == max(begins)),
                actor.kind or "unknown",
                label.value if label else None,
            )


def _row(
    document: Document,
    sentences: Sequence[tuple[int, int]],
    actor: Actor,
    target: Target,
) -> tuple[Any, ...]:
    named = [
        index
        for index, (start, end) in enumerate(sentences)
        if actor.author or any(start <= span.start < end for span in actor.mentions)
    ]
    following = [i for i in sorted({i + 1 for i in named} - set(named)) if i < len(sentences)]
    own = _masked(document, actor, [sentences[index] for index in named])
    after = _masked(document, actor, [sentences[index] for index in following])

    stems = {_stem(word) for word in _content_words(target.text)}
    met = {_stem(word) for word in _content_words(own)} & stems
    tokens = [word.lower() for word in _WORD.findall(own)]
    hits = [index for index, word in enumerate(tokens) if len(word) > 3 and _stem(word) in stems]
    for index in hits:
        tokens[index] = TOPIC
    actor_at = [index for index, word in enumerate(tokens) if word == ACTOR]
    near = sorted({i for at in actor_at for i in range(max(at - NEAR, 0), at + NEAR + 1)})
    distance = min((abs(at - hit) for at in actor_at for hit in hits), default=FAR)
    mark = "gegen" if _STOPPING.search(target.text) else "pro"
    numbers = (
        min((span.start for span in actor.mentions), default=0) / max(len(document.text), 1),
        np.log1p(len(actor.mentions)),
        np.log1p(len(document.actors)),
        float(actor.author),
        len(met) / max(len(stems), 1),
        np.log1p(min(distance, FAR)),
    )
    return (
        " ".join(tokens),
        " ".join(tokens[index] for index in near if index < len(tokens)),
        after,
        target.text,
        " ".join(f"{mark}_{word}" for word in tokens),
        *numbers,
    )


def _masked(document: Document, actor: Actor, spans: Sequence[tuple[int, int]]) -> str:
    mentions = sorted(
        (mention.start, mention.end, ACTOR if other.id == actor.id else OTHER)
        for other in document.actors
        for mention in other.mentions
    )
    pieces = []
    for start, end in spans:
        at = start
        for first, last, mask in mentions:
            if at <= first < end:
                pieces += [document.text[at:first], mask]
                at = last
        pieces += [document.text[at:end], "\n"]
    return " ".join(pieces)


def _content_words(text: str) -> list[str]:
    words = (word.lower() for word in _WORD.findall(text))
    return [word for word in words if word not in _STOP_WORDS]


def _stem(word: str) -> str:
    return word.lower()[:STEM_LENGTH]
