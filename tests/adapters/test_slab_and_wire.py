"""What goes into a worker comes out of it: values, dtypes, shapes and every field of a call and an outcome."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from xentcheck_adapters import (
    BFLOAT16,
    FLOAT_DTYPES,
    Call,
    Crashed,
    Outcome,
    OutOfMemory,
    Refused,
    Returned,
    TimedOut,
    dtype_name,
    dtype_named,
)
from xentcheck_adapters.slab import Slab, create_slab_descriptor
from xentcheck_adapters.wire import decode, encode, pack_call, pack_outcome, unpack_call, unpack_outcome


@pytest.fixture
def ends() -> Iterator[tuple[Slab, Slab]]:
    """The writing and the reading side of one slab."""
    writer = Slab(create_slab_descriptor())
    yield writer, Slab(writer.descriptor)
    writer.close()


@pytest.mark.parametrize("name", [*FLOAT_DTYPES, "int64", "int32", "uint8", "bool"])
def test_a_dtype_keeps_its_name_on_the_way(name: str) -> None:
    assert dtype_name(dtype_named(name)) == name


@pytest.mark.parametrize("dtype", FLOAT_DTYPES)
def test_every_bit_survives_the_slab(ends: tuple[Slab, Slab], dtype: str) -> None:
    special = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 1.0, -2.5]).astype(dtype_named(dtype))
    writer, reader = ends
    (view,) = reader.read(writer.write([special]))
    assert view.dtype == special.dtype
    assert view.tobytes() == special.tobytes()


@pytest.mark.parametrize("shape", [(), (0,), (0, 7), (7, 0), (3, 4)])
def test_shapes_survive_the_slab_empty_ones_too(ends: tuple[Slab, Slab], shape: tuple[int, ...]) -> None:
    writer, reader = ends
    first, second = np.zeros(shape), np.full((2,), 5, np.int32)
    a, b = reader.read(writer.write([first, second]))
    assert a.shape == shape
    assert b.tolist() == [5, 5]


def test_strided_arrays_are_written_by_value(ends: tuple[Slab, Slab]) -> None:
    writer, reader = ends
    array = np.arange(12.0).reshape(3, 4)[::-1, ::2]
    (view,) = reader.read(writer.write([array]))
    np.testing.assert_array_equal(view, array)


def test_the_reader_follows_a_slab_that_has_grown(ends: tuple[Slab, Slab]) -> None:
    writer, reader = ends
    (small,) = reader.read(writer.write([np.arange(3)]))
    large = np.arange(1_000_000)
    (view,) = reader.read(writer.write([large]))
    np.testing.assert_array_equal(view, large)
    assert small.shape == (3,), "a view of the old mapping must stay readable"


def test_what_was_read_cannot_be_written_to(ends: tuple[Slab, Slab]) -> None:
    writer, reader = ends
    (view,) = reader.read(writer.write([np.zeros(3)]))
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1.0


@pytest.mark.parametrize("dtype", FLOAT_DTYPES)
def test_a_call_survives_the_wire(ends: tuple[Slab, Slab], call: Callable[..., Call], dtype: str) -> None:
    writer, reader = ends
    sent = call(
        dtype=dtype,
        weight=np.ones(4, dtype_named(dtype)),
        ignore_index=-100,
        label_smoothing=0.1,
        reduction="mean",
        upstream=np.array(2.0, dtype_named(dtype)),
        want_grad_labels=True,
        layout="strided",
        z_loss=1e-4,
        softcap=30.0,
        activation="softmax",
        vector=np.ones((3, 4), dtype_named(dtype)),
        positions=(3,),
        class_axis=1,
        single=True,
    )
    received = unpack_call(reader, decode(encode(pack_call(writer, sent))))
    for field in dataclasses.fields(Call):
        np.testing.assert_array_equal(getattr(received, field.name), getattr(sent, field.name), strict=True)


def test_absent_arrays_stay_absent(ends: tuple[Slab, Slab], call: Callable[..., Call]) -> None:
    writer, reader = ends
    received = unpack_call(reader, decode(encode(pack_call(writer, call()))))
    assert received.weight is None
    assert received.upstream is None
    assert received.vector is None


def test_returned_arrays_outlive_the_next_message(ends: tuple[Slab, Slab]) -> None:
    writer, reader = ends
    gradient, product = np.ones((2, 3), BFLOAT16), np.full((2, 3), 2, BFLOAT16)
    sent = Returned(np.ones((), BFLOAT16), gradient, hvp=product, mutated=("labels",))
    received = unpack_outcome(reader, decode(encode(pack_outcome(writer, sent))))
    writer.write([np.zeros(1000)])
    assert isinstance(received, Returned)
    assert received.mutated == ("labels",)
    assert received.grad_labels is None
    np.testing.assert_array_equal(received.grad_logits, gradient, strict=True)
    np.testing.assert_array_equal(received.hvp, product, strict=True)


@pytest.mark.parametrize(
    "outcome", [Refused("IndexError", "Target -1"), Crashed("SIGABRT", "…"), TimedOut(2.5, "…"), OutOfMemory("cap")]
)
def test_outcomes_without_arrays_survive_the_wire(ends: tuple[Slab, Slab], outcome: Outcome) -> None:
    writer, reader = ends
    assert unpack_outcome(reader, decode(encode(pack_outcome(writer, outcome)))) == outcome


def test_a_message_that_is_no_object_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="got list"):
        decode(b"[1, 2]")
