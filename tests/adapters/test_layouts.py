"""A layout changes strides and flags, never values, and never shares memory with the original."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from xentcheck_adapters import FLOAT_DTYPES, LAYOUTS, dtype_named
from xentcheck_adapters.call import Call
from xentcheck_adapters.dtypes import in_native_order
from xentcheck_adapters.layout import FAR, with_layout
from xentcheck_adapters.outcome import Returned
from xentcheck_adapters.sharing import shared_memory

SHAPES = [(3, 4), (1, 4), (3, 1), (0, 4), (5,)]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [*FLOAT_DTYPES, "int64"])
def test_a_layout_keeps_every_value(layout: str, shape: tuple[int, ...], dtype: str) -> None:
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype_named(dtype))
    np.testing.assert_array_equal(in_native_order(with_layout(array, layout)), array, strict=True)


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
    assert with_layout(array, "sliced").strides == (64, 8)
    assert with_layout(array, "reversed").strides == (-32, -8)
    assert not with_layout(array, "misaligned").flags.aligned
    assert with_layout(array, "broadcast").strides == (0, 8)
    assert not with_layout(array, "foreign byte order").dtype.isnative


def test_only_equal_rows_are_broadcast() -> None:
    array = np.arange(12.0).reshape(3, 4)
    assert with_layout(array, "broadcast").strides == array.strides


@pytest.mark.parametrize("dtype", FLOAT_DTYPES)
@pytest.mark.parametrize("layout", ["strided", "sliced"])
def test_the_gaps_between_the_elements_hold_huge_finite_numbers(dtype: str, layout: str) -> None:
    base = with_layout(np.zeros((3, 4), dtype_named(dtype)), layout).base
    assert base is not None
    gaps = base[base != 0].astype(np.float64)
    assert len(gaps) == base.size - 12
    assert np.isfinite(gaps).all()
    assert (gaps > 5e4).all(), "reading a gap must show in any sum"


def shared(loss: Any, grad: Any, logits: Any = None) -> list[str]:
    call = Call(np.zeros((3, 4)) if logits is None else logits, np.zeros(3, np.int64))
    return list(shared_memory(call, Returned(loss, grad)))


def test_results_of_their_own_share_no_memory() -> None:
    packed = np.zeros((3, 5))
    assert shared(np.zeros(3), np.zeros((3, 4))) == []
    assert shared(packed[:, 0], packed[:, 1:]) == []


def test_shared_memory_is_named() -> None:
    logits, grad = np.zeros((3, 4)), np.zeros((3, 4))
    assert shared(np.zeros(3), logits[::-1], logits) == ["grad_logits with logits"]
    assert shared(grad[:, 0], grad) == ["grad_logits with loss"]
    assert shared(np.zeros(3), np.broadcast_to(grad[:1], (3, 4))) == ["elements of grad_logits with each other"]


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
