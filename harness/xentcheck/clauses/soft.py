"""SOFT: soft labels, their gradients, and rows that are no distribution."""

from __future__ import annotations

from dataclasses import replace

from hypothesis.strategies import SearchStrategy

from xentcheck.bench import Bench
from xentcheck.cases import Case
from xentcheck.clauses.clause import Clause, has_gradient, takes
from xentcheck.clauses.value import matches_reference
from xentcheck.regimes import FINITE_REGIMES, REGIMES
from xentcheck.soft_labels import DISTRIBUTIONS, NOT_DISTRIBUTIONS
from xentcheck.strategies import Scope, cases
from xentcheck.verdict import Measurement, conform

_TF = "https://www.tensorflow.org/api_docs/python/tf/nn/softmax_cross_entropy_with_logits"
_DERIVATIVE = "d/dx of -sum(y log softmax(x)) = softmax(x) sum(y) - y"


def _distributions(scope: Scope) -> SearchStrategy[Case]:
    # A subject that does not say what 0 * inf is to it is not asked.
    undeclared = scope.subject.zero_times_inf == "any"
    return cases(
        scope,
        labels=DISTRIBUTIONS,
        regimes=FINITE_REGIMES if undeclared else REGIMES,
        reductions=("none", "mean", "sum"),
        edits=("tie", "subnormal") if undeclared else ("tie", "subnormal", "-inf"),
        options=True,
    )


def _not_distributions(scope: Scope) -> SearchStrategy[Case]:
    return cases(scope, labels=NOT_DISTRIBUTIONS, regimes=FINITE_REGIMES, min_classes=2)


def _of_any_sum(scope: Scope) -> tuple[Case, ...]:
    """What a mean divides by, and what the uniform part of smoothed labels is multiplied with, shows only where rows do
    not sum to one; entries of all their bits are rounded by whoever keeps labels in a narrower dtype."""
    subject = scope.subject
    plain = Case(dtype=scope.dtype, rows=4, classes=7, regime="normal", labels="fractions", seed=1, upstream="random")
    if subject.retraces:
        return (plain,)
    reduced = [replace(plain, labels="double", reduction=name) for name in subject.reductions if name != "none"]
    smoothed = replace(plain, labels="half", label_smoothing=0.125)
    return (plain, *reduced, *((smoothed,) if subject.offers("label_smoothing") else ()))


def _for_label_gradient(scope: Scope) -> SearchStrategy[Case]:
    return cases(
        scope,
        labels=(*DISTRIBUTIONS, "double", "zero"),
        regimes=FINITE_REGIMES,
        reductions=("none", "mean"),
        few_shapes=True,
    )


def _label_gradient(case: Case, bench: Bench) -> Measurement:
    call = replace(bench.call(case), want_grad_labels=True)
    # The gradient to the logits of rows that sum to anything is SOFT-2's subject.
    expectation = bench.expect(call)
    answer = bench.answer(call)
    if case.labels not in DISTRIBUTIONS:
        parts = {name: part for name, part in expectation.parts.items() if name != "grad_logits"}
        expectation = replace(expectation, parts=parts)
    return conform(answer, expectation, case.token)


_DENSE = takes("dense", inputs="logits")

CLAUSES = (
    Clause(
        "SOFT-1",
        "for rows that are distributions the gradient is softmax minus labels, and the loss its cross-entropy",
        (_TF, _DERIVATIVE),
        _DENSE,
        _distributions,
        matches_reference,
    ),
    Clause(
        "SOFT-2",
        "for rows of any sum the gradient is the derivative of the loss: softmax times sum(y) minus y",
        (_DERIVATIVE, _TF),
        has_gradient(_DENSE),
        _not_distributions,
        matches_reference,
        _of_any_sum,
    ),
    Clause(
        "SOFT-3",
        "the gradient with respect to the labels is minus log-softmax",
        ("d/dy of -sum(y log softmax(x)) = -log softmax(x)",),
        takes("dense", option="grad_labels"),
        _for_label_gradient,
        _label_gradient,
        options=True,
        programs=True,
    ),
)
