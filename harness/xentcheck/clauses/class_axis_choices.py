"""SHP: where logits of three dimensions have their classes, if nobody says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod

import numpy as np

from xentcheck.bench import Bench
from xentcheck.cases import Case
from xentcheck.clauses.clause import softmax_of_logits
from xentcheck.clauses.policy import REFUSES, answer_of, asked, policy
from xentcheck.clauses.reading import reads_as
from xentcheck.strategies import Scope
from xentcheck_adapters import Array, Call, Returned, Subject

_TORCH = "https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html"
_TF = "https://www.tensorflow.org/api_docs/python/tf/nn/softmax_cross_entropy_with_logits"

_CUBE, _ROWS = "(3, 3, 3)", ", rows of labels"
_LAST, _SECOND = "the last axis", "the second axis"
_SHAPES: Mapping[str, tuple[int, ...]] = {"(2, 5, 3)": (2, 5, 3), "(2, 3, 5)": (2, 3, 5), _CUBE: (3, 3, 3)}
_AXES = {_LAST: -1, _SECOND: 1}


def _cubes(scope: Scope) -> Mapping[str, Case]:
    """Three classes beside other axes, of which no shape tells which is theirs where all are equally long."""
    kinds = {"index": ("index", ""), "dense": ("soft", _ROWS)}
    cells = {
        name + rows: Case(dtype=scope.dtype, rows=prod(shape) // 3, classes=3, regime="normal", seed=9, labels=labels)
        for labels, rows in (kinds[kind] for kind in scope.subject.labels)
        for name, shape in _SHAPES.items()
    }
    return asked(scope, cells, (_CUBE, _CUBE + _ROWS))


def _read_axis(case: Case, bench: Bench) -> str:
    flat, shape = bench.call(case), _SHAPES[case.cell.removesuffix(_ROWS)]
    labels = flat.labels.reshape(shape) if flat.has_dense_labels else flat.labels.reshape(shape[0], -1)
    due = np.moveaxis(np.empty(shape), bench.subject.class_axes[0], -1).shape[:-1]
    call = replace(flat, logits=flat.logits.reshape(shape), labels=labels, upstream=np.ones(due, flat.logits.dtype))

    def name(answer: Returned) -> str:
        fits = (name for name, axis in _AXES.items() if _is_along(answer.loss, axis, call, bench))
        return next(fits, "another number")

    return answer_of(bench.run(call), name)


def _is_along(loss: Array, axis: int, call: Call, bench: Bench) -> bool:
    """Whether a loss is that of the call with its classes at this axis."""
    shape = np.moveaxis(call.logits, axis, -1).shape
    if loss.shape != shape[:-1] or (not call.has_dense_labels and call.labels.shape != shape[:-1]):
        return False
    labels = _rows(call.labels, axis) if call.has_dense_labels else call.labels.reshape(-1)
    meant = replace(call, logits=_rows(call.logits, axis), labels=labels, upstream=None)
    return reads_as(loss.reshape(-1), "loss", meant, bench)


def _rows(array: Array, axis: int) -> Array:
    moved = np.moveaxis(array, axis, -1)
    return moved.reshape(-1, moved.shape[-1])


def _has_dimensions(subject: Subject) -> str | None:
    return softmax_of_logits(subject) or (None if subject.class_axes else "takes only (N, C)")


CLAUSES = (
    policy(
        "SHP-13",
        "where logits of three dimensions have their classes, if nobody says so",
        (_TF, _TORCH),
        _has_dimensions,
        cells=_cubes,
        answers={
            _LAST: "classes last, the loss of shape (first axis, second axis)",
            _SECOND: "classes second, the loss of shape (first axis, last axis)",
            "another number": "neither",
        },
        usual=lambda case: REFUSES if case.cell == "(2, 3, 5)" else _LAST,
        observe=_read_axis,
        options=True,
        programs=True,
    ),
)
