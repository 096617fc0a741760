"""A layout changes strides and flags, never values, and never shares memory with the original."""

from __future__ import annotations

import numpy as np
import pytest

from xentcheck_adapters import FLOAT_DTYPES, LAYOUTS, dtype_named
from xentcheck_adapters.layout import FAR, with_layout

SHAPES = [(3, 4), (1, 4), (3, 1), (0, 4), (5,)]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [*FLOAT_DTYPES, "int64"])
def test_a_layout_keeps_every_value(layout: str, shape: tuple[int, ...], dtype: str) -> None:
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype_named(dtype))
    np.testing.assert_array_equal(with_layout(array, layout), array, strict=True)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_layout_is_a_private_copy(layout: str, shape: tuple[int, ...]) -> None:
    array = np.zeros(shape)
    assert not np.shares_memory(with_layout(array, layout), array)


def test_layouts_are_what_they_are_called() -> None:
    array = np.zeros((3, 4))
    assert with_layout(array, "contiguous").flags.c_contiguous
    assert with_layout(array, "transposed").flags.f_contiguous
    assert with_layout(array, "strided").strides == (64, 16)
    assert not with_layout(array, "read-only").flags.writeable


@pytest.mark.parametrize("dtype", FLOAT_DTYPES)
def test_the_gaps_of_a_strided_array_hold_huge_finite_numbers(dtype: str) -> None:
    base = with_layout(np.zeros((3, 4), dtype_named(dtype)), "strided").base
    assert base is not None
    gaps = base[:, 1::2].astype(np.float64)
    assert np.isfinite(gaps).all()
    assert (gaps > 5e4).all(), "reading a gap must show in any sum"


def test_an_unknown_layout_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="diagonal"):
        with_layout(np.zeros(3), "diagonal")


@pytest.mark.parametrize("rows", [1, 2, 3, 1000])
@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_far_rows_keep_their_values_and_end_past_32_bits_of_elements(rows: int, dtype: str) -> None:
    array = np.arange(rows * 7).reshape(rows, 7).astype(dtype)
    far = with_layout(array, FAR)
    np.testing.assert_array_equal(far, array, strict=True)
    assert (rows - 1) * far.strides[0] // far.itemsize >= (1 << 31) * (rows > 1)
