"""IGN: what frameworks make of rows that shall not count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from xentcheck.bench import Bench
from xentcheck.cases import Case, Edit
from xentcheck.clauses.clause import softmax_of_logits, takes
from xentcheck.clauses.label_choices import ANSWERS, read_label
from xentcheck.clauses.policy import REFUSES, answer_of, policy
from xentcheck.clauses.reading import (
    ANOTHER_NUMBER,
    Reading,
    and_gradient,
    loss_of_row,
    nearest_reading,
    with_label,
)
from xentcheck.strategies import Scope
from xentcheck_adapters import Array, Call, Returned, Subject

_TORCH = "https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html"
_KERAS = "https://keras.io/api/losses/probabilistic_losses/#sparsecategoricalcrossentropy-class"
_TF = "https://www.tensorflow.org/api_docs/python/tf/nn/sparse_softmax_cross_entropy_with_logits"

_ROW = 1
_COUNTS, _LEAVES = "counts as loss 0", "leaves the mean"
_ZERO = "0, gradient 0"
_IGNORES, _NO_EFFECT = "ignores", "has no effect"
_OTHER = {ANOTHER_NUMBER: "none of these"}


def _plain(scope: Scope) -> Case:
    return Case(dtype=scope.dtype, rows=4, classes=7)


def _unasked(scope: Scope) -> Mapping[str, Case]:
    """Label -1, and torch's -100, where no ignore label is given; for rows of labels, the one-hot row of -1."""
    plain, subject = replace(_plain(scope), bad_row=_ROW), scope.subject
    if "index" in subject.labels:
        cells = {"-1": replace(plain, bad_label=-1), "-100": replace(plain, bad_label=-100)}
    else:
        cells = {"one-hot row of -1": replace(plain, labels="one-hot", malformed="row 1 all zero")}
    if "mean" in subject.reductions:
        cells |= {f"{name}, in a mean": replace(case, reduction="mean") for name, case in cells.items()}
    if subject.slow_traces:  # LAB-2 has seen -1 already, and a process that dies costs its compilations
        return {name: case for name, case in cells.items() if name == "-100, in a mean"}
    return cells


def _usual_unasked(case: Case) -> str:
    """A label out of range is refused; a row of zeros is a sum of nothing, whose gradient is nothing."""
    if case.labels == "index":
        return REFUSES
    return _ZERO if case.reduction == "none" else _COUNTS


def _read_unasked(case: Case, bench: Bench) -> str:
    if case.reduction == "none" and case.labels == "index":
        return read_label(case, bench)
    call = bench.call(case)
    name = _share_of_the_mean if case.reduction == "mean" else _name_of_the_zero_row
    return answer_of(bench.run(call), lambda answer: name(answer, call, case, bench), call)


def _name_of_the_zero_row(answer: Returned, call: Call, case: Case, bench: Bench) -> str:
    loss = loss_of_row(answer, _ROW)
    if loss and not np.isnan(loss):
        return ANOTHER_NUMBER
    return f"{'NaN' if loss else '0'}{and_gradient(answer, call, bench, _ROW)}"


def _share_of_the_mean(answer: Returned, call: Call, case: Case, bench: Bench) -> str:
    if np.isnan(answer.loss).all():
        return "NaN"
    labels = _indices(call)
    label = int(labels[_ROW])
    without = {"labels": labels, "ignore_index": label}
    readings = {
        _COUNTS: Reading(without, {"mean_divides_by": "rows"}),
        _LEAVES: Reading(without, {"mean_divides_by": "kept"}),
    }
    if case.labels != "index":
        readings[_COUNTS] = Reading({})
    elif label >= -case.classes:
        readings["class label + C"] = Reading(with_label(call, _ROW, label + case.classes))
    return nearest_reading(answer, call, bench, readings)


def _indices(call: Call) -> Array:
    """Class indices of one-hot rows, -1 for a row of zeros; or the class indices that are there."""
    if call.labels.ndim == 1:
        return call.labels
    return np.where(call.labels.any(axis=1), call.labels.argmax(axis=1), -1)


def _all_ignored(scope: Scope) -> Mapping[str, Case]:
    plain = replace(_plain(scope), ignore_index=-100, ignored="all")
    cells = {reduction: replace(plain, reduction=reduction) for reduction in scope.subject.reductions}
    return {"mean": cells["mean"]} if scope.subject.slow_traces else cells


def _read_nothing(case: Case, bench: Bench) -> str:
    call = bench.call(case)
    return answer_of(bench.run(call), lambda answer: _of_rows(answer, np.ones(case.rows, bool)), call)


def _of_rows(answer: Returned, rows: Array) -> str:
    """What all these rows have: loss, and gradient if there is any, each 0, NaN or another number."""
    loss = _one_number(answer.loss[rows] if answer.loss.ndim else answer.loss)
    return loss if answer.grad_logits is None else f"{loss}, gradient {_one_number(answer.grad_logits[rows])}"


def _one_number(array: Array) -> str:
    wide = array.astype(np.float64)
    return "NaN" if np.isnan(wide).all() else "0" if not wide.any() else ANOTHER_NUMBER


def _beside_rows(scope: Scope) -> Mapping[str, Case]:
    # half of the rows are of the first class
    plain = replace(_plain(scope), labels="one-hot", focus="first")
    return {f"ignore label {label}": replace(plain, ignore_index=label) for label in (0, -1, -100)}


def _read_beside_rows(case: Case, bench: Bench) -> str:
    call = bench.call(case)
    readings = {_NO_EFFECT: Reading({"ignore_index": None}), _IGNORES: Reading({"labels": _indices(call)})}
    return answer_of(bench.run(call), lambda answer: nearest_reading(answer, call, bench, readings), call)


def _honoured(scope: Scope) -> Mapping[str, Case]:
    plain = _plain(scope)
    labels = {"0": 0, "C-1": plain.classes - 1, "C": plain.classes, "-1": -1, "255": 255, "-100": -100}
    cells = {name: replace(plain, ignore_index=label, ignored="some") for name, label in labels.items()}
    if scope.subject.slow_traces:
        return {"255": cells["255"]}
    return cells | {"-100 beside ignore label 255": replace(plain, ignore_index=255, bad_label=-100, bad_row=_ROW)}


def _read_honoured(case: Case, bench: Bench) -> str:
    if case.bad_label is not None:
        return read_label(case, bench)
    call = bench.call(case)
    readings = {_IGNORES: Reading({})}
    if int(call.labels.min()) >= 0 and int(call.labels.max()) < case.classes:
        readings[_NO_EFFECT] = Reading({"ignore_index": None})
    return answer_of(bench.run(call), lambda answer: nearest_reading(answer, call, bench, readings), call)


def _not_finite(scope: Scope) -> Mapping[str, Case]:
    plain, subject = _plain(scope), scope.subject
    cells: dict[str, Case] = {}
    if subject.offers("ignore_index"):
        ignoring = replace(plain, ignore_index=-100, ignored="some")
        values = ("nan",) if subject.slow_traces else ("nan", "+inf", "-inf")
        cells |= {f"all {value}": replace(ignoring, poison=value) for value in values}
        cells["one -inf"] = replace(ignoring, ignored="all", edits=(Edit(_ROW, 2, "-inf"),))
    if subject.offers("sample_weight"):
        labels = "index" if "index" in subject.labels else "soft"
        # with this seed, row 1 has weight 0
        weighted = replace(plain, labels=labels, sample_weighted=True, seed=1)
        cells["sample weight 0, one nan"] = replace(weighted, edits=(Edit(_ROW, 2, "nan"),))
    return cells


def _leaves_out_rows(subject: Subject) -> str | None:
    if not subject.offers("sample_weight") and ("index" not in subject.labels or not subject.offers("ignore_index")):
        return "has no argument that leaves out rows"
    return softmax_of_logits(subject)


def _read_not_finite(case: Case, bench: Bench) -> str:
    call = bench.call(case)
    rows = np.asarray(~np.isfinite(call.logits.astype(np.float64)).all(axis=1))
    return answer_of(bench.run(call), lambda answer: _of_rows(answer, rows), call)


_OF_ROWS = {
    _ZERO: "the rows do not count",
    "0, gradient NaN": "the loss hides what the gradient then spreads",
    "NaN, gradient 0": "the loss is poisoned, training is not",
    "NaN, gradient NaN": "loss and training are poisoned",
    "0": "the rows do not count, and have no gradient",
    "NaN": "the loss is poisoned, and there is no gradient",
    ANOTHER_NUMBER: "neither 0 nor NaN, and there is no gradient",
    **{
        f"{loss}, gradient {gradient}": "none of these"
        for loss in ("0", "NaN", ANOTHER_NUMBER)
        for gradient in ("0", "NaN", ANOTHER_NUMBER)
        if ANOTHER_NUMBER in (loss, gradient)
    },
}
_IGNORING = takes("index", option="ignore_index", inputs="logits")

CLAUSES = (
    policy(
        "IGN-5",
        "what label -1, or its one-hot row, counts for where no ignore label is given (it is said to give loss 0)",
        (_TF, _TORCH),
        softmax_of_logits,
        cells=_unasked,
        answers={
            **ANSWERS,
            "NaN": "the loss shows the fault: the row's, which has no gradient, or the mean",
            _COUNTS: "the mean is over all rows, of which this one adds nothing",
            _LEAVES: "the mean is over the other rows",
            **_OTHER,
        },
        usual=_usual_unasked,
        observe=_read_unasked,
        options=True,
    ),
    policy(
        "IGN-6",
        "what is returned where every row is ignored",
        (_TORCH, _KERAS),
        _IGNORING,
        cells=_all_ignored,
        answers=_OF_ROWS,
        # the mean of nothing is 0/0
        usual=lambda case: "NaN, gradient 0" if case.reduction == "mean" else _ZERO,
        observe=_read_nothing,
        options=True,
    ),
    policy(
        "IGN-7",
        "what an ignore label does beside rows of labels",
        (_TORCH,),
        takes("dense", option="ignore_index", inputs="logits"),
        cells=_beside_rows,
        answers={_NO_EFFECT: "it is not looked at", _IGNORES: "rows of that class are ignored", **_OTHER},
        usual=lambda _: REFUSES,
        observe=_read_beside_rows,
        options=True,
    ),
    policy(
        "IGN-8",
        "which ignore labels are honoured, and what another label out of range does beside one",
        (_TORCH, _KERAS),
        _IGNORING,
        cells=_honoured,
        answers={**ANSWERS, _IGNORES: "rows with the label do not count", _NO_EFFECT: "they count", **_OTHER},
        usual=lambda case: _IGNORES if case.bad_label is None else REFUSES,
        observe=_read_honoured,
        options=True,
    ),
    policy(
        "IGN-9",
        "what a row does that is ignored, or has sample weight 0, where its logits are not finite",
        (_TORCH, _KERAS),
        _leaves_out_rows,
        cells=_not_finite,
        answers=_OF_ROWS,
        usual=lambda _: _ZERO,
        observe=_read_not_finite,
        options=True,
    ),
)
