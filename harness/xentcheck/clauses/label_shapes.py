"""LAB: what frameworks make of labels of another shape, and of the other form's labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from xentcheck.bench import Bench
from xentcheck.cases import Case
from xentcheck.clauses.clause import takes
from xentcheck.clauses.policy import REFUSES, answer_of, asked, policy
from xentcheck.clauses.reading import ANOTHER_NUMBER, Reading, labelled, nearest_reading
from xentcheck.strategies import Scope
from xentcheck_adapters import Array, Call, Subject

_TF_SPARSE = "https://www.tensorflow.org/api_docs/python/tf/nn/sparse_softmax_cross_entropy_with_logits"
_TF_DENSE = "https://www.tensorflow.org/api_docs/python/tf/nn/softmax_cross_entropy_with_logits"
_TORCH = "https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html"

_INDEX_SHAPES = {
    "(N, 1)": "one column (N, 1)",
    "(1, N)": "one row (1, N)",
    "(1,)": "one label for all rows (1,)",
    "()": "one label ()",
    "(N+1,)": "one label too many (N+1,)",
    "(C,)": "a label per class (C,)",
}
_ROW_SHAPES = {
    "(1, C)": "one row (1, C)",
    "(C,)": "one row (C,)",
    "(N, 1)": "one column (N, 1)",
    "()": "one number ()",
    "(N+1, C)": "one row too many (N+1, C)",
}
_ONE_HOT = {"one-hot integer rows": "one-hot integer rows", "one-hot float rows": "one-hot float rows"}
_INDICES = "indices (N,)"
_SQUARE = ", N = C"


def _cells(scope: Scope, kinds: Mapping[str, str], squares: tuple[str, ...], labels: str = "index") -> dict[str, Case]:
    plain = Case(dtype=scope.dtype, rows=4, classes=7, labels=labels)
    cells = {name: replace(plain, malformed=kind) for name, kind in kinds.items()}
    return cells | {name + _SQUARE: replace(cells[name], classes=4) for name in squares}


def _index_shapes(scope: Scope) -> Mapping[str, Case]:
    cells = _cells(scope, _INDEX_SHAPES, ("(N, 1)", "(1, N)"))
    return asked(scope, cells, ("(N, 1)", "(1,)", "(N+1,)"))


def _row_shapes(scope: Scope) -> Mapping[str, Case]:
    cells = _cells(scope, _ROW_SHAPES, ("(C,)", "(N, 1)"), "soft")
    return asked(scope, cells, ("(1, C)", "(N, 1)", "(C,), N = C"))


def _other_form(scope: Scope) -> Mapping[str, Case]:
    if "dense" in scope.subject.labels:
        cells = _cells(scope, {_INDICES: _INDICES}, (_INDICES,), "one-hot")
        return asked(scope, cells, (_INDICES + _SQUARE,))
    cells = _cells(scope, _ONE_HOT, tuple(_ONE_HOT))
    return asked(scope, cells, ("one-hot integer rows" + _SQUARE,))


def _takes_one_form(subject: Subject) -> str | None:
    if {"index", "dense"} <= set(subject.labels):
        return "takes both forms of labels"
    return takes("dense" if "dense" in subject.labels else "index", inputs="logits")(subject)


Readings = Callable[[Array, Call], Mapping[str, Reading]]


def _read(readings: Readings) -> Callable[[Case, Bench], str]:
    """Observes by the readings of the labels that were meant, given those and the call."""

    def observe(case: Case, bench: Bench) -> str:
        call = bench.call(case)
        meant = bench.call(replace(case, malformed=None)).labels
        return answer_of(
            bench.run(call), lambda answer: nearest_reading(answer, call, bench, readings(meant, call)), call
        )

    return observe


def _readings_of_indices(meant: Array, call: Call) -> dict[str, Reading]:
    rows = len(meant)
    if call.labels.ndim == 2:
        return {"squeezes": labelled(meant)}
    if call.labels.size == 1:
        return {"broadcasts": labelled(np.repeat(meant[:1], rows))}
    return {"cuts": labelled(call.labels[:rows])}


def _readings_of_rows(meant: Array, call: Call) -> dict[str, Reading]:
    if call.labels.size > meant.size:
        return {"cuts": labelled(meant)}
    return {"broadcasts": labelled(np.broadcast_to(call.labels, meant.shape))}


def _readings_of_the_other_form(meant: Array, call: Call) -> dict[str, Reading]:
    if meant.ndim == 1:
        return {"reads as meant": labelled(meant)}
    readings = {"reads as meant": labelled(meant)}
    if len(call.labels) == meant.shape[1]:
        readings["broadcasts"] = labelled(np.broadcast_to(call.labels.astype(meant.dtype), meant.shape))
    return readings


_OTHER = {ANOTHER_NUMBER: "none of these"}

CLAUSES = (
    policy(
        "LAB-4",
        "in which shapes class indices are taken, beside (N,)",
        (_TF_SPARSE, _TORCH),
        takes("index", inputs="logits"),
        cells=_index_shapes,
        answers={
            "squeezes": "the axis of one is dropped",
            "broadcasts": "the one label is that of every row",
            "cuts": "labels past the last row are not looked at",
            **_OTHER,
        },
        usual=lambda _: REFUSES,
        observe=_read(_readings_of_indices),
        options=True,
        programs=True,
    ),
    policy(
        "LAB-6",
        "in which shapes rows of labels are taken, beside (N, C)",
        (_TF_DENSE, _TORCH),
        takes("dense", inputs="logits"),
        cells=_row_shapes,
        answers={
            "broadcasts": "repeated over the rows, over the classes, or over both",
            "cuts": "labels past the last row are not looked at",
            **_OTHER,
        },
        usual=lambda _: REFUSES,
        observe=_read(_readings_of_rows),
        options=True,
        programs=True,
    ),
    policy(
        "LAB-8",
        "what a form makes of the other form's labels: one-hot rows for class indices, class indices for rows",
        (_TF_SPARSE, _TF_DENSE),
        _takes_one_form,
        cells=_other_form,
        answers={
            "reads as meant": "one-hot rows as the classes they stand for, or class indices as one-hot rows",
            "broadcasts": "N class indices are taken for the N = C entries of one row of labels, and repeated",
            **_OTHER,
        },
        usual=lambda _: REFUSES,
        observe=_read(_readings_of_the_other_form),
        options=True,
        programs=True,
    ),
)
