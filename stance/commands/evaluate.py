"""``stance-evaluate``: documents with gold stances in; scores beside the baselines out."""

from __future__ import annotations

import json
import logging
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.markup import escape

from stance.baselines import BASELINES
from stance.commands.overrides import quote_paths
from stance.entity_recognition import TAGGER, check_finders
from stance.locations import config_dir
from stance.schema import LABELS, Document, Prediction
from stance.score_table import build_table, describe_difference, describe_scored, list_notes

if TYPE_CHECKING:
    from stance.evaluation import EvaluationResult, TrainingData
    from stance.inference import StanceClassifier
    from stance.slices import Slice

logger = logging.getLogger(__name__)

SLICES_FILE, COMPARISON_FILE, ANSWERS_FILE = "slices.csv", "comparison.json", "llm_answers.jsonl"
PROBABILISTIC = ("calibration", "direction", "abstention", "reliability")
"""Entries of metrics.json that need probabilities; null for a system that gives none."""
SYSTEM_KINDS = ("predictions", "model", "hub", "llm")
SYSTEM_DOCUMENTS_PER_CALL = 16
"""Few, as others can be slow: what is asked at once is how often progress shows."""
FILE_CORPORA = ("newsstance", "file")
"""Names with which ``data.path`` is a file of documents; else it is where the corpus lies."""
BLIND_BASELINES = ("majority", "position")
"""Those that see no word of text or target."""
PATH_KEYS = ("data.path", "model_dir", "output_dir")


@dataclass(frozen=True, kw_only=True)
class EvaluateArguments:
    """What the command takes; ``configs/evaluate.yaml`` sets the defaults.

    Raises:
        ValueError: if an argument has a value that cannot be right; the message names it.
    """

    corpus: str
    """One of ``stance.corpora.CORPORA``, or ``file``."""
    path: str | None = None
    """A file, directory or glob of documents for ``newsstance`` and ``file``, scored as a whole;
    for other corpora where they lie in their original layout. None takes the corpus' default."""
    split: str | None = "test"
    """The split to score."""
    train_split: str | None = None
    """The split of the corpus that baselines learn from; None: newsstance train."""
    output_dir: str
    """Folder for the files that are written; those of an earlier evaluation are replaced."""
    model_dir: str | None = None
    """Directory of a trained model; None takes the shipped one."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``."""
    labels: Sequence[str] | None = None
    """Labels to choose among, for a corpus that cannot contain the others; None takes all."""
    baselines: Sequence[str] = ("majority", "tfidf_logreg")
    """Baselines to train and score."""
    systems: Sequence[Mapping[str, Any]] = ()
    """Other systems to score on the same pairs, each a ``kind`` with what it needs: ``predictions``
    (``path`` of a file made elsewhere), ``model`` (``model_dir`` of a trained stance model, and a
    ``name`` for it), ``hub`` (``model``, a name or directory, and ``label_names``), ``llm``
    (arguments of ``stance.llm_coder.LlmCoderArguments``)."""
    slices: Sequence[str] = ()
    """Keys of the documents' own by which scores are sliced too, beside target, actor and so on."""
    actors: str | None = None
    """``auto``: also find the actors in each text, and score these and their stances."""
    finders: Sequence[str] = (TAGGER,)
    """What looks for actors: ``tagger``, the model's own, ``spacy:PIPELINE``, ``gliner:MODEL``."""
    robustness: bool = False
    """Also check that the model reads text and target (five more passes over the documents)."""
    baseline_max_pairs: int = 20_000
    """Labelled pairs that baselines learn from at most."""
    seed: int = 0
    """Of the draw of these pairs, and of the intervals."""
    command: str = ""
    """The command line, for the report."""

    def __post_init__(self) -> None:
        for name, values, known in (
            ("labels", self.labels, LABELS),
            ("baselines", self.baselines, BASELINES),
        ):
            for value in values or ():
                if value not in known:
                    raise ValueError(f"{name} has {value!r}; there are {', '.join(known)}")
        if self.labels is not None and (
            len(self.labels) < 2 or len(set(self.labels)) < len(self.labels)
        ):
            raise ValueError(f"labels is {list(self.labels)}; give two or more, each once, or null")
        for system in self.systems:
            if system.get("kind") not in SYSTEM_KINDS:
                raise ValueError(
                    f"systems has the kind {system.get('kind')!r}; there are "
                    f"{', '.join(SYSTEM_KINDS)}"
                )
        if self.actors not in (None, "auto"):
            raise ValueError(f"actors is {self.actors!r}; give auto, or null for those given")
        check_finders(self.finders)
        if list(self.finders) != [TAGGER] and self.actors != "auto":
            raise ValueError("finders look for actors only with actors=auto; give that too")
        if not isinstance(self.robustness, bool):
            raise ValueError(f"robustness is {self.robustness!r}; give true or false")
        if self.baseline_max_pairs < 1:
            raise ValueError(f"baseline_max_pairs is {self.baseline_max_pairs}; give 1 or more")
        if self.corpus == "file" and self.path is None:
            raise ValueError("data=file needs data.path=FILE")

    @property
    def reads_file(self) -> bool:
        """Whether ``path`` names documents and not the place of a corpus."""
        return self.corpus in FILE_CORPORA and self.path is not None


def main() -> None:
    """The console command; what is wrong with arguments or data is one line and exit status 1."""
    sys.argv[1:] = quote_paths(sys.argv[1:], PATH_KEYS)
    run_from_config()


@hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="evaluate")
def run_from_config(config: DictConfig) -> None:
    try:
        hydra_config = HydraConfig.get()
        if config.compare is not None:
            runs = OmegaConf.to_container(config.compare)
            compare_runs(runs, hydra_config.runtime.output_dir, config.seed, Console())
            return
        command = shlex.join(["stance-evaluate", *hydra_config.overrides.task])
        arguments = build_arguments(config, hydra_config.runtime.output_dir)
        evaluate(replace(arguments, command=command), Console())
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from error


def build_arguments(config: DictConfig, output_dir: str) -> EvaluateArguments:
    """Typed arguments from a composed ``evaluate.yaml``.

    Raises:
        ValueError: as ``EvaluateArguments``, or if the corpus has no such split.
    """
    values: Any = OmegaConf.to_container(config, resolve=True)
    data = values.pop("data")
    splits = {key: data.get(key) for key in ("train", "validation", "test")}
    split = values.pop("split")
    values.pop("compare")
    reads_file = data["name"] in FILE_CORPORA and data["path"] is not None
    if split in splits and splits[split] is None and not reads_file:
        there = ", ".join(key for key, name in splits.items() if name is not None)
        raise ValueError(f"data={data['name']} has no {split} split; there is split={there}")
    return EvaluateArguments(
        **values
        | {
            "corpus": data["name"],
            "path": data["path"],
            "split": splits.get(split) or split,
            "train_split": splits["train"],
            "output_dir": output_dir,
        }
    )


def evaluate(arguments: EvaluateArguments, console: Console) -> None:
    """Predict, score, train and score the baselines, write the files, print a table.

    The files are written before other systems are asked, and again with their scores.

    Raises:
        ValueError: for documents that cannot be read or have nothing to score (DocumentError among
            them), an unknown corpus or split, a key to slice by that no document has, or a system
            that cannot be loaded; once all is written, if a system failed.
        OSError: for files that are not there or cannot be written.
    """
    from stance.evaluation import (
        assess_rows,
        check_gold,
        describe_versions,
        predict_pairs,
        score_predictions,
    )
    from stance.faithfulness import measure_faithfulness
    from stance.inference import StanceClassifier
    from stance.robustness import measure_robustness
    from stance.slices import score_slices, tabulate_properties

    documents = load_documents(arguments)
    check_gold(documents, arguments.labels)
    training = load_training(arguments)
    seen = {target.text for document in training.documents for target in document.targets}
    properties = tabulate_properties(documents, seen, arguments.slices)
    others = [load_system(system, documents, arguments) for system in arguments.systems]
    classifier = StanceClassifier.from_pretrained(
        arguments.model_dir, device=arguments.device, finders=arguments.finders
    )
    names = [classifier.name, *arguments.baselines, *(other.name for other in others)]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two systems are called {name!r}; give each another name")
    predictions = predict_pairs(classifier, documents, show_progress=True)
    result = score_predictions(documents, predictions, arguments.labels)
    context: dict[str, Any] = assess_rows(result.rows, arguments.seed)
    console.print("taking evidence out of the texts ...", style="dim")
    context |= measure_faithfulness(classifier, documents, predictions, arguments.seed)
    if arguments.actors == "auto":
        console.print("looking for actors ...", style="dim")
        context |= score_found_actors(classifier, documents, predictions)
    if arguments.robustness:
        console.print("altering texts and targets ...", style="dim")
        context["robustness"] = measure_robustness(
            classifier, documents, predictions, arguments.labels, arguments.seed
        )
        # The best that can be done without reading: what is left with the text removed.
        blind = train_baselines(arguments, training, documents, BLIND_BASELINES)
        best = max(scored.metrics["macro_f1"] for scored in blind.values())
        context["robustness"]["content_free_macro_f1"] = best
    if arguments.baselines:
        console.print(f"training {' and '.join(arguments.baselines)} ...", style="dim")
    baselines = train_baselines(arguments, training, documents, arguments.baselines)
    systems: dict[str, dict[str, Any]] = {}
    slices = score_slices(result.rows, properties)
    context |= {
        "baselines": {
            name: compare_with_model(scored, result, arguments.seed)
            for name, scored in baselines.items()
        },
        "systems": systems,
        "slices": summarise_slices(slices),
        "model": {"name": result.rows[0]["model"], "directory": arguments.model_dir},
        "data": describe_data(arguments, documents),
        "command": arguments.command,
        "versions": describe_versions(),
    }
    files = write_files(arguments.output_dir, result, context, documents, slices)
    for other in others:
        console.print(f"asking {escape(other.name)} ...", style="dim")
        systems[other.name] = score_system(other, documents, result, arguments)
    if others:
        files = write_files(arguments.output_dir, result, context, documents, slices)
    metrics = result.metrics | context
    console.print(describe_scored(metrics), soft_wrap=True)
    console.print(build_table(metrics))
    for note in list_notes(metrics):
        console.print(escape(note))
    for file in files:
        console.print(f"written: {escape(str(file))}", soft_wrap=True)
    failed = [name for name, found in systems.items() if "error" in found]
    if failed:
        raise ValueError(f"no scores of {', '.join(failed)}, see above; all else is written")


def score_found_actors(
    classifier: StanceClassifier,
    documents: Sequence[Document],
    predictions: Sequence[Prediction],
) -> dict[str, Any]:
    """Scores of the actors that are found in the texts, and of their stances; for comparison, under
    ``given_actors``, the same score of stances for the annotated actors."""
    from stance.actor_metrics import score_actors, score_end_to_end
    from stance.evaluation import group_predictions, predict_pairs

    found = list(classifier.find_actors(documents))
    # Authors are given in any case, and are no part of these scores.
    mentioned = [
        document.model_copy(
            update={"actors": tuple(actor for actor in document.actors if not actor.author)}
        )
        for document in found
    ]
    actors = [document.actors for document in mentioned]
    verdicts = group_predictions(mentioned, predict_pairs(classifier, mentioned))
    given = group_predictions(documents, predictions)
    return (
        score_actors([document.actors for document in documents], actors)
        | score_end_to_end(documents, actors, verdicts)
        | {
            "given_actors": score_end_to_end(
                documents, [document.actors for document in documents], given
            )
        }
    )


def train_baselines(
    arguments: EvaluateArguments,
    training: TrainingData,
    documents: Sequence[Document],
    names: Sequence[str],
) -> dict[str, EvaluationResult]:
    """The baselines by name, scored."""
    from stance.evaluation import score_baselines

    return score_baselines(
        names,
        training,
        documents,
        arguments.labels,
        arguments.baseline_max_pairs,
        arguments.seed,
    )


def load_system(
    settings: Mapping[str, Any], documents: Sequence[Document], arguments: EvaluateArguments
) -> Any:
    """Something with ``name``, ``has_probabilities`` and ``predict(documents)``.

    Raises:
        ValueError: if settings are missing or wrong, or a file of predictions does not fit.
    """
    settings = dict(settings)
    kind = settings.pop("kind")
    try:
        if kind == "predictions":
            from stance.foreign_predictions import read_foreign_predictions

            return read_foreign_predictions(documents=documents, **settings)
        if kind == "model":
            from stance.inference import StanceClassifier

            classifier = StanceClassifier.from_pretrained(
                settings.pop("model_dir"), device=arguments.device
            )
            classifier.name = settings.pop("name", classifier.name)
            if settings:
                raise TypeError(f"there is no {', '.join(settings)}")
            return classifier
        if kind == "hub":
            from stance.zero_shot import ZeroShotClassifier

            name = settings.pop("model")
            return ZeroShotClassifier.from_pretrained(name, device=arguments.device, **settings)
        from stance.llm_coder import LlmCoder, LlmCoderArguments

        cache = Path(arguments.output_dir) / ANSWERS_FILE
        return LlmCoder(LlmCoderArguments(**{"cache_file": cache} | settings))
    except (TypeError, KeyError) as error:
        raise ValueError(f"systems, kind {kind}: {error}; see configs/evaluate.yaml") from error


def score_system(
    system: Any,
    documents: Sequence[Document],
    model: EvaluationResult,
    arguments: EvaluateArguments,
) -> dict[str, Any]:
    """A system's entry in metrics.json: its scores, or as ``error`` why there are none."""
    from stance.evaluation import predict_pairs, score_predictions

    try:
        predictions = predict_pairs(
            system,
            documents,
            show_progress=True,
            documents_per_call=SYSTEM_DOCUMENTS_PER_CALL,
        )
        scored = score_predictions(documents, predictions, arguments.labels)
        entry = compare_with_model(scored, model, arguments.seed)
    except (ValueError, OSError) as error:
        return {"error": " ".join(str(error).split())}
    except Exception as error:  # whatever comes up in the code of others, it costs only their row
        logger.exception("%s failed", system.name)
        return {"error": " ".join(f"{type(error).__name__}: {error}".split())}
    return entry if system.has_probabilities else entry | dict.fromkeys(PROBABILISTIC)


def compare_runs(runs: Any, output_dir: str, seed: int, console: Console) -> None:
    """Compare two evaluations by their folders, write comparison.json and print it in words.

    Raises:
        ValueError: if there are not two, or they were not scored on the same pairs.
        OSError: if a folder has no predictions.
    """
    from stance.comparison import COMPARED, compare_predictions
    from stance.evaluation import PREDICTIONS_FILE

    if not isinstance(runs, list) or len(runs) != 2:
        raise ValueError(f"compare is {runs!r}; give the folders of two evaluations")
    rows = []
    for run in runs:
        file = Path(run) / PREDICTIONS_FILE
        if not file.is_file():
            raise ValueError(
                f"compare: there is no {file}; give the output_dir of an evaluation, which has it"
            )
        lines = file.read_text(encoding="utf-8").splitlines()
        rows.append([json.loads(line) for line in lines])
    result = {"first_run": runs[0], "second_run": runs[1]} | compare_predictions(*rows, seed=seed)
    file = Path(output_dir) / COMPARISON_FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(result, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    for name in COMPARED:
        found = result[name]
        line = f"{name}: {found['first']:.3f} and {found['second']:.3f}"
        console.print(line + describe_difference(found), soft_wrap=True)
    console.print(
        f"of {result['n']:,} pairs in {result['documents']:,} texts, only the first is right in "
        f"{result['only_first_right']:,}, only the second in {result['only_second_right']:,}"
    )
    console.print(f"written: {escape(str(file))}", soft_wrap=True)


def compare_with_model(
    system: EvaluationResult, model: EvaluationResult, seed: int
) -> dict[str, Any]:
    """A system's metrics with intervals, and as ``against_model`` what the model has over it."""
    from stance.comparison import compare_predictions
    from stance.evaluation import assess_rows

    compared = compare_predictions(system.rows, model.rows, seed=seed)
    return system.metrics | assess_rows(system.rows, seed) | {"against_model": compared}


def summarise_slices(slices: Sequence[Slice]) -> dict[str, dict[str, Any]]:
    """By property, for metrics.json: the slices that are not small, and how many are."""
    summary: dict[str, dict[str, Any]] = {}
    for one in slices:
        entry = summary.setdefault(one.property, {"values": [], "small": 0})
        if one.small:
            entry["small"] += 1
        else:
            entry["values"].append(asdict(one))
    return summary


def write_files(
    output_dir: str,
    result: EvaluationResult,
    context: dict[str, Any],
    documents: Sequence[Document],
    slices: Sequence[Slice],
) -> list[Path]:
    """Write metrics.json, predictions.jsonl, the table of slices and the report; their paths."""
    from stance.evaluation import write_evaluation
    from stance.report import REPORT_FILE, write_report

    files = [*write_evaluation(result, output_dir, context)]
    files += [Path(output_dir) / name for name in (SLICES_FILE, REPORT_FILE)]
    write_slices(files[-2], slices)
    write_report(files[-1], result.metrics | context, result.rows, documents, slices)
    return files


def write_slices(path: Path, slices: Sequence[Slice]) -> None:
    """All slices as a table that spreadsheet programs open."""
    import pandas as pd

    pd.DataFrame([asdict(one) for one in slices]).to_csv(path, index=False, encoding="utf-8-sig")


def load_documents(arguments: EvaluateArguments) -> list[Document]:
    """The documents to score; errors as ``evaluate``."""
    if arguments.reads_file:
        from stance.documents import read_documents

        assert arguments.path is not None
        return read_documents(arguments.path)
    from stance.corpora import load_corpus

    return load_corpus(arguments.corpus, arguments.split, arguments.path)


def load_training(arguments: EvaluateArguments) -> TrainingData:
    """What the baselines learn from: the corpus' own training split where it has one."""
    from stance.corpora import load_corpus
    from stance.evaluation import TrainingData

    corpus, split, path = "newsstance", "train", None
    if not arguments.reads_file and arguments.train_split is not None:
        corpus, split, path = arguments.corpus, arguments.train_split, arguments.path
    return TrainingData(corpus, split, load_corpus(corpus, split, path))


def describe_data(
    arguments: EvaluateArguments, documents: Sequence[Document]
) -> dict[str, str | None]:
    """What was scored, with a SHA-256 of the file or, for a corpus, of its documents."""
    from stance.evaluation import hash_documents, hash_file

    is_file = arguments.reads_file and Path(str(arguments.path)).is_file()
    return {
        "corpus": None if arguments.reads_file else arguments.corpus,
        "path": arguments.path,
        "split": None if arguments.reads_file else arguments.split,
        "sha256": hash_file(str(arguments.path)) if is_file else hash_documents(documents),
        "sha256_of": "file" if is_file else "documents",
    }
