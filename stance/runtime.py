"""The machine: device, number format and the reason for it, seeds, processes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Runtime:
    """Where and in which number format a model runs, and why."""

    device: torch.device
    dtype: torch.dtype
    reason: str

    @property
    def tokens_per_batch(self) -> int:
        """How many tokens, padding included, an encoder best gets at once.

        On a CPU few: one page of text keeps both cores busy, and larger batches leave the caches
        and add padding. Of 64 to 2,048 tokens, 512 was the best for pages and long texts and within
        a tenth of the best for comments (two AVX2 cores, one thread, a 384-wide encoder).
        """
        return 512 if self.device.type == "cpu" else 2048


def choose_runtime(device: str = "auto") -> Runtime:
    """Pick device and number format.

    ``auto`` takes a CUDA GPU, then Apple's, then the CPU. The CPU always computes in fp32: without
    hardware support, bf16 and fp16 were measured at 0.15 times the speed of fp32.

    Raises:
        ValueError: if the device is unknown or not present.
    """
    import torch

    if device == "auto":
        if torch.cuda.is_available():
            device = "cuda"
        elif torch.backends.mps.is_available():
            device = "mps"
        else:
            device = "cpu"
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise ValueError(
            f"unknown device {device!r}; use auto, cpu, cuda, cuda:N or mps"
        ) from error
    if chosen.type == "cuda":
        if not torch.cuda.is_available():
            raise ValueError(f"device {device!r} was asked for, but no CUDA GPU is available")
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return Runtime(chosen, torch.bfloat16, "a GPU with bf16 units")
        return Runtime(chosen, torch.float32, "a GPU without bf16 units")
    if chosen.type == "mps":
        return Runtime(chosen, torch.float32, "an Apple GPU, fp32 for exact results")
    return Runtime(chosen, torch.float32, "a CPU: half precision is slower there than fp32")


def process_rank() -> int:
    """Rank of this process in a distributed run, 0 where there is one process."""
    return int(os.environ.get("RANK", "0"))
