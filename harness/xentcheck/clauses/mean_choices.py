"""VAL: what a mean divides by, what the mean of nothing is, and how wide its sum is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import ml_dtypes
import numpy as np

from xentcheck.bench import Bench
from xentcheck.cases import Case
from xentcheck.clauses.policy import answer_of, policy
from xentcheck.expectation import Expectation
from xentcheck.strategies import Scope
from xentcheck_adapters import Array, Call, Returned, Subject, dtype_named

_TORCH = "https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html"
_KERAS = "https://keras.io/api/losses/#standalone-usage-of-losses"

_ROWS, _KEPT = "rows", "kept rows"
_CLASS, _SMOOTHED = "class weights of the labels", "class weights of the smoothed labels"
_SAMPLE, _EVERY_SAMPLE, _NOT_ZERO = "sample weights of kept rows", "sample weights", "rows with a sample weight"


def _plain(scope: Scope, **fields: object) -> Case:
    # a seed whose denominators are far apart
    plain = Case(dtype=scope.dtype, rows=4, classes=7, regime="normal", seed=1, reduction="mean")
    return replace(plain, **fields)  # type: ignore[arg-type]


def _weighted_means(scope: Scope) -> Mapping[str, Case]:
    offers = scope.subject.offers
    ignored = {"ignore_index": -100, "ignored": "some"}
    needs: Mapping[str, tuple[tuple[str, ...], dict[str, object]]] = {
        "ignored rows": (("ignore_index",), ignored),
        "class weights": (("weight",), {"weighted": True}),
        "class weights, ignored rows": (("weight", "ignore_index"), {"weighted": True, **ignored}),
        "class weights, smoothed": (("weight", "label_smoothing"), {"weighted": True, "label_smoothing": 0.5}),
        "sample weights, ignored rows": (("sample_weight", "ignore_index"), {"sample_weighted": True, **ignored}),
    }
    cells: dict[str, Case] = {}
    if "index" in scope.subject.labels:
        cells |= {name: _plain(scope, **fields) for name, (all_of, fields) in needs.items() if all(map(offers, all_of))}
    if "dense" in scope.subject.labels and offers("weight"):
        cells["class weights, rows of labels"] = _plain(scope, labels="soft", weighted=True)
    if offers("sample_weight"):
        labels = "index" if "index" in scope.subject.labels else "soft"
        cells["sample weights"] = _plain(scope, labels=labels, sample_weighted=True)
    return cells


def denominators(call: Call) -> Mapping[str, float]:
    """What the sum of the losses may be divided by, by name; the first of equal ones is the plainest."""
    rows, classes = call.logits.shape
    kept = np.ones(rows, bool) if call.ignore_index is None else call.labels != call.ignore_index
    weight = np.ones(classes) if call.weight is None else call.weight.astype(np.float64)
    labels = call.labels.astype(np.float64) if call.has_dense_labels else np.zeros((rows, classes))
    if not call.has_dense_labels:
        labels[kept, call.labels[kept]] = 1.0
    smoothed = (1 - call.label_smoothing) * labels + call.label_smoothing / classes
    of_rows = np.ones(rows) if call.sample_weight is None else call.sample_weight.astype(np.float64)
    return {
        _ROWS: float(rows),
        _KEPT: float(kept.sum()),
        _CLASS: float((labels[kept] @ weight).sum()),
        _SMOOTHED: float((smoothed[kept] @ weight).sum()),
        _SAMPLE: float(of_rows[kept].sum()),
        _EVERY_SAMPLE: float(of_rows.sum()),
        _NOT_ZERO: float((of_rows[kept] != 0).sum()),
    }


def _read_denominator(case: Case, bench: Bench) -> str:
    call = bench.call(case)
    total = bench.expect(replace(call, reduction="sum"))

    def name(answer: Returned) -> str:
        named = denominators(call).items()
        return next((name for name, by in named if _is_quotient(answer, total, by, case.rows)), "another")

    return answer_of(bench.run(call), name, call)


def _is_quotient(answer: Returned, total: Expectation, by: float, rows: int) -> bool:
    """Loss and gradient are those of the sum, divided. Beside the sum's bound, a rounding of divisor and quotient each,
    and one for each row, in the dtype that comes back: it may be narrower than the logits'."""
    for what, got in answer.results.items():
        expected, eps = total.parts[what], float(ml_dtypes.finfo(answer.loss.dtype).eps)
        value, bound = expected.value / by, (expected.bound + (rows + 2) * eps * np.abs(expected.value)) / by
        if not np.all(np.abs(got.astype(np.float64) - value) <= bound):
            return False
    return True


def _empty_means(scope: Scope) -> Mapping[str, Case]:
    offers, index = scope.subject.offers, "index" in scope.subject.labels
    cells = {}
    if index and offers("ignore_index"):
        cells["all rows ignored"] = _plain(scope, ignore_index=-100, ignored="all")
    if index and offers("weight"):
        cells["no label has a weight"] = _plain(scope, weighted=True)
    if offers("sample_weight"):
        cells["no row has a weight"] = _plain(scope, labels="index" if index else "soft", sample_weighted=True)
    if not scope.subject.slow_traces:
        cells["no rows"] = _plain(scope, rows=0, labels="index" if index else "soft")
    return cells


def _read_nothing(case: Case, bench: Bench) -> str:
    call = bench.call(case)
    if call.weight is not None:
        call = replace(call, weight=np.zeros_like(call.weight))
    if call.sample_weight is not None:
        call = replace(call, sample_weight=np.zeros_like(call.sample_weight))
    return answer_of(bench.run(call), _name_of_nothing)


def _name_of_nothing(answer: Returned) -> str:
    if answer.loss.shape:
        return "an array without a number" if not answer.loss.size else "an array"
    loss = _name(answer.loss)
    gradient = answer.results.get("grad_logits", np.zeros(0))
    return f"{loss}, gradient {_name(gradient)}" if gradient.size else loss


def _name(array: Array) -> str:
    wide = array.astype(np.float64)
    return "NaN" if np.isnan(wide).any() else "another number" if wide.any() else "0"


# The sum of the losses, log 7 each, is past 65504, float16's largest number; 70000 is past it too.
_MANY = {"40960 equal losses": 40960, "70000 equal losses": 70000}


def _many_rows(scope: Scope) -> Mapping[str, Case]:
    kinds = {"index": "index", "dense": "one-hot"}
    names = {"index": "class indices", "dense": "rows of labels"}
    return {
        f"{many}, {names[kind]}": Case(dtype=scope.dtype, rows=1, classes=7, reduction="mean", labels=kinds[kind])
        for kind in scope.subject.labels
        for many, rows in _MANY.items()
        if scope.allows(rows, 7)
    }


def _read_many(case: Case, bench: Bench) -> str:
    one, rows = bench.call(case), _MANY[case.cell.partition(",")[0]]
    flat = replace(
        one,
        logits=np.zeros((rows, case.classes), one.logits.dtype),
        labels=np.repeat(one.labels, rows, axis=0),
    )
    true, dtype = float(np.log(case.classes)), dtype_named(case.dtype)
    # A row's loss is rounded once, and so is the mean: half a spacing each. In between, a sum in float32, or in the
    # dtype if that is wider, of one term after another.
    wide = np.float64 if case.dtype == "float64" else np.float32
    bound = float(np.spacing(dtype.type(true))) + rows * float(np.finfo(wide).eps) / 2 * true

    def name(answer: Returned) -> str:
        mean = float(answer.loss)
        if not np.isfinite(mean):
            return "NaN" if np.isnan(mean) else "+inf" if mean > 0 else "another number"
        return "right" if abs(mean - true) <= bound else "another number"

    return answer_of(bench.run(flat), name, flat)


def _reduces(*, options: tuple[str, ...] = ()) -> Callable[[Subject], str | None]:
    def lacks(subject: Subject) -> str | None:
        if subject.inputs != "logits" or "multi-hot" in subject.labels:
            return "is no softmax cross-entropy of logits"
        if "mean" not in subject.reductions:
            return "has no argument for reduction"
        if options and not any(map(subject.offers, options)):
            return f"has no argument for {' or '.join(options)}"
        return None

    return lacks


_NUMBERS = ("NaN", "0", "another number")

CLAUSES = (
    policy(
        "VAL-10",
        "what the mean divides by",
        ("a weighted mean is the sum of w x divided by the sum of w", _TORCH, _KERAS),
        _reduces(options=("weight", "sample_weight", "ignore_index")),
        cells=_weighted_means,
        answers={
            _ROWS: "the number of rows, whatever they weigh",
            _KEPT: "the number of rows that are not ignored",
            _CLASS: "the sum of the class weights of the labels of all kept rows",
            _SMOOTHED: "the sum of all weights in the loss, those of smoothed labels too",
            _SAMPLE: "the sum of the sample weights of all kept rows",
            _EVERY_SAMPLE: "the sum of all sample weights, those of ignored rows too",
            _NOT_ZERO: "the number of kept rows whose sample weight is not 0",
            "another": "none of these",
        },
        usual=lambda case: _CLASS if case.weighted else _SAMPLE if case.sample_weighted else _KEPT,
        observe=_read_denominator,
        options=True,
    ),
    policy(
        "VAL-13",
        "the mean of nothing",
        ("0 / 0 is undefined", _TORCH),
        _reduces(),
        cells=_empty_means,
        answers={
            **{loss: f"the loss is {loss}" for loss in _NUMBERS},
            **{f"{loss}, gradient {g}": f"the loss is {loss}, the gradient {g}" for loss in _NUMBERS for g in _NUMBERS},
            "an array without a number": "the loss is no scalar, but of shape (0,)",
            "an array": "the loss is no scalar",
        },
        usual=lambda case: "NaN" if case.rows == 0 else "NaN, gradient 0",
        observe=_read_nothing,
        options=True,
    ),
    policy(
        "VAL-11",
        "the mean of many equal losses",
        ("the mean of equal numbers is that number", _TORCH),
        _reduces(),
        cells=_many_rows,
        answers={
            "right": "the loss of a row, as exactly as a sum in float32 gives it",
            "+inf": "their sum is past the largest number of the dtype",
            "NaN": "sum and number of rows are both past it",
            "another number": "digits are lost: the sum, or the number of rows, is kept in the dtype",
        },
        usual=lambda _: "right",
        observe=_read_many,
        options=True,
        programs=True,
    ),
)
