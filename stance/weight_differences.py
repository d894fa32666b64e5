"""Matrices as their difference from those of another model, in few bits: what a further training
changed is small, and does not have to be exact.

Each row has one step; the levels are evenly spaced around 0. The steps are those with the least
squared error for normally distributed values (Max 1960, "Quantizing for minimum distortion"); that
few bits are enough for the difference that fine-tuning makes is known from larger models (Liu et
al. 2024, "BitDelta").
"""

from __future__ import annotations

import torch
from torch import Tensor

STEPS = {2: 0.9957, 4: 0.3352}
"""Between two levels, in standard deviations, by bits."""


def pack_difference(matrix: Tensor, base: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """What makes ``matrix`` (R, C) of ``base`` (R, C): codes as bytes (R, ceil(C * bits / 8)) and
    the steps (R, 1) in fp16.

    Raises:
        ValueError: if ``bits`` is neither 2 nor 4.
    """
    if bits not in STEPS:
        raise ValueError(f"bits={bits}; use {' or '.join(map(str, STEPS))}")
    difference = matrix.float() - base.float()
    # A deviation of zero would divide by zero; such rows have only codes around 0 then.
    deviation = difference.square().mean(dim=1, keepdim=True).sqrt().clamp(min=1e-5)
    steps = (deviation * STEPS[bits]).half()
    levels = 2**bits
    codes = (difference / steps.float() + (levels - 1) / 2).round().clamp(0, levels - 1)
    whole = torch.nn.functional.pad(codes.to(torch.uint8), (0, -codes.shape[1] % (8 // bits)))
    parts = whole.view(whole.shape[0], -1, 8 // bits)
    shifts = torch.arange(0, 8, bits, dtype=torch.uint8)
    return (parts << shifts).sum(dim=2, dtype=torch.uint8), steps


def unpack_difference(codes: Tensor, steps: Tensor, bits: int, columns: int) -> Tensor:
    """The difference (R, ``columns``) in fp32 that ``pack_difference`` packed."""
    shifts = torch.arange(0, 8, bits, dtype=torch.uint8)
    levels = 2**bits
    values = (codes[:, :, None] >> shifts) & (levels - 1)
    table = values.reshape(codes.shape[0], -1)[:, :columns].float()
    return (table - (levels - 1) / 2) * steps.float()
