"""NUM, SOFT: rows at the edge of arithmetic, which the mathematics answers and frameworks answer differently."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import product

import ml_dtypes
import numpy as np
from numpy.typing import ArrayLike

from xentcheck.bench import Bench
from xentcheck.cases import Case, Explicit
from xentcheck.clauses.clause import takes
from xentcheck.clauses.policy import answer_of, policy
from xentcheck.clauses.reading import loss_of_row
from xentcheck.expectation import Expected
from xentcheck.soft_labels import one_hot_rows
from xentcheck.strategies import Scope
from xentcheck.verdict import error_ratio
from xentcheck_adapters import Array, Call, Returned, dtype_named

_TORCH = "https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html"
_OPTAX = "https://optax.readthedocs.io/en/latest/api/losses.html#optax.losses.safe_softmax_cross_entropy"

_ROW, _LABEL, _OTHER = 1, 2, 5
_LABELS = (0, _LABEL, 3, 6)
_LOGITS = (
    (1.0, 0.0, 2.0, -1.0, 0.5, 1.5, -0.5),
    (0.5, 1.0, -1.0, 2.0, 0.0, -2.0, 0.25),
    (-1.0, 0.5, 0.0, 3.0, 1.0, 0.0, -0.5),
    (2.0, -1.0, 1.0, 0.0, -0.5, 0.5, 1.5),
)

Row = tuple[float, ...]


def _with(**values: float) -> Row:
    """The special row with the logit of its label, of another class, or all the `rest` replaced."""
    row = [values.get("rest", value) for value in _LOGITS[_ROW]]
    row[_LABEL] = values.get("label", row[_LABEL])
    row[_OTHER] = values.get("other", row[_OTHER])
    return tuple(row)


_INF, _NAN = float("inf"), float("nan")
_POISONED: Mapping[str, Row] = {
    "-inf everywhere": _with(rest=-_INF),
    "+inf on the label's class": _with(label=_INF),
    "+inf on another class": _with(other=_INF),
    "+inf everywhere": _with(rest=_INF),
    "NaN on the label's class": _with(label=_NAN),
    "NaN on another class": _with(other=_NAN),
}
_LABEL_MASKED = {"-inf on the label's class": _with(label=-_INF)}
_MASKED: Mapping[str, Row] = {
    "-inf on another class": _with(other=-_INF),
    "-inf on all other classes": _with(rest=-_INF, label=1.0),
}


def _huge(dtype: str) -> Mapping[str, Row]:
    largest = float(ml_dtypes.finfo(dtype_named(dtype)).max)
    return {
        "all equal, a quarter of the largest number": _with(rest=largest / 4),
        "another class ahead by a quarter of the largest number": _with(other=largest / 4),
        "another class ahead by twice the largest number": _with(label=-largest, other=largest),
    }


def _cells(rows: Mapping[str, Row], dtype: str, labels: ArrayLike) -> dict[str, Case]:
    return {
        name: Case(
            dtype=dtype,
            rows=4,
            classes=7,
            explicit=Explicit.of((*_LOGITS[:_ROW], row, *_LOGITS[_ROW + 1 :]), labels),
        )
        for name, row in rows.items()
    }


def _one_hot() -> Array:
    return one_hot_rows(np.array(_LABELS), 7)


def _half_and_half() -> Array:
    """The special row's label shares its mass with class 0."""
    rows = one_hot_rows(np.array(_LABELS), 7)
    rows[_ROW, [0, _LABEL]] = 0.5
    return rows


def _of_indices(scope: Scope) -> Mapping[str, Case]:
    return _cells({**_MASKED, **_LABEL_MASKED, **_POISONED, **_huge(scope.dtype)}, scope.dtype, _LABELS)


def _of_rows(scope: Scope) -> Mapping[str, Case]:
    return _cells({**_LABEL_MASKED, **_POISONED, **_huge(scope.dtype)}, scope.dtype, _one_hot())


def _of_masked_classes(scope: Scope) -> Mapping[str, Case]:
    soft = {"-inf on another class, soft labels": _MASKED["-inf on another class"]}
    return {**_cells(_MASKED, scope.dtype, _one_hot()), **_cells(soft, scope.dtype, _half_and_half())}


def _read(case: Case, bench: Bench) -> str:
    call = bench.call(case)
    return answer_of(bench.run(call), lambda answer: name_row(answer, call, bench, _ROW), call)


def name_row(answer: Returned, call: Call, bench: Bench, row: int) -> str:
    """What a row's loss and gradient are beside what the mathematics makes of it."""
    dtype, subject = bench.target.dtype, bench.subject
    # Held to the form that keeps its digits, and to 0 log 0 = 0, whatever the subject says of itself.
    precision = {dtype: replace(subject.precision[dtype], offset=False)}
    plain = replace(bench, target=replace(bench.target, subject=replace(subject, precision=precision)))
    parts = replace(plain, rules={"zero_times_inf": "zero"}).expect(call).parts
    loss = _loss_name(answer, parts["loss"], dtype, row)
    if answer.grad_logits is None:
        return loss
    return f"{loss}, gradient {_gradient_name(answer.grad_logits, parts['grad_logits'], dtype, row)}"


def _loss_name(answer: Returned, expected: Expected, dtype: str, row: int) -> str:
    loss = loss_of_row(answer, row)
    if not np.isfinite(loss):
        return "NaN" if np.isnan(loss) else "+inf" if loss > 0 else "-inf"
    return "right" if error_ratio(answer.loss, expected, dtype)[row] <= 1 else "another number"


def _gradient_name(gradient: Array, expected: Expected, dtype: str, row: int) -> str:
    missing = np.isnan(gradient[row].astype(np.float64))
    if missing.any():
        return "NaN" if missing.all() else "NaN in part"
    if np.isnan(expected.value[row]).any():
        return "of numbers"
    return "right" if (error_ratio(gradient, expected, dtype)[row] <= 1).all() else "another"


def _usual(case: Case) -> str:
    if case.cell in _POISONED:
        return "NaN, gradient NaN"
    infinite = "twice the largest" in case.cell or case.cell in _LABEL_MASKED
    return "+inf, gradient right" if infinite else "right, gradient right"


_LOSSES = {
    "right": "the loss is the reference's",
    "another number": "the loss is a number, and not the reference's",
    "+inf": "the loss is +inf",
    "-inf": "the loss is -inf",
    "NaN": "the loss is NaN",
}
_GRADIENTS = {
    "right": "the gradient is the reference's",
    "another": "the gradient is not the reference's",
    "NaN": "the whole row of the gradient is NaN",
    "NaN in part": "some classes of the row's gradient are NaN",
    "of numbers": "the gradient is finite where it has no value",
}
ROW_ANSWERS = {
    **_LOSSES,
    **{
        f"{loss}, gradient {gradient}": f"{_LOSSES[loss]}; {_GRADIENTS[gradient]}"
        for loss, gradient in product(_LOSSES, _GRADIENTS)
    },
}


CLAUSES = (
    policy(
        "NUM-10",
        "what becomes of a row with infinite, NaN or enormous logits and a class index",
        ("exp(-inf) = 0, log 0 = -inf; inf - inf is undefined", _TORCH),
        takes("index", inputs="logits"),
        cells=_of_indices,
        answers=ROW_ANSWERS,
        usual=_usual,
        observe=_read,
    ),
    policy(
        "NUM-11",
        "what becomes of a row with infinite, NaN or enormous logits and a row of labels",
        ("exp(-inf) = 0, log 0 = -inf; inf - inf is undefined", _TORCH),
        takes("dense", inputs="logits"),
        cells=_of_rows,
        answers=ROW_ANSWERS,
        usual=_usual,
        observe=_read,
    ),
    policy(
        "SOFT-4",
        "what a class masked with -inf costs where its label is 0",
        ("0 log 0 = 0, the limit of t log t", _OPTAX, "https://github.com/google-deepmind/optax/issues/896"),
        takes("dense", inputs="logits"),
        cells=_of_masked_classes,
        answers=ROW_ANSWERS,
        usual=_usual,
        observe=_read,
    ),
)
