"""``stance-predict``: documents in, one row per text x actor x target out."""

from __future__ import annotations

import difflib
import glob
import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from itertools import chain, islice, product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, NoReturn, cast

import hydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console

from stance import __version__
from stance.batch_prediction import (
    PredictionRun,
    PredictionStoppedError,
    RecordErrors,
    RejectFile,
    predict_documents,
)
from stance.commands.overrides import quote_path
from stance.documents import TripleColumns, iter_documents
from stance.encodings import DocumentError, detect_encoding
from stance.entity_recognition import TAGGER, FinderError, check_finders
from stance.inference import AUTO
from stance.locations import config_dir, default_model_dir
from stance.prediction_files import (
    ENDINGS,
    PAGE_ENDING,
    PredictionFileError,
    PredictionWriter,
    RowWriter,
    check_output,
    open_rows,
    open_writer,
)
from stance.prediction_shards import ShardMark, ShardWriter
from stance.prediction_table import print_predictions
from stance.remote_files import copy_inputs, is_remote, rename_file
from stance.run_manifest import (
    RunManifest,
    check_run,
    describe_files,
    describe_model,
    manifest_of,
)
from stance.schema import Document

if TYPE_CHECKING:
    from stance.gazetteer import KnownActor
    from stance.inference import StanceClassifier

logger = logging.getLogger(__name__)

TEXT_KEYS = ("input", "targets", "actors", "gazetteer", "output", "model_dir")
EXIT_DATA, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130
NOT_ASKED = ("output", "overwrite", "on_error", "show", "show_texts", "ray_workers")
"""Arguments that may change when an interrupted run goes on."""


class UsageError(ValueError):
    """An argument is missing or wrong; the message names it and says what would be right."""


@dataclass(frozen=True, kw_only=True)
class PredictArguments:
    """What the command takes; ``configs/predict.yaml`` sets the defaults.

    Raises:
        UsageError: if an argument has the wrong type or value, or contradicts another.
    """

    input: str | Sequence[str] | None = None
    """File, directory or glob of documents, or a list of these."""
    targets: str | Sequence[str] | None = None
    """Target texts, or a text file with one a line; None takes those of the documents."""
    actors: str | Sequence[str] | None = None
    """Names of actors, or a text file with one a line; ``auto`` finds them in the texts; None takes
    those of the documents, and finds them for documents without."""
    gazetteer: str | None = None
    """CSV file of known actors (name, kind, aliases, id, adjective), looked for as well."""
    finders: Sequence[str] = field(default_factory=lambda: [TAGGER])
    """What looks for actors: ``tagger``, the model's own, ``spacy:PIPELINE``, ``gliner:MODEL``."""
    author_actor: bool = False
    """Ask for the author of each text as well."""
    output: str | None = None
    """The file of rows, .jsonl, .csv or .parquet, or a page to read, .html; None only shows a
    table."""
    shard_rows: int | None = None
    """Make ``output`` a folder of files of so many rows, and a few more; None makes one file (with
    ``engine=ray`` always a folder)."""
    overwrite: bool = False
    """Replace ``output`` where it exists."""
    on_error: str = "stop"
    """``stop`` at a bad record, or ``skip`` it and note it in ``<output>.rejects.jsonl``."""
    show: bool = False
    """Print a table of who stands where for the first texts."""
    show_texts: int = 20
    """How many texts the table shows."""
    columns: Mapping[str, str | None] | None = None
    """Names of the columns of flat triples, by field (text, actor, target, ...)."""
    model_dir: str | None = None
    """Directory of a trained model; None takes the shipped one."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``."""
    abstain_below: float | None = None
    """Mark verdicts with a lower confidence as abstained."""
    precision: float | None = None
    """Instead: mark those below the confidence that gave this share of right verdicts on the
    model's validation data."""
    engine: str = "local"
    """``local``, or ``ray``: the workers of a cluster, see ``stance.ray_engine``; ``input`` and
    ``output`` may then be URLs."""
    ray_workers: int = 2
    """How many workers predict at a time."""
    ray_cpus: float = 1
    """CPU cores of each."""
    ray_gpus: float = 0
    """GPUs of each; several may share one, such as with 0.5."""

    def __post_init__(self) -> None:
        if not self.input:
            raise UsageError("input is missing; give input=PATH, a file, directory or glob")
        for name in ("input", "targets", "actors"):
            value = getattr(self, name)
            texts = [value] if isinstance(value, str) else value
            if texts is not None and not (
                isinstance(texts, Sequence) and all(isinstance(text, str) for text in texts)
            ):
                raise UsageError(
                    f"{name} is {value!r}; give a text or a list of texts, "
                    f"""such as {name}='["...", "..."]'"""
                )
        try:
            check_finders(self.finders)
        except FinderError as error:
            raise UsageError(str(error)) from error
        for name in ("output", "model_dir", "gazetteer"):
            if not isinstance(getattr(self, name), str | None):
                raise UsageError(f"{name} is {getattr(self, name)!r}; give a path or null")
        for name in ("author_actor", "overwrite", "show"):
            if not isinstance(getattr(self, name), bool):
                raise UsageError(f"{name} is {getattr(self, name)!r}; give true or false")
        if self.on_error not in ("stop", "skip"):
            raise UsageError(f"on_error is {self.on_error!r}; give stop or skip")
        for name in ("abstain_below", "precision"):
            value = getattr(self, name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
                raise UsageError(f"{name} is {value!r}; give a number above 0, at most 1, or null")
        if self.abstain_below is not None and self.precision is not None:
            raise UsageError("abstain_below and precision are both given; give one of them")
        if type(self.show_texts) is not int or self.show_texts < 1:
            raise UsageError(f"show_texts is {self.show_texts!r}; give a number from 1 up")
        self._check_shards()
        self._check_engine()

    def _check_shards(self) -> None:
        if self.shard_rows is None:
            return
        if type(self.shard_rows) is not int or self.shard_rows < 1:
            raise UsageError(f"shard_rows is {self.shard_rows!r}; give a number from 1 up, or null")
        if self.output is None or self.output.lower().endswith(PAGE_ENDING):
            raise UsageError(
                f"shard_rows needs an output of rows; give output=NAME with {' or '.join(ENDINGS)}"
            )

    def _check_engine(self) -> None:
        if self.engine == "local":
            inputs = [self.input] if isinstance(self.input, str) else self.input or ()
            for path in (*inputs, self.output or ""):
                if is_remote(path):
                    raise UsageError(f"{path} is no local file; engine=ray takes URLs")
            return
        if self.engine != "ray":
            raise UsageError(f"engine is {self.engine!r}; give local or ray")
        if self.output is None or not self.output.lower().endswith(ENDINGS):
            raise UsageError(
                f"engine=ray writes rows; give output=NAME with {' or '.join(ENDINGS)}, or leave "
                "the engine out for a table or a page"
            )
        if self.show:
            raise UsageError("show=true and engine=ray are both given; leave one of them out")
        if type(self.ray_workers) is not int or self.ray_workers < 1:
            raise UsageError(f"ray_workers is {self.ray_workers!r}; give a number from 1 up")
        for name, least in (("ray_cpus", "above 0"), ("ray_gpus", "from 0 up")):
            value = getattr(self, name)
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or value < 0 or (name == "ray_cpus" and value == 0):
                raise UsageError(f"{name} is {value!r}; give a number {least}")
        if self.device.startswith("cuda") and not self.ray_gpus:
            raise UsageError("device=cuda with engine=ray needs ray_gpus, such as 1")


def main() -> None:
    """The console command: read the command line, run, and end with 0, 1 (data) or 2 (usage)."""
    try:
        sys.argv[1:] = quote_overrides(sys.argv[1:])
    except UsageError as error:
        fail(error, EXIT_USAGE)
    run_from_config()


@hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="predict")
def run_from_config(config: DictConfig) -> None:
    try:
        predict(build_arguments(config))
    except UsageError as error:
        fail(error, EXIT_USAGE)
    except (PredictionStoppedError, PredictionFileError, DocumentError, OSError) as error:
        fail(error, EXIT_DATA)
    except KeyboardInterrupt:
        is_page = str(config.output).lower().endswith(PAGE_ENDING)
        is_resumable = config.output and not is_page and config.engine == "local"
        hint = "; the same command goes on with them" if is_resumable else ""
        fail(f"interrupted; the rows written so far are kept{hint}", EXIT_INTERRUPTED)


def fail(error: Exception | str, code: int) -> NoReturn:
    """One line on stderr, no traceback."""
    print("error:", " ".join(str(error).split()), file=sys.stderr)
    raise SystemExit(code)


def quote_overrides(overrides: Sequence[str]) -> list[str]:
    """The command line with plain texts quoted for Hydra.

    Hydra's grammar takes ``input=Übersicht.txt`` or ``targets=Ja, sofort.`` for mistakes unless
    the value is in quotes inside the shell's quotes; these arguments are texts in any case.

    Raises:
        UsageError: if an override cannot be parsed or names an argument that does not exist.
    """
    quoted = []
    sweep = {"-m", "--multirun"} & set(overrides)
    known = {field.name for field in fields(PredictArguments)} | {"hydra"}
    for override in overrides:
        key, equals, _ = override.partition("=")
        if not equals or override.startswith("-"):
            quoted.append(override)
            continue
        if not sweep:
            override = quote_path(override, TEXT_KEYS)
        try:
            parsed = OverridesParser.create().parse_override(override)
        except HydraException as error:
            raise UsageError(
                f"cannot read {override}; put a list in single quotes and each text in it in "
                f"""double quotes: {key}='["...", "..."]'"""
            ) from error
        name = parsed.key_or_group.partition(".")[0].partition("/")[0]
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known))}"
            raise UsageError(f"there is no argument {name!r}; {hint}")
        quoted.append(override)
    return quoted


def build_arguments(config: DictConfig) -> PredictArguments:
    """Typed arguments from a composed ``predict.yaml``.

    Raises:
        UsageError: as ``PredictArguments``, and for values that cannot be resolved.
    """
    try:
        values: Any = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        raise UsageError(str(error)) from error
    return PredictArguments(**values)


def predict(arguments: PredictArguments) -> None:
    """Run the command.

    Raises:
        UsageError: if arguments do not fit the files that they name.
        PredictionFileError: if a prediction cannot be written as a row.
        DocumentError: if the first document cannot be read; nothing is written then.
        PredictionStoppedError: if a later one cannot; the rows before it are written.
    """
    targets = read_texts(arguments.targets, "targets")
    finds_all = arguments.actors == AUTO
    actors = None if finds_all else read_texts(arguments.actors, "actors")
    if arguments.gazetteer is not None and actors is not None:
        raise UsageError(
            "actors and gazetteer are both given; give actors=auto, or leave the gazetteer out"
        )
    if list(arguments.finders) != [TAGGER] and actors is not None:
        raise UsageError(
            "actors and finders are both given; give actors=auto, or leave the finders out"
        )
    if arguments.engine == "ray":
        predict_on_cluster(arguments, targets, actors)
        return
    output = None if arguments.output is None else Path(arguments.output)
    inputs = [arguments.input] if isinstance(arguments.input, str) else list(arguments.input or ())
    rejects = RejectFile(None)
    manifest = None
    if output is not None:
        rejects = RejectFile(output.with_name(output.name + ".rejects.jsonl"))
        manifest = open_manifest(arguments, output, rejects, inputs, targets, actors)
        rejects.reasons = manifest.to_reasons()
    run = PredictionRun() if manifest is None else manifest.to_run()
    errors = RecordErrors(rejects, arguments.on_error == "stop", known=rejects.invalid)
    documents = open_documents(inputs, arguments.columns, errors)
    if output is None:
        documents = islice(documents, arguments.show_texts + 1)
    classifier = load_classifier(arguments)
    find = choose_search(finds_all, actors, classifier)
    ask_all = partial(
        predict_documents,
        classifier,
        targets=targets,
        actors=actors,
        find=find,
        author_actor=arguments.author_actor,
        on_reject=rejects.add if arguments.on_error == "skip" else None,
        on_nobody=rejects.add,
        run=run,
        keep=arguments.show_texts if arguments.show or output is None else 0,
    )
    try:
        if manifest is None or output is None:
            errors.begin()
            ask_all(documents)
        else:
            write_rows(output, manifest, run, documents, errors, ask_all, arguments.shard_rows)
    except PredictionStoppedError as error:
        if manifest is not None:
            manifest.stop(run, rejects, str(error))
        report_run(run, output, rejects)
        raise
    report_run(run, output, rejects)
    if manifest is not None:
        logger.info("%s", manifest.counts)


def choose_search(
    finds_all: bool, actors: Sequence[str] | None, classifier: StanceClassifier
) -> Literal["all", "missing"] | None:
    """In which texts actors are looked for; raises ``UsageError`` if the model cannot."""
    if finds_all and not classifier.finds_actors:
        raise UsageError(
            "actors=auto: this model has no tagger; give the actors, train one with "
            "stance-train-tagger, or let others find them, such as "
            "finders=[spacy:de_core_news_lg]"
        )
    if finds_all:
        return "all"
    return "missing" if actors is None and classifier.finds_actors else None


def predict_on_cluster(
    arguments: PredictArguments, targets: Sequence[str] | None, actors: Sequence[str] | None
) -> None:
    """Run the command with ``engine=ray``; raises as ``predict``."""
    from stance.evaluation import describe_versions

    try:
        import ray.data  # noqa: F401, it may be there without its part for data

        from stance import ray_engine
    except ImportError as error:
        raise UsageError(f"engine=ray: {error}; pip install 'stance[ray]'") from error
    assert arguments.output is not None
    given = [arguments.input] if isinstance(arguments.input, str) else list(arguments.input or ())
    finds_all = arguments.actors == AUTO
    check_apart([Path(arguments.output)], given)
    with TemporaryDirectory() as folder:
        inputs = copy_inputs(given, Path(folder))
        # Here as well, so that a mistake is told before the cluster begins.
        errors = RecordErrors(RejectFile(None), arguments.on_error == "stop")
        try:
            open_documents(inputs.paths, arguments.columns, errors)
        except DocumentError as error:
            raise rename_file(error, inputs.names) from None
        classifier = load_classifier(replace(arguments, device="cpu"))
        find = choose_search(finds_all, actors, classifier)
        question = build_question(arguments, inputs.paths, targets, actors)
        question["input"]["paths"] = given
        try:
            ray_engine.clear_output(arguments.output, arguments.overwrite)
        except ValueError as error:
            raise UsageError(str(error)) from error
        manifest = ray_engine.predict_with_ray(
            inputs,
            arguments.output,
            partial(load_for_worker, arguments, classifier.gazetteer),
            ray_engine.Questions(
                targets=targets,
                actors=actors,
                find=find,
                author_actor=arguments.author_actor,
                skip=arguments.on_error == "skip",
            ),
            columns=build_columns(arguments.columns),
            workers=arguments.ray_workers,
            cpus=arguments.ray_cpus,
            gpus=arguments.ray_gpus,
            rows_per_shard=arguments.shard_rows,
            question=question,
            versions=describe_versions(),
        )
    logger.info("%s, in %s", manifest.counts, arguments.output)


def load_for_worker(
    arguments: PredictArguments, gazetteer: Sequence[KnownActor]
) -> StanceClassifier:
    """The model in a process that may not have the gazetteer's file."""
    model_dir = arguments.model_dir and str(Path(arguments.model_dir).absolute())
    classifier = load_classifier(replace(arguments, gazetteer=None, model_dir=model_dir))
    classifier.gazetteer = tuple(gazetteer)
    return classifier


def open_manifest(
    arguments: PredictArguments,
    output: Path,
    rejects: RejectFile,
    inputs: Sequence[str],
    targets: Sequence[str] | None,
    actors: Sequence[str] | None,
) -> RunManifest:
    """The manifest of the run, of a new one or one that goes on; nothing is written yet.

    Raises:
        UsageError: if the output cannot be begun, or not gone on with.
        DocumentError: if there is no input.
    """
    from stance.evaluation import describe_versions

    try:
        check_output(output, overwrite=True, sharded=arguments.shard_rows is not None)
        check_apart([output, *([rejects.path] if rejects.path else [])], inputs)
        question = build_question(arguments, inputs, targets, actors)
        if not arguments.overwrite:
            check_run(output, question)
            if not manifest_of(output).exists() and rejects.path and rejects.path.exists():
                raise UsageError(f"{rejects.path} exists; move it away or set overwrite=true")
    except PredictionFileError as error:
        raise UsageError(str(error)) from error
    return RunManifest.begin(output, question, describe_versions(), arguments.overwrite)


def build_question(
    arguments: PredictArguments,
    inputs: Sequence[str],
    targets: Sequence[str] | None,
    actors: Sequence[str] | None,
) -> dict[str, Any]:
    """All that decides about the rows, as JSON has it."""
    from stance.evaluation import hash_file

    model_dir = default_model_dir() if arguments.model_dir is None else Path(arguments.model_dir)
    gazetteer = arguments.gazetteer
    question = {name: value for name, value in asdict(arguments).items() if name not in NOT_ASKED}
    question |= {
        "input": describe_files(inputs),
        "targets": targets,
        "actors": AUTO if arguments.actors == AUTO else actors,
        # What is not there is told of when it is loaded.
        "gazetteer": hash_file(gazetteer) if gazetteer and is_file(gazetteer) else None,
        "model_dir": describe_model(model_dir) if model_dir.is_dir() else None,
        "stance": __version__,
    }
    return cast("dict[str, Any]", json.loads(json.dumps(question)))


def write_rows(
    output: Path,
    manifest: RunManifest,
    run: PredictionRun,
    documents: Iterator[Document],
    errors: RecordErrors,
    ask_all: Callable[..., PredictionRun],
    shard_rows: int | None,
) -> None:
    """Write the rows of all documents that are not done yet, and keep the manifest.

    Raises:
        PredictionStoppedError: as ``predict_documents``.
    """
    writer: PredictionWriter
    progress, rejects = manifest.progress, errors.rejects
    on_portion: Callable[[PredictionRun], None] | None = None
    if output.suffix.lower() == PAGE_ENDING:
        writer = open_writer(output, overwrite=True)
    else:
        if progress is None:
            manifest.save()  # before there is an output, so that none is without
        mark = progress.output if progress else None
        rows: ShardWriter | RowWriter
        if shard_rows is not None:
            assert not isinstance(mark, int), "the question tells shards from a file"
            rows = ShardWriter(output, shard_rows, mark)
        else:
            assert not isinstance(mark, ShardMark), "the question tells shards from a file"
            rows = open_rows(output, mark)
        writer = rows

        def on_portion(run: PredictionRun) -> None:
            manifest.note(run, rejects, rows.save())

    with writer:
        rejects.cut(progress.rejects if progress else 0)
        if run.documents:
            logger.info("going on after %d documents, %d rows", run.documents, run.rows)
        for _ in islice(documents, run.documents):
            pass
        errors.begin()
        ask_all(documents, writer, on_portion=on_portion)
    manifest.finish(run, rejects)


def report_run(run: PredictionRun, output: Path | None, rejects: RejectFile) -> None:
    """Show the table that ``run`` kept texts for, and log the counts."""
    if run.first:
        print_predictions(run.first, Console())
    if run.first and run.texts > len(run.first):
        more = "give output=FILE for all" if output is None else f"all are in {output}"
        logger.info("the table shows the first %d texts; %s", len(run.first), more)
    if run.marked_rows:
        logger.warning("%d rows carry a warning", run.marked_rows)
    if rejects.count:
        logger.warning("%d records left out, see %s", rejects.count, rejects.path or "the log")
    if output is not None:
        logger.info("%d rows of %d texts in %s", run.rows, run.texts, output)


def load_classifier(arguments: PredictArguments) -> StanceClassifier:
    """The trained model; raises ``UsageError`` if there is none that works."""
    from safetensors import SafetensorError

    from stance.inference import StanceClassifier

    try:
        return StanceClassifier.from_pretrained(
            arguments.model_dir,
            device=arguments.device,
            abstain_below=arguments.abstain_below,
            precision=arguments.precision,
            gazetteer=arguments.gazetteer,
            finders=arguments.finders,
        )
    except FinderError as error:
        raise UsageError(str(error)) from error
    except DocumentError as error:
        raise UsageError(f"gazetteer: {error}") from error
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        model_dir = arguments.model_dir
        where = "the shipped model" if model_dir is None else f"model_dir {model_dir}"
        raise UsageError(f"{where} cannot be loaded: {error}") from error


def open_documents(
    inputs: Sequence[str],
    columns: Mapping[str, str | None] | None,
    errors: RecordErrors,
) -> Iterator[Document]:
    """The documents of all inputs; the first one is read at once, to see that there is one.

    Raises:
        DocumentError: if the first document cannot be read, or there is none.
        UsageError: if a column mapping names an unknown field.
    """
    documents = iter_documents(inputs, columns=build_columns(columns), on_error=errors)
    first = next(documents, None)
    if first is None:
        for error in errors.waiting or ():
            logger.warning("left out: %s", error)
        raise DocumentError(f"no documents in {', '.join(inputs)}")
    return chain([first], documents)


def build_columns(columns: Mapping[str, str | None] | None) -> TripleColumns | None:
    known = [field.name for field in fields(TripleColumns)]
    for name, column in (columns or {}).items():
        if name not in known or not isinstance(column, str | None):
            raise UsageError(
                f"columns.{name} is {column!r}; give the name of a column for one of {known}"
            )
    return TripleColumns(**columns) if columns else None


def read_texts(value: str | Sequence[str] | None, name: str) -> list[str] | None:
    """Targets or actors: a list, one text, or the lines of the text file that ``value`` names.

    Raises:
        UsageError: if there are none, one is empty, or one is there twice.
        DocumentError: if the file cannot be read.
    """
    if value is None:
        return None
    texts = list(value) if not isinstance(value, str) else [value]
    if isinstance(value, str) and is_file(value):
        name = f"{name} in {value}"
        path = Path(value)
        lines = path.read_text(encoding=detect_encoding(path)).splitlines()
        texts = [line for line in lines if line.strip()]
    elif isinstance(value, str) and value.lower().endswith(".txt"):
        raise UsageError(f"{name}: there is no file {value}")
    texts = [text.strip() for text in texts]
    if not texts or not all(texts):
        what = "an empty text" if texts else "no text"
        raise UsageError(f"{name}: {what}; give texts, or null for those of the documents")
    repeated = next((text for n, text in enumerate(texts) if text in texts[:n]), None)
    if repeated is not None:
        raise UsageError(f"{name}: {repeated!r} is there twice; give each once")
    return texts


def is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # a long sentence is no valid file name
        return False


def check_apart(outputs: Sequence[Path], inputs: Iterable[str]) -> None:
    """See that no output is among the input, now or in a second run.

    Raises:
        UsageError: if one of ``outputs`` is an input, or lies where the input is looked for.
    """
    for output, pattern in product(outputs, inputs):
        place = output.resolve()
        for name in [pattern, *glob.glob(pattern, recursive=True)]:  # noqa: PTH207
            path = Path(name).resolve()
            if path == place or place in path.parents:
                raise UsageError(f"output {output} is also an input; choose another path")
            if path.is_dir() and path in place.parents:
                raise UsageError(
                    f"output {output} lies in the input directory {name}, where the next run would "
                    "read it; choose a path outside"
                )
        if glob.has_magic(pattern) and output.absolute().match(str(Path(pattern).absolute())):
            raise UsageError(
                f"output {output} fits the input {pattern}, by which the next run would read it; "
                "choose a path in another folder"
            )
