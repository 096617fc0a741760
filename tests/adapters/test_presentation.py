"""Rows presented in other dimensions are the same rows, and an answer to them comes back as rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from xentcheck_adapters import Call, Returned
from xentcheck_adapters.presentation import present, rows_of

AXES = (-1, 0, 1, 2, -2, -3)


def rows(count: int, classes: int, dense: bool = False, **fields: Any) -> Call:
    logits = np.arange(count * classes, dtype=np.float32).reshape(count, classes)
    labels = logits + 1000 if dense else np.arange(count) % classes
    return Call(logits, labels, vector=logits - 1000, **fields)


def echoed(call: Call) -> Returned:
    """An answer in the dimensions of the call: its own logits and labels."""
    loss = call.cotangent() if call.reduction == "none" else np.array(7.0)
    return Returned(loss, call.logits, call.labels if call.has_dense_labels else None, call.vector)


def test_rows_that_ask_for_nothing_are_presented_as_they_are() -> None:
    call = rows(4, 3)
    assert present(call) is call


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("dense", [False, True])
def test_an_element_is_found_at_its_batch_position_and_class(axis: int, dense: bool) -> None:
    call = rows(10, 3, dense, positions=(5,), class_axis=axis)
    shown = present(call)
    for batch, position, c in np.ndindex(2, 5, 3):
        place = [batch, position]
        place.insert(axis % 3, c)
        row = 5 * batch + position
        assert shown.logits[tuple(place)] == call.logits[row, c]
        assert shown.labels[tuple(place) if dense else (batch, position)] == call.labels[(row, c) if dense else row]


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("reduction", ["none", "sum"])
def test_an_answer_comes_back_as_rows(axis: int, reduction: str) -> None:
    upstream = np.arange(12, dtype=np.float32) if reduction == "none" else np.array(2.0)
    call = rows(12, 4, True, positions=(2, 3), class_axis=axis, reduction=reduction, upstream=upstream)
    answer = rows_of(echoed(present(call)), call)
    np.testing.assert_array_equal(answer.loss, upstream if reduction == "none" else 7.0)
    np.testing.assert_array_equal(answer.grad_logits, call.logits)
    np.testing.assert_array_equal(answer.grad_labels, call.labels)
    np.testing.assert_array_equal(answer.hvp, call.vector)


@pytest.mark.parametrize("dense", [False, True])
def test_a_single_row_has_logits_of_one_dimension_and_a_loss_of_none(dense: bool) -> None:
    call = rows(1, 4, dense, single=True)
    shown = present(call)
    assert (shown.logits.shape, shown.labels.shape, shown.cotangent().shape) == ((4,), (4,) if dense else (), ())
    answer = rows_of(echoed(shown), call)
    assert (answer.loss.shape, answer.grad_logits.shape) == ((1,), (1, 4))


def test_no_rows_keep_their_positions() -> None:
    call = rows(0, 4, positions=(5,), class_axis=1)
    assert present(call).logits.shape == (0, 4, 5)
    assert rows_of(echoed(present(call)), call).grad_logits.shape == (0, 4)


def test_a_presented_array_is_contiguous_so_that_a_layout_is_what_it_says() -> None:
    assert present(rows(10, 3, positions=(5,), class_axis=1)).logits.flags.c_contiguous


@pytest.mark.parametrize("shape", [(10,), (2, 3), (5, 2)])
def test_a_loss_of_another_shape_is_not_taken_for_rows(shape: tuple[int, ...]) -> None:
    call = rows(10, 3, positions=(5,), class_axis=1)
    answer = replace(echoed(present(call)), loss=np.zeros(shape))
    assert rows_of(answer, call).loss.shape != (10,)


@pytest.mark.parametrize("shape", [(10, 3), (2, 5, 3), (5, 3, 2)])
def test_a_gradient_of_another_shape_is_not_taken_for_rows(shape: tuple[int, ...]) -> None:
    call = rows(10, 3, positions=(5,), class_axis=1)
    answer = replace(echoed(present(call)), grad_logits=np.zeros(shape))
    assert rows_of(answer, call).grad_logits.shape != (10, 3)


@pytest.mark.parametrize("asked", [{"positions": (3,)}, {"single": True}])
def test_rows_that_do_not_fit_are_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(asked))):
        present(rows(10, 3, **asked))
