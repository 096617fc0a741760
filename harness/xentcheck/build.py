"""From a Case to the Call it stands for."""

from __future__ import annotations

from collections.abc import Callable

import ml_dtypes
import numpy as np

from xentcheck.cases import Case, Edit
from xentcheck.malformed import malform
from xentcheck.randomness import Array, Bits
from xentcheck.regimes import Frame, draw_logits, landmark_columns
from xentcheck.soft_labels import draw_rows, one_hot_rows
from xentcheck_adapters import Call, dtype_named

_VECTOR_STREAM = 1 << 64  # past every seed
_SAMPLE_WEIGHT_STREAM = 2 << 64
_BLOCK_EDGES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)


def build_call(case: Case) -> Call:
    """The arrays of a case. Deterministic: integers and ldexp only."""
    bits = Bits(case.seed)
    dtype = dtype_named(case.dtype)
    if case.explicit:
        logits = case.explicit.logits.array.astype(dtype)
        given = case.explicit.labels.array
        labels = given.astype(dtype if given.ndim == 2 else case.label_dtype)
        columns = np.zeros(case.rows, np.int64)
    else:
        focus, columns = _columns(case, bits)
        logits = draw_logits(case.regime, Frame(bits, case.rows, case.classes, case.dtype, focus, columns))
        labels = _index_labels(case, bits, columns)
        if case.labels != "index":
            labels = draw_rows(case.labels, bits, columns, case.classes).astype(dtype)
    for edit in case.edits:
        _apply(edit, logits)
    if case.layout == "broadcast":
        logits[:], labels = (
            logits[:1],
            np.array(np.broadcast_to(labels[:1], labels.shape) if labels.ndim > 1 else labels),
        )
    if case.poison:
        logits[labels == case.ignore_index] = float(case.poison)
    if case.malformed:
        labels = malform(case.malformed, labels, case.classes)
    return Call(
        logits=logits,
        labels=labels,
        weight=_weight(case, bits, columns),
        sample_weight=_sample_weight(case, labels),
        ignore_index=case.ignore_index,
        label_smoothing=case.label_smoothing,
        reduction=case.reduction,
        upstream=_upstream(case, bits),
        layout=case.layout,
        z_loss=case.z_loss,
        softcap=case.softcap,
        activation=case.activation,
        vector=_vector(case),
        positions=case.positions,
        class_axis=case.class_axis,
        single=case.single,
        procedure=case.procedure,
    )


def _columns(case: Case, bits: Bits) -> tuple[Array, Array]:
    """The outstanding class of each row, and its label: the same in half of the rows."""
    shape, last = (case.rows,), case.classes - 1
    edges = np.array([edge for edge in _BLOCK_EDGES if edge <= last] or [0])
    draw: dict[str, Callable[[], Array]] = {
        "anywhere": lambda: bits.integers(shape, 0, case.classes),
        "first": lambda: np.zeros(shape, np.int64),
        "last": lambda: np.full(shape, last),
        "edge": lambda: edges[bits.integers(shape, 0, len(edges))] - bits.flip(shape),
        "sweep": lambda: _swept(case),
    }
    focus = np.maximum(draw[case.focus](), 0)
    return focus, np.where(bits.flip(shape), focus, bits.integers(shape, 0, case.classes))


def _swept(case: Case) -> Array:
    """Landmark columns in turn; the next seed goes on where this one ends."""
    places = landmark_columns(case.classes)
    return places[(np.arange(case.rows) + case.seed * case.rows) % len(places)]


def _index_labels(case: Case, bits: Bits, columns: Array) -> Array:
    labels = columns.copy()
    if case.ignore_index is not None:
        hit = {"none": np.zeros(case.rows, bool), "some": bits.flip((case.rows,)), "all": np.ones(case.rows, bool)}
        labels[hit[case.ignored]] = case.ignore_index
    if case.bad_label is not None:
        labels[case.bad_row % case.rows] = case.bad_label
    return labels.astype(case.label_dtype)


def _given(case: Case, name: str) -> Array | None:
    """The explicit values of that name in the case's dtype, if there are any."""
    values = getattr(case.explicit, name) if case.explicit else None
    return None if values is None else values.array.astype(dtype_named(case.dtype))


def _weight(case: Case, bits: Bits, columns: Array) -> Array | None:
    """Multiples of a quarter up to 4, some of them 0, but never for every label: 0/0 has a clause of its own."""
    given = _given(case, "weight")
    if given is not None or not case.weighted:
        return given
    weight = bits.integers((case.classes,), 0, 17) / 4.0
    weight[columns] = np.maximum(weight[columns], 0.25)
    if case.weightless:
        weight[columns[columns != columns[0]]] = 0.0
    return np.asarray(weight).astype(dtype_named(case.dtype))


def _sample_weight(case: Case, labels: Array) -> Array | None:
    """Multiples of a quarter up to 4, about half of them 0, but never for every row that counts. From a stream of its
    own, as a vector."""
    given = _given(case, "sample_weight")
    if given is not None or not case.sample_weighted:
        return given
    bits = Bits(_SAMPLE_WEIGHT_STREAM + case.seed)
    weight = bits.integers((case.rows,), 1, 17) * bits.flip((case.rows,)) / 4.0
    counts = np.flatnonzero(labels != case.ignore_index) if labels.ndim == 1 else np.arange(case.rows)
    weight[counts[:1]] = np.maximum(weight[counts[:1]], 0.25)
    return np.asarray(weight).astype(dtype_named(case.dtype))


def _upstream(case: Case, bits: Bits) -> Array | None:
    """Multiples of 1/8 in [-4, 4], exact in every dtype; "huge" and "tiny" ones are such numbers from 1 to 2 times the
    power of two at 15/16 of the dtype's exponents, so that their products with gradients, and the sums of these over
    a few classes, still fit; or times its inverse."""
    given = _given(case, "upstream")
    if given is not None or case.upstream == "ones":
        return given
    shape = (case.rows,) if case.reduction == "none" else ()
    power = int(ml_dtypes.finfo(dtype_named(case.dtype)).maxexp) * 15 // 16 - 1
    draw: dict[str, Callable[[], Array]] = {
        "random": lambda: bits.integers(shape, -32, 33) / 8.0,
        "zero": lambda: np.zeros(shape),
        "negative": lambda: -bits.integers(shape, 1, 33) / 8.0,
        "some-zero": lambda: bits.integers(shape, 0, 9) * bits.flip(shape) / 8.0,
        "huge": lambda: np.ldexp(_of_one_size(bits, shape), power),
        "tiny": lambda: np.ldexp(_of_one_size(bits, shape), -power),
    }
    return np.asarray(draw[case.upstream]()).astype(dtype_named(case.dtype))


def _of_one_size(bits: Bits, shape: tuple[int, ...]) -> Array:
    """Eighths from 1 to 2, of either sign."""
    return np.asarray(bits.integers(shape, 8, 17) * (1 - 2 * bits.flip(shape)) / 8.0)


def _vector(case: Case) -> Array | None:
    """Multiples of 1/8 in [-4, 4], exact in every dtype; one class of each row; or a row's common shift, which the
    softmax does not see. From a stream of its own: the other arrays are those of the case without a vector."""
    given = _given(case, "vector")
    if given is not None or case.vector == "none":
        return given
    bits, shape = Bits(_VECTOR_STREAM + case.seed), (case.rows, case.classes)
    draw: dict[str, Callable[[], Array]] = {
        "random": lambda: bits.integers(shape, -32, 33) / 8.0,
        "class": lambda: one_hot_rows(bits.integers((case.rows,), 0, case.classes), case.classes),
        "shift": lambda: np.repeat(bits.integers((case.rows, 1), -32, 33) / 8.0, case.classes, axis=1),
    }
    return draw[case.vector]().astype(dtype_named(case.dtype))


VECTORS = ("random", "class", "shift")

UPSTREAMS = ("ones", "random", "zero", "negative", "some-zero")
EXTREME_UPSTREAMS = ("huge", "tiny")


def _apply(edit: Edit, logits: Array) -> None:
    info = ml_dtypes.finfo(logits.dtype)
    row, column = edit.row % logits.shape[0], edit.column % logits.shape[1]
    others = np.delete(logits[row], column)
    with np.errstate(invalid="ignore"):  # bfloat16's maximum warns of a NaN that an earlier edit put there
        largest = logits[row].max()
    if edit.value == "-inf" and not np.isfinite(others).any():
        return  # a row of nothing but -inf has no softmax, and nothing to be right about
    values = {
        "-inf": -np.inf,
        "+inf": np.inf,
        "nan": np.nan,
        "tie": largest,
        "subnormal": info.smallest_subnormal,
        "huge": float(info.max) / 4,
    }
    logits[row, column] = values[edit.value]
