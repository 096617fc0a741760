"""How rows are presented: a harness speaks of (N, C) alone, a subject may be asked for more dimensions, or for fewer.

The rows of an N-D call are batch x positions, in C order; an answer is brought back to rows.
"""

from __future__ import annotations

import dataclasses
from math import prod
from typing import Any

import numpy as np

from xentcheck_adapters.call import Array, Call
from xentcheck_adapters.outcome import Returned


def present(call: Call) -> Call:
    """The call as its adapter sees it: the same one unless it asks for other dimensions. ValueError if it cannot have
    them."""
    if not _is_presented(call):
        return call
    shape = _row_shape(call)
    return dataclasses.replace(
        call,
        logits=_spread(call.logits, shape, call.class_axis),
        labels=_spread(call.labels, shape, call.class_axis) if call.has_dense_labels else call.labels.reshape(shape),
        sample_weight=None if call.sample_weight is None else call.sample_weight.reshape(shape),
        upstream=call.cotangent().reshape(shape) if call.reduction == "none" else call.upstream,
        vector=None if call.vector is None else _spread(call.vector, shape, call.class_axis),
    )


def rows_of(answer: Returned, call: Call) -> Returned:
    """The answer to `present(call)` as one to `call`: loss (N,) or (), gradients (N, C)."""
    if not _is_presented(call):
        return answer
    shape = _row_shape(call)
    loss = answer.loss
    if call.reduction == "none":
        loss = loss.reshape(-1) if loss.shape == shape else _unmistakable(loss, call.logits.shape[:1])
    arrays = {name: getattr(answer, name) for name in ("grad_logits", "grad_labels", "hvp")}
    gathered: dict[str, Any] = {n: _gathered(array, shape, call) for n, array in arrays.items() if array is not None}
    return dataclasses.replace(answer, loss=loss, **gathered)


def _is_presented(call: Call) -> bool:
    return call.single or bool(call.positions) or call.class_axis not in (-1, call.logits.ndim - 1)


def _row_shape(call: Call) -> tuple[int, ...]:
    """(batch, *positions), or () for a single row."""
    rows = len(call.logits)
    if call.single:
        if rows != 1 or call.positions:
            raise ValueError(f"single: got {rows} rows and positions {call.positions}, expected one row and none")
        return ()
    batch, rest = divmod(rows, prod(call.positions))
    if rest:
        raise ValueError(f"positions: got {call.positions} for {rows} rows, expected a divisor of the rows")
    return (batch, *call.positions)


def _spread(rows: Array, shape: tuple[int, ...], class_axis: int) -> Array:
    """(N, C) as an array of the row shape with the classes at their axis, contiguous."""
    return np.array(np.moveaxis(rows.reshape((*shape, rows.shape[1])), -1, class_axis), order="C")


def _gathered(array: Array, shape: tuple[int, ...], call: Call) -> Array:
    due = list(shape)
    due.insert(call.class_axis % (len(shape) + 1), call.logits.shape[1])
    if list(array.shape) != due:
        return _unmistakable(array, call.logits.shape)
    return np.moveaxis(array, call.class_axis, -1).reshape(call.logits.shape)


def _unmistakable(array: Array, rows: tuple[int, ...]) -> Array:
    """An array of a shape that was not asked for, as it is; flat rows, which would pass for the answer, as one more
    dimension."""
    return array[None] if array.shape == rows else array
