"""VAL: arguments outside their range, and the dtype of what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from xentcheck.bench import Bench
from xentcheck.cases import Case
from xentcheck.clauses.clause import softmax_of_logits
from xentcheck.clauses.policy import REFUSES, answer_of, policy
from xentcheck.expectation import Expected
from xentcheck.strategies import Scope
from xentcheck.verdict import error_ratio
from xentcheck_adapters import Array, Call, Returned, Subject, dtype_name, dtype_named

_TORCH = "https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html"
_KERAS = "https://keras.io/api/losses/probabilistic_losses/"

_SMOOTHING = {"label_smoothing 1.5": 1.5, "label_smoothing -0.1": -0.1}
_NEGATIVE, _NAN = "a negative class weight", "a NaN weight of a class without a row"


def _kind(scope: Scope) -> str:
    return "index" if "index" in scope.subject.labels else "one-hot"


def _plain(scope: Scope) -> Case:
    return Case(dtype=scope.dtype, rows=4, classes=7, regime="normal", seed=11, labels=_kind(scope))


def _out_of_range(scope: Scope) -> Mapping[str, Case]:
    names: list[str] = []
    if scope.subject.offers("label_smoothing"):
        names += _SMOOTHING
    if scope.subject.offers("weight"):
        names += [_NEGATIVE, *([_NAN] if "index" in scope.subject.labels else [])]
    return {name: _plain(scope) for name in names}


def _read_range(case: Case, bench: Bench) -> str:
    plain = bench.call(case)
    asked, formula = (_smoothed if case.cell in _SMOOTHING else _weighted)(case, plain, bench)
    without = bench.expect(plain).parts["loss"]

    def name(answer: Returned) -> str:
        if np.isnan(answer.loss.astype(np.float64)).any():
            return "NaN"
        readings = {"the formula": formula, "as without it": without}
        fits = (name for name, true in readings.items() if (error_ratio(answer.loss, true, case.dtype) <= 1).all())
        return next(fits, "another number")

    return answer_of(bench.run(asked), name, asked)


def _smoothed(case: Case, plain: Call, bench: Bench) -> tuple[Call, Expected]:
    """The call asked, and what the formula makes of it: the loss is a line in epsilon. Its terms are larger than inside
    the range by the sum of |1 - epsilon| and |epsilon|, and so are their errors."""
    epsilon = _SMOOTHING[case.cell]
    at_0, at_half, at_1 = (bench.expect(replace(plain, label_smoothing=e)).parts["loss"] for e in (0.0, 0.5, 1.0))
    value = (1 - epsilon) * at_0.value + epsilon * at_1.value
    bound = (abs(1 - epsilon) + abs(epsilon)) * (at_0.bound + at_half.bound + at_1.bound)
    return replace(plain, label_smoothing=epsilon), replace(at_0, value=value, bound=bound, low=0.0)


def _weighted(case: Case, plain: Call, bench: Bench) -> tuple[Call, Expected]:
    """The call asked, and what the formula makes of it: no row's loss contains the weight of a class without one."""
    labels = plain.labels.argmax(axis=1) if plain.has_dense_labels else plain.labels
    unused = min(set(range(case.classes)) - set(labels.tolist()))
    weight = np.ones(case.classes, plain.logits.dtype)
    if case.cell == _NAN:
        without = weight.copy()
        weight[unused] = np.nan
        return replace(plain, weight=weight), bench.expect(replace(plain, weight=without)).parts["loss"]
    weight[labels[0]] = -2
    asked = replace(plain, weight=weight)
    return asked, bench.expect(asked).parts["loss"]


_OTHER_DTYPE = {"float16": "float32", "bfloat16": "float32", "float32": "float64", "float64": "float32"}
_PER_ROW, _OTHER_LABELS, _MEAN = "a loss per row", "labels of another dtype", "the mean"
_OTHER_WEIGHTS = {"index": "class weights of another dtype", "dense": "class weights of another dtype, rows of labels"}


def _dtypes(scope: Scope) -> Mapping[str, Case]:
    cells = {_PER_ROW: _plain(scope)}
    if "dense" in scope.subject.labels:
        cells[_OTHER_LABELS] = replace(_plain(scope), labels="one-hot")
    if "mean" in scope.subject.reductions:
        cells[_MEAN] = replace(_plain(scope), reduction="mean")
    if scope.subject.offers("weight") and not scope.subject.slow_traces:
        kinds = {"index": "index", "dense": "one-hot"}
        for kind in scope.subject.labels:
            cells[_OTHER_WEIGHTS[kind]] = replace(_plain(scope), labels=kinds[kind], weighted=True)
    return cells


def _read_dtype(case: Case, bench: Bench) -> str:
    call = bench.call(case)
    if case.cell == _OTHER_LABELS:
        call = replace(call, labels=call.labels.astype(dtype_named(_OTHER_DTYPE[case.dtype])))
    if call.weight is not None:
        call = replace(call, weight=call.weight.astype(dtype_named(_OTHER_DTYPE[case.dtype])))

    def name(answer: Returned) -> str:
        loss = _relation(answer.loss, call)
        gradient = _relation(answer.results.get("grad_logits", call.logits), call)
        return loss if gradient == "the logits'" else f"{loss}, gradient of another"

    return answer_of(bench.run(call), name)


def _relation(array: Array, call: Call) -> str:
    name = dtype_name(array.dtype)
    if name == dtype_name(call.logits.dtype):
        return "the logits'"
    if call.has_dense_labels and name == dtype_name(call.labels.dtype):
        return "the labels'"
    if call.weight is not None and name == dtype_name(call.weight.dtype):
        return "the weights'"
    return name if name in ("float32", "float64") else "another"


def _takes_arguments(subject: Subject) -> str | None:
    offered = any(map(subject.offers, ("label_smoothing", "weight")))
    return softmax_of_logits(subject) or (None if offered else "has no argument for label_smoothing or weight")


_DTYPES = {
    "the logits'": "the dtype of the logits",
    "the labels'": "the dtype of the labels, another one",
    "the weights'": "the dtype of the class weights, another one",
    "float32": "float32, which neither logits nor labels have",
    "float64": "float64, which neither logits nor labels have",
    "another": "a dtype that neither logits nor labels have",
}

CLAUSES = (
    policy(
        "VAL-14",
        "arguments outside the range in which they mean something",
        ("smoothed labels are distributions for 0 <= epsilon <= 1", _TORCH, _KERAS),
        _takes_arguments,
        cells=_out_of_range,
        answers={
            "the formula": "what the formula gives, out of its range",
            "as without it": "the argument is silently left out",
            "NaN": "the loss of some row is NaN",
            "another number": "something else",
        },
        usual=lambda case: "the formula" if case.cell == _NAN else REFUSES,
        observe=_read_range,
        options=True,
    ),
    policy(
        "VAL-12",
        "the dtype of the loss",
        (_TORCH, _KERAS),
        softmax_of_logits,
        cells=_dtypes,
        answers={
            **_DTYPES,
            **{
                f"{loss}, gradient of another": f"{meaning}; the gradient has not the dtype of the logits"
                for loss, meaning in _DTYPES.items()
            },
        },
        usual=lambda _: "the logits'",
        observe=_read_dtype,
        options=True,
        programs=True,
    ),
)
