"""How fast the classifier is on a CPU, as ratios that were measured in one run on one machine.

It is compared with what a user of Hugging Face does: a text-classification pipeline that is called
once for each actor, with the same encoder and a head on its first token. Seconds depend on the
machine, so all variants read the same texts in turn, several times, and their medians are put in
proportion. How much of the machine is used at all, ``stance.peak_share`` tells.

The package has no int8 inference, so there are no numbers on it.
"""

from __future__ import annotations

import logging
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from stance.documents import write_documents
from stance.examples import build_examples
from stance.features import build_features
from stance.inference import AUTO, StanceClassifier
from stance.peak_share import measure_peak_shares, time_call
from stance.schema import LABELS, Actor, Document, Mention
from stance.sentences import split_sentences

logger = logging.getLogger(__name__)

PAGE_CHARACTERS, LONG_CHARACTERS = 1_400, 7_000
HEADLINE = "page, 5 actors"
"""The workload whose ratios are the named ones."""
PREDICT = "from stance.commands.predict import main; main()"
PREDICT_AND_TELL_MEMORY = (
    "import atexit; from stance.benchmark import read_peak_memory; "
    f"atexit.register(lambda: print(read_peak_memory())); {PREDICT}"
)
TIME_IMPORT = (
    "from time import perf_counter; start = perf_counter(); "
    "import stance; print(perf_counter() - start)"
)

Read = Callable[[Sequence[Document]], object]


@dataclass(frozen=True)
class Profile:
    """How much is measured.

    Attributes:
        texts: of each workload.
        rounds: how often each variant reads them.
        streamed: how many short texts the batch job predicts, few and many, for the memory.
        memory_key: the name of the ratio of the two.
        starts: how often a fresh process is started.
    """

    texts: int
    rounds: int
    streamed: tuple[int, int]
    memory_key: str
    starts: int


PROFILES = {
    "quick": Profile(4, 3, (200, 2_000), "memory_ratio_2k_200", starts=3),
    "full": Profile(32, 5, (1_000, 20_000), "memory_ratio_20k_1k", starts=5),
}


def run_benchmark(
    documents: Sequence[Document], profile: Profile, model_dir: Path
) -> dict[str, Any]:
    """All measurements, ready for JSON.

    Args:
        documents: with mentions and targets; the workloads are built of them.

    Returns:
        - ``speedup_vs_pipeline_fp32``, ``speedup_vs_padded_pipeline_fp32``: how many times as many
          texts a second the classifier reads as the pipeline, and as the pipeline that pads to the
          longest window, on ``HEADLINE``; all are in fp32.
        - ``auto_cost_ratio``: seconds with ``actors=auto`` over those with given actors, on the
          same texts with one target each; None for a model without a tagger.
        - ``peak_share_inference``, ``peak_share_training``, ``peak_gflops``: see
          ``stance.peak_share``.
        - ``profile.memory_key``: peak memory of a batch job of many texts over that of few;
          ``memory_texts`` has how many, ``memory_mb`` the two peaks.
        - ``cold_start_s``: from start to end of ``stance-predict`` on one text, which it ends with
          its first prediction; ``import_s``: of ``import stance`` in a fresh process.
        - ``workloads``: see ``measure_workload``; ``machine``, ``model``: in words.

    Raises:
        FileNotFoundError, ValueError: if there is no stance model in ``model_dir``.
        ChildProcessError: if the command fails in a process of its own.
    """
    draw = random.Random(0)
    classifier = StanceClassifier.from_pretrained(model_dir, device="cpu")
    variants: dict[str, Read] = {"classifier": classifier.predict, **build_pipelines(classifier)}
    auto: dict[str, Read] = {}
    if classifier.finds_actors:
        auto["classifier_auto"] = lambda texts: classifier.predict(texts, actors=AUTO)
    else:
        logger.warning("actors=auto is not measured: the model has no tagger")

    workloads = build_workloads(documents, profile.texts, draw)
    table = {}
    for name, texts in workloads.items():
        logger.info("reading %d texts: %s", len(texts), name)
        asked = variants | auto if name == HEADLINE else variants
        table[name] = measure_workload(asked, texts, profile.rounds, classifier)
    headline = table[HEADLINE]
    seconds = headline["seconds"]

    logger.info("measuring the share of the peak")
    shares = measure_peak_shares(classifier, profile.rounds)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        logger.info("starting fresh processes")
        text = workloads[HEADLINE][0]
        cold_start = statistics.median(
            time_call(lambda: run_predict(PREDICT, [text], model_dir, folder))
            for _ in range(profile.starts)
        )
        imports = [float(run_python(TIME_IMPORT, [], folder)) for _ in range(profile.starts)]
        logger.info("measuring memory with %d and %d texts", *profile.streamed)
        comments = make_comments(documents, profile.streamed[1], draw)
        memory = [measure_memory(comments[:count], model_dir, folder) for count in profile.streamed]
    return {
        "machine": describe_machine(),
        "model": classifier.name,
        "speedup_vs_pipeline_fp32": headline["speedup_vs_pipeline"],
        "speedup_vs_padded_pipeline_fp32": headline["speedup_vs_padded_pipeline"],
        "auto_cost_ratio": seconds["classifier_auto"] / seconds["classifier"] if auto else None,
        **shares,
        profile.memory_key: memory[1] / memory[0],
        "memory_texts": list(profile.streamed),
        "memory_mb": memory,
        "cold_start_s": cold_start,
        "import_s": statistics.median(imports),
        "workloads": table,
    }


# Workloads


def build_workloads(
    documents: Sequence[Document], count: int, draw: random.Random
) -> dict[str, list[Document]]:
    """Texts by kind, each with one target. Pages and long reports are documents one after the
    other, with some of the actors that these have."""
    shapes = {f"page, {actors} actors": (PAGE_CHARACTERS, actors) for actors in (3, 5, 8)}
    shapes["long report, 5 actors"] = (LONG_CHARACTERS, 5)
    return {"comment, 1 actor": make_comments(documents, count, draw)} | {
        name: [
            join_documents(documents, f"d{number}", characters, actors, draw)
            for number in range(count)
        ]
        for name, (characters, actors) in shapes.items()
    }


def make_comments(documents: Sequence[Document], count: int, draw: random.Random) -> list[Document]:
    """Different short texts: a sentence that names somebody, and one of another document."""
    named = [
        (document, actor, document.text[start:end].strip())
        for document in documents
        for actor in document.actors
        if actor.mentions
        for start, end in split_sentences(document.text)
        if start <= actor.mentions[0].start and actor.mentions[0].end <= end
    ]
    others = [
        document.text[start:end].strip()
        for document in documents
        for start, end in split_sentences(document.text)
    ]
    comments: dict[str, Document] = {}
    while len(comments) < count:
        document, actor, sentence = draw.choice(named)
        text = f"{sentence} {draw.choice(others)}"
        if text in comments:  # equal texts would be read once
            continue
        form = document.text[actor.mentions[0].start : actor.mentions[0].end]
        start = text.index(form)
        mention = Mention(start=start, end=start + len(form))
        comments[text] = Document(
            id=f"c{len(comments)}",
            text=text,
            actors=(actor.model_copy(update={"mentions": (mention,)}),),
            targets=document.targets[:1],
        )
    return list(comments.values())


def join_documents(
    documents: Sequence[Document], name: str, characters: int, actors: int, draw: random.Random
) -> Document:
    """Documents in random order, one after the other, as far as they fit into so many characters.
    The actors are taken evenly from all of the text; the target is that of the first document.

    Raises:
        ValueError: if the text does not name so many actors.
    """
    text = ""
    parts: list[Document] = []
    found: dict[str, Actor] = {}
    for part in draw.sample(list(documents), len(documents)):
        shift = len(text)
        # Long documents would leave no room for others, and so for more actors; documents of the
        # same actors are variants of one text.
        named = [actor for actor in part.actors if actor.mentions]
        if len(part.text) > min(characters // 3, characters - shift):
            continue
        if any(actor.name in found for actor in named):
            continue
        text += part.text.rstrip() + "\n\n"
        for actor in named:
            mentions = tuple(
                Mention(start=m.start + shift, end=m.end + shift) for m in actor.mentions
            )
            update = {"id": f"d{len(parts)}{actor.id}", "mentions": mentions}
            found[actor.name] = actor.model_copy(update=update)
        parts.append(part)
    if len(found) < actors:
        raise ValueError(f"{len(parts)} documents name fewer than {actors} actors")
    ordered = sorted(found.values(), key=lambda actor: actor.mentions[0].start)
    chosen = [ordered[len(ordered) * place // actors] for place in range(actors)]
    return Document(id=name, text=text.rstrip(), actors=tuple(chosen), targets=parts[0].targets[:1])


# Speed


def build_pipelines(classifier: StanceClassifier) -> dict[str, Read]:
    """What the classifier is compared with: ``pipeline``, one pass of the same encoder for each
    actor, one after the other; ``padded_pipeline``, each pass padded to the longest window. The
    head is random, as it costs the same. Both cut a text at the longest window, as pipelines do,
    while the classifier reads all of it."""
    import torch
    from transformers import AutoModelForSequenceClassification, pipeline

    config = classifier.model.config.encoder_config()
    config.num_labels = len(LABELS)
    model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
    # Not strict: the classifier has no pooler, which some of these models put before the head.
    model.base_model.load_state_dict(classifier.model.encoder.state_dict(), strict=False)
    classify = pipeline(
        "text-classification", model=model.eval(), tokenizer=classifier.tokenizer, device="cpu"
    )
    longest = classifier.model.config.max_tokens

    def read(documents: Sequence[Document], padding: str | bool) -> None:
        for document in documents:
            for target in document.targets:
                for actor in document.actors:
                    pair = {"text": f"{actor.name}: {target.text}", "text_pair": document.text}
                    classify(pair, truncation=True, max_length=longest, padding=padding)

    return {
        "pipeline": lambda documents: read(documents, padding=False),
        "padded_pipeline": lambda documents: read(documents, padding="max_length"),
    }


def measure_workload(
    variants: Mapping[str, Read],
    texts: Sequence[Document],
    rounds: int,
    classifier: StanceClassifier,
) -> dict[str, Any]:
    """``seconds`` of each variant for all texts, and how many times as fast as the pipelines the
    classifier is; ``actors``, ``tokens`` and ``windows`` of a text. ``cut_for_pipelines``: texts
    have more windows than one, of which the pipelines read less than the classifier."""
    config = classifier.model.config
    features = [
        build_features(
            example,
            classifier.tokenizer,
            max_tokens=config.max_tokens,
            overlap_tokens=config.overlap_tokens,
            names_hidden=config.names_hidden,
        )
        for example in build_examples(texts)
    ]
    windows = statistics.mean(len(feature.windows) for feature in features)
    seconds = time_variants(variants, texts, rounds)
    return {
        "texts": len(texts),
        "actors": statistics.mean(len(text.actors) for text in texts),
        "tokens": statistics.mean(feature.tokens for feature in features),
        "windows": windows,
        "cut_for_pipelines": windows > 1,
        "seconds": seconds,
        "speedup_vs_pipeline": seconds["pipeline"] / seconds["classifier"],
        "speedup_vs_padded_pipeline": seconds["padded_pipeline"] / seconds["classifier"],
    }


def time_variants(
    variants: Mapping[str, Read], texts: Sequence[Document], rounds: int
) -> dict[str, float]:
    """Median seconds of each variant over all texts. They take turns, so that a machine that
    becomes slower does so for all."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for read in variants.values():
        read(texts[:1])  # what is done only once is not part of the speed
    for _ in range(rounds):
        for name, read in variants.items():
            seconds[name].append(time_call(partial(read, texts)))
    return {name: statistics.median(values) for name, values in seconds.items()}


def tabulate_speed(numbers: Mapping[str, Any]) -> str:
    """The numbers of a run as Markdown: a table by workload, and a paragraph with the rest."""
    lines = ["| texts | tokens | pipeline | padded pipeline |", "| --- | --- | --- | --- |"]
    for name, row in numbers["workloads"].items():
        told = f"{name} (pipelines read less)" if row["cut_for_pipelines"] else name
        lines.append(
            f"| {told} | {row['tokens']:,.0f} | {row['speedup_vs_pipeline']:.1f}x "
            f"| {row['speedup_vs_padded_pipeline']:.1f}x |"
        )
    few, many = numbers["memory_texts"]
    lines += [
        "",
        f"On {numbers['machine']}: how many times as fast as a Hugging Face pipeline that is "
        "called once for each actor, with the same encoder. Finding the actors (`actors=auto`) "
        f"takes {numbers['auto_cost_ratio']:.2f} times as long as given ones. Reading reaches "
        f"{numbers['peak_share_inference']:.0%} of the machine's own speed of matrix products, "
        f"training {numbers['peak_share_training']:.0%}. Peak memory on {many:,} texts is "
        f"{numbers['memory_mb'][1] / numbers['memory_mb'][0]:.2f} times that on {few:,} "
        f"({numbers['memory_mb'][1]:,.0f} MB). The first table of `stance-predict` on one text is "
        f"there after {numbers['cold_start_s']:.1f} s; `import stance` takes "
        f"{numbers['import_s']:.2f} s.",
    ]
    return "\n".join(lines)


# Fresh processes


def measure_memory(documents: Sequence[Document], model_dir: Path, folder: Path) -> float:
    """Peak memory in MB of the batch job on a file of documents."""
    rows = [f"output={folder / 'rows.jsonl'}", "overwrite=true"]
    return int(run_predict(PREDICT_AND_TELL_MEMORY, documents, model_dir, folder, rows)) / 1e6


def read_peak_memory() -> int:
    """The most memory that this process has held, in bytes."""
    status = Path("/proc/self/status")
    if status.is_file():
        # ru_maxrss would count what the parent held when it started this process.
        lines = status.read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def run_predict(
    code: str,
    documents: Sequence[Document],
    model_dir: Path,
    folder: Path,
    arguments: Sequence[str] = (),
) -> str:
    """Run ``stance-predict`` on documents; raises and returns as ``run_python``."""
    source = folder / "texts.jsonl"
    write_documents(documents, source)
    own = [f"input={source}", f"model_dir={model_dir.resolve()}", f"hydra.run.dir={folder / 'log'}"]
    return run_python(code, [*own, *arguments], folder)


def run_python(code: str, arguments: Sequence[str], folder: Path) -> str:
    """Run code in a new process, in a folder; returns what it prints.

    Raises:
        ChildProcessError: if it fails; the message is what it said.
    """
    package = str(Path(__file__).resolve().parent.parent)
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise ChildProcessError(f"a process of the benchmark failed: {done.stderr.strip()}")
    return done.stdout


def describe_machine() -> str:
    """What the numbers belong to, without the name of the machine."""
    import torch

    return (
        f"{os.cpu_count()} cores ({torch.get_num_threads()} threads used), {platform.machine()} "
        f"with {torch.backends.cpu.get_cpu_capability()}, {platform.system()}, "
        f"Python {platform.python_version()}, torch {torch.__version__}"
    )
