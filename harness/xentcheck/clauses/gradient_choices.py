"""SOFT, AD: which function a gradient is the derivative of, where the labels are no distribution; and whether it can be
differentiated again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from xentcheck.bench import Bench
from xentcheck.cases import Case
from xentcheck.clauses.clause import has_gradient, softmax_of_logits, takes
from xentcheck.clauses.policy import answer_of, policy
from xentcheck.clauses.reading import reads_as
from xentcheck.strategies import Scope
from xentcheck_adapters import Array, Returned, Subject

_TF = "https://www.tensorflow.org/api_docs/python/tf/nn/softmax_cross_entropy_with_logits"
_SUMS = {
    "rows of zeros": "zero",
    "rows that sum to 1/2": "half",
    "rows that sum to 2": "double",
    "rows with negative entries": "signed",
}
_NAN = "a NaN among the labels"
_RULE = {"gradient_rule": "assume_normalised"}


def _plain(scope: Scope, **fields: str) -> Case:
    return Case(dtype=scope.dtype, rows=4, classes=7, regime="normal", seed=4, **fields)  # type: ignore[arg-type]


def _no_distributions(scope: Scope) -> Mapping[str, Case]:
    cells = {name: _plain(scope, labels=kind) for name, kind in _SUMS.items()}
    return {**cells, _NAN: _plain(scope, labels="soft")}


def _differentiated_again(scope: Scope) -> Mapping[str, Case]:
    cells = {"class indices": _plain(scope, vector="random")} if "index" in scope.subject.labels else {}
    if "dense" in scope.subject.labels:
        cells["rows that sum to 1"] = _plain(scope, labels="soft", vector="random")
        cells["rows that sum to 2"] = _plain(scope, labels="double", vector="random")
    return cells


def _read_gradient(case: Case, bench: Bench) -> str:
    call = bench.call(case)
    if case.cell == _NAN:
        labels = call.labels.copy()
        labels[1, 2] = np.nan
        asked = replace(call, labels=labels)
        return answer_of(bench.run(asked), _name_of_missing, asked)

    def name(answer: Returned) -> str:
        if reads_as(answer.grad_logits, "grad_logits", call, bench):
            return "the derivative"
        return "softmax - labels" if reads_as(answer.grad_logits, "grad_logits", call, bench, _RULE) else "another"

    return answer_of(bench.run(call), name, call)


def _name_of_missing(answer: Returned) -> str:
    """By where the gradient is NaN: the sum of the labels, which multiplies the softmax, spreads one over its row."""
    assert answer.grad_logits is not None
    missing = np.isnan(answer.grad_logits.astype(np.float64))
    row = np.zeros_like(missing)
    row[1] = True
    if np.array_equal(missing, row):
        return "the derivative"
    return "softmax - labels" if missing.sum() == 1 and missing[1, 2] else "another"


def _read_second(case: Case, bench: Bench) -> str:
    call = bench.call(case)

    def name(answer: Returned) -> str:
        hvp = answer.hvp
        if hvp is None:
            return "nothing"
        if reads_as(hvp, "hvp", call, bench):
            return "right"
        if _is_zero(hvp):
            return "0"
        return "that of softmax - labels" if reads_as(hvp, "hvp", call, bench, _RULE) else "another"

    return answer_of(bench.run(call), name, call)


def _is_zero(array: Array) -> bool:
    return not np.asarray(array).astype(np.float64).any()


def _differentiates_twice(subject: Subject) -> str | None:
    lacking = softmax_of_logits(subject)
    return lacking or (None if subject.offers("hvp") else "has no gradient that could be differentiated")


CLAUSES = (
    policy(
        "SOFT-5",
        "the gradient where the labels of a row are no distribution",
        ("d/dx of -sum(y log softmax(x)) = softmax(x) sum(y) - y", _TF),
        has_gradient(takes("dense", inputs="logits")),
        cells=_no_distributions,
        answers={
            "the derivative": "softmax times the sum of the labels, minus the labels",
            "softmax - labels": "as if the labels summed to one",
            "another": "neither",
        },
        usual=lambda _: "the derivative",
        observe=_read_gradient,
    ),
    policy(
        "AD-12",
        "what the derivative of the gradient is",
        ("d/dx of softmax(x) sum(q) - q along v = sum(q) softmax(x) (v - softmax(x).v)", _TF),
        _differentiates_twice,
        cells=_differentiated_again,
        answers={
            "right": "the second derivative",
            "that of softmax - labels": "as if the labels summed to one",
            "0": "silently nothing",
            "another": "silently wrong",
            "nothing": "no array came back",
        },
        usual=lambda _: "right",
        observe=_read_second,
        options=True,
    ),
)
