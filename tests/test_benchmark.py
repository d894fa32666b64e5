"""What is measured is what is said to be measured; no speeds are asserted."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from stance import Actor, Document, StanceClassifier, Target, peak_share
from stance.benchmark import (
    HEADLINE,
    PROFILES,
    build_pipelines,
    build_workloads,
    describe_machine,
    join_documents,
    make_comments,
    measure_workload,
    read_peak_memory,
    run_python,
    time_variants,
)
from stance.corpora import load_corpus


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return load_corpus("newsstance", "validation")


@pytest.fixture(scope="module")
def classifier(tiny_stance_model_dir: Path) -> StanceClassifier:
    return StanceClassifier.from_pretrained(tiny_stance_model_dir, device="cpu")


def test_workloads_have_the_actors_they_say_where_the_texts_name_them(
    documents: list[Document],
) -> None:
    count = PROFILES["full"].texts
    workloads = build_workloads(documents, count, random.Random(0))
    assert HEADLINE in workloads
    forms = {d.text[m.start : m.end] for d in documents for a in d.actors for m in a.mentions}
    for name, texts in workloads.items():
        assert len({document.text for document in texts}) == len(texts) == count
        for document in texts:
            assert f", {len(document.actors)} actor" in name
            assert len(document.targets) == 1
            for actor in document.actors:
                assert {document.text[m.start : m.end] for m in actor.mentions} <= forms
    for name, least, most in (
        ("page, 8 actors", 1_000, 1_400),
        ("long report, 5 actors", 6_000, 7_000),
    ):
        lengths = [len(document.text) for document in workloads[name]]
        assert least < min(lengths) <= max(lengths) <= most


def test_comments_differ_and_are_short(documents: list[Document]) -> None:
    # So many of few documents that equal ones are drawn, which must not take an id twice.
    comments = make_comments(documents[:3], 300, random.Random(0))
    assert len({comment.text for comment in comments}) == 300
    assert len({comment.id for comment in comments}) == 300
    assert sum(len(comment.text) for comment in comments) / 300 < 600


def test_a_page_with_more_actors_than_there_are_is_an_error(documents: list[Document]) -> None:
    with pytest.raises(ValueError, match="fewer than 5000 actors"):
        join_documents(documents, "p", 100, 5_000, random.Random(0))


def test_a_pipeline_runs_the_classifiers_encoder_once_for_each_actor(
    documents: list[Document], classifier: StanceClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    models: list[Any] = []
    build = transformers.pipeline

    def note(task: str, *, model: Any, **settings: Any) -> Any:
        models.append(model)
        return build(task, model=model, **settings)

    monkeypatch.setattr(transformers, "pipeline", note)
    pipelines = build_pipelines(classifier)
    (model,) = models
    encoder = model.base_model.state_dict()
    for name, tensor in classifier.model.encoder.state_dict().items():
        assert torch.equal(tensor, encoder[name])

    shapes: list[tuple[int, ...]] = []
    model.register_forward_pre_hook(
        lambda module, args, kwargs: shapes.append(tuple(kwargs["input_ids"].shape)),
        with_kwargs=True,
    )
    longest = classifier.model.config.max_tokens
    pipelines["pipeline"](build_workloads(documents, 1, random.Random(0))["page, 3 actors"])
    assert shapes == [(1, longest)] * 3, "more than the tiny model takes, so cut"
    actor, target = Actor(id="a1", name="Holm"), Target(id="t1", text="Das Tempolimit.")
    short = Document(id="s", text="Holm ist dafür.", actors=(actor,), targets=(target,))
    shapes.clear()
    pipelines["pipeline"]([short])
    assert shapes[0][1] < longest
    shapes.clear()
    pipelines["padded_pipeline"]([short])
    assert shapes == [(1, longest)]


def test_variants_take_turns_over_all_texts(documents: list[Document]) -> None:
    calls: list[tuple[str, int]] = []

    def variant(name: str) -> Callable[[Sequence[Document]], None]:
        return lambda texts: calls.append((name, len(texts)))

    time_variants({name: variant(name) for name in "ab"}, documents[:5], rounds=2)
    assert calls == [("a", 1), ("b", 1), *[("a", 5), ("b", 5)] * 2]


def test_a_workloads_ratios_are_those_of_its_own_seconds(
    documents: list[Document], classifier: StanceClassifier
) -> None:
    texts = build_workloads(documents, 1, random.Random(0))["page, 3 actors"]
    variants = {"classifier": classifier.predict, **build_pipelines(classifier)}
    row = measure_workload(variants, texts, 1, classifier)
    seconds = row["seconds"]
    assert row["speedup_vs_pipeline"] == seconds["pipeline"] / seconds["classifier"]
    assert row["speedup_vs_padded_pipeline"] == seconds["padded_pipeline"] / seconds["classifier"]
    assert (row["texts"], row["actors"]) == (1, 3)
    assert row["windows"] > 1, "the tiny model's windows are short"
    assert row["cut_for_pipelines"]


def test_operations_are_those_of_matrix_products_with_attention() -> None:
    first, second = torch.randn(3, 5), torch.randn(5, 7)
    query = torch.randn(1, 2, 6, 4)
    attend = torch.nn.functional.scaled_dot_product_attention
    linear = torch.nn.Linear(5, 7)

    def infer() -> None:
        with torch.inference_mode():
            linear(first)
            attend(query, query, query)

    assert peak_share.count_operations(lambda: first @ second) == 2 * 3 * 5 * 7
    assert peak_share.count_operations(infer) == 2 * 3 * 5 * 7 + 2 * (2 * 2 * 6 * 6 * 4)


def test_shares_of_the_peak_leave_the_model_as_it_was(
    classifier: StanceClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peak_share, "MATRIX_SIZES", (64,))
    before = {name: tensor.clone() for name, tensor in classifier.model.state_dict().items()}
    shares = peak_share.measure_peak_shares(classifier, rounds=1)
    assert set(shares) == {"peak_share_inference", "peak_share_training", "peak_gflops"}
    assert min(shares.values()) > 0
    assert not classifier.model.training
    assert all(parameter.grad is None for parameter in classifier.model.parameters())
    for name, tensor in classifier.model.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_training_costs_three_times_the_operations_of_reading(
    classifier: StanceClassifier,
) -> None:
    # One product forward, two backward; the rest is the head.
    features = peak_share.make_random_features(classifier.model)
    step = peak_share.make_training_step(classifier.model, features)
    learnt = peak_share.count_operations(step)
    runtime, pad_id = classifier.runtime, classifier.tokenizer.pad_token_id

    def read() -> None:
        peak_share.read_examples(
            classifier.model, features, pad_id=pad_id, runtime=runtime, max_tokens_per_batch=2048
        )

    assert learnt / peak_share.count_operations(read) == pytest.approx(3, rel=0.05)


def test_random_windows_are_as_long_as_the_model_takes(classifier: StanceClassifier) -> None:
    examples = peak_share.make_random_features(classifier.model)
    assert len(examples) == peak_share.WINDOWS
    for example in examples:
        assert example.tokens == classifier.model.config.max_tokens
        assert max(mention.end for mention in example.mentions) <= example.tokens


def test_a_process_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(ChildProcessError, match="no such text"):
        run_python("import sys; sys.exit('no such text')", [], tmp_path)


def test_the_memory_of_a_process_is_its_own(tmp_path: Path) -> None:
    held = bytearray(b"x") * 300_000_000  # by this process, which starts the other
    code = "from stance.benchmark import read_peak_memory; print(read_peak_memory())"
    assert int(run_python(code, [], tmp_path)) < len(held) < read_peak_memory()


def test_the_machine_is_told_without_its_name() -> None:
    import platform

    told = describe_machine()
    assert torch.__version__ in told
    assert torch.backends.cpu.get_cpu_capability() in told
    assert platform.node() not in told


def test_the_names_of_the_memory_ratios_say_how_many_texts() -> None:
    names = {name: profile.memory_key for name, profile in PROFILES.items()}
    assert names == {"quick": "memory_ratio_2k_200", "full": "memory_ratio_20k_1k"}
    assert PROFILES["quick"].streamed == (200, 2_000)
    assert PROFILES["full"].streamed == (1_000, 20_000)
