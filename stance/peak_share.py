"""How much of a machine's speed in multiplying matrices the model reaches: what is left to gain."""

from __future__ import annotations

import copy
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from stance.features import Features, TokenMention, Window
from stance.inference import StanceClassifier, read_examples
from stance.schema import LABELS

if TYPE_CHECKING:
    import torch

    from stance.model import StanceModel

MATRIX_SIZES = (512, 1024, 2048)
MATRIX_REPEATS = 10
WINDOW_TOKENS, WINDOWS, WINDOW_ACTORS = 256, 8, 5
"""Of the batch that the model reads and learns from."""


def measure_peak_shares(classifier: StanceClassifier, rounds: int) -> dict[str, float]:
    """How fast the model computes on a batch of windows of ``WINDOW_TOKENS`` tokens, over how fast
    the machine multiplies matrices: ``peak_share_inference`` in reading, ``peak_share_training`` in
    a step with its optimizer; ``peak_gflops`` is the machine's own speed. The best of some rounds
    counts on both sides, since whatever disturbs only makes slower.
    """
    features = make_random_features(classifier.model)

    def read() -> None:
        read_examples(
            classifier.model,
            features,
            pad_id=classifier.tokenizer.pad_token_id,
            runtime=classifier.runtime,
            max_tokens_per_batch=WINDOWS * WINDOW_TOKENS,
        )

    calls = {"inference": read, "training": make_training_step(classifier.model, features)}
    operations = {name: count_operations(call) for name, call in calls.items()}
    peak = 0.0
    speeds = dict.fromkeys(calls, 0.0)
    for _ in range(rounds):
        peak = max(peak, measure_matrix_speed())
        for name, call in calls.items():
            speeds[name] = max(speeds[name], operations[name] / time_call(call))
    shares = {f"peak_share_{name}": speed / peak for name, speed in speeds.items()}
    return {**shares, "peak_gflops": peak / 1e9}


def measure_matrix_speed() -> float:
    """Floating point operations a second in the fastest of some products of square matrices."""
    import torch

    best = 0.0
    for size in MATRIX_SIZES:
        first, second = torch.randn(2, size, size).unbind()
        for _ in range(MATRIX_REPEATS):
            best = max(best, 2 * size**3 / time_call(partial(torch.mm, first, second)))
    return best


def count_operations(call: Callable[[], object]) -> int:
    """Floating point operations of the matrix products in a call."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    # A CPU's fused attention is not counted; written out it is matrix products.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        call()
    return int(counter.get_total_flops())


def make_random_features(model: StanceModel) -> list[Features]:
    """Examples of one window of random tokens, in which some actors are named."""
    draw = random.Random(0)
    words = model.config.encoder_config().vocab_size
    tokens = min(WINDOW_TOKENS, model.config.max_tokens)
    target = tokens // 16
    step = (tokens - target) // WINDOW_ACTORS  # between the actors, each with its sentence
    starts = [target + step * actor for actor in range(WINDOW_ACTORS)]
    return [
        Features(
            windows=(
                Window(
                    input_ids=tuple(draw.randrange(words) for _ in range(tokens)),
                    type_ids=(0,) * target + (1,) * (tokens - target),
                    target_span=(1, target),
                    text_span=(target, tokens),
                    characters=(0, tokens),
                ),
            ),
            mentions=tuple(
                TokenMention(actor, 0, start, start + 2, (start, start + step))
                for actor, start in enumerate(starts)
            ),
            author=(False,) * WINDOW_ACTORS,
            labels=tuple(actor % len(LABELS) for actor in range(WINDOW_ACTORS)),
        )
        for _ in range(WINDOWS)
    ]


def make_training_step(model: StanceModel, features: Sequence[Features]) -> Callable[[], None]:
    """Forward, backward and optimizer over a batch, on a copy of the model."""
    import torch

    from stance.batching import collate_examples

    learner = copy.deepcopy(model).train()
    optimizer = torch.optim.AdamW(learner.parameters(), lr=1e-6)
    batch = collate_examples(features, pad_id=0)

    def step() -> None:
        optimizer.zero_grad()
        loss: torch.Tensor = learner(**batch).loss
        loss.backward()
        optimizer.step()

    return step


def time_call(call: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
