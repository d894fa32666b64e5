from __future__ import annotations

import pytest
import torch

from stance.weight_differences import pack_difference, unpack_difference


@pytest.mark.parametrize("columns", [1, 3, 8, 9])
@pytest.mark.parametrize("bits", [2, 4])
def test_any_number_of_columns_comes_back_to_the_nearest_level(bits: int, columns: int) -> None:
    generator = torch.Generator().manual_seed(columns)
    base = torch.randn(6, columns, generator=generator)
    changed = base + 0.01 * torch.randn(6, columns, generator=generator)
    codes, steps = pack_difference(changed, base, bits)
    assert codes.dtype == torch.uint8
    assert codes.shape == (6, -(-columns * bits // 8))
    difference = unpack_difference(codes, steps, bits, columns)
    highest = (2**bits - 1) / 2 * steps.float()
    wanted = (changed - base).clamp(-highest, highest)
    assert ((difference - wanted).abs() <= 0.501 * steps.float()).all()


def test_rows_that_did_not_change_hardly_do() -> None:
    base = torch.ones(2, 4)
    codes, steps = pack_difference(base, base, 4)
    assert unpack_difference(codes, steps, 4, 4).abs().max() < 1e-5


def test_other_numbers_of_bits_are_refused() -> None:
    with pytest.raises(ValueError, match="bits=3; use 2 or 4"):
        pack_difference(torch.ones(1, 4), torch.zeros(1, 4), 3)
