"""AD: upstream gradients of every size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis.strategies import SearchStrategy

from xentcheck.bench import Bench
from xentcheck.build import EXTREME_UPSTREAMS
from xentcheck.cases import Case
from xentcheck.clauses.clause import Clause, has_gradient, softmax_of_logits
from xentcheck.clauses.procedures import finite_cases, finite_regimes, gradient_of
from xentcheck.clauses.value import matches_reference
from xentcheck.strategies import Scope
from xentcheck.verdict import Measurement, nonzero


def _draw(*upstreams: str) -> Callable[[Scope], SearchStrategy[Case]]:
    return lambda scope: finite_cases(scope, scope.kinds, upstreams=upstreams)


def _of_kinds(*upstreams: str) -> Callable[[Scope], tuple[Case, ...]]:
    return lambda scope: tuple(
        Case(scope.dtype, 4, 7, finite_regimes(scope.subject)[0], labels=kind, upstream=upstream)
        for kind in scope.kinds
        for upstream in upstreams
    )


def _zero_for_zero(case: Case, bench: Bench) -> Measurement:
    call = bench.call(case)
    gradient = gradient_of(bench.answer(call))
    silent = np.broadcast_to(call.cotangent() == 0, len(gradient))
    where = np.broadcast_to(silent[:, None], gradient.shape)
    if wrong := nonzero("grad_logits", gradient, where, "0 in rows whose upstream gradient is 0"):
        raise wrong
    return Measurement(values=int(where.sum()))


CLAUSES = (
    Clause(
        "AD-10",
        "a row whose upstream gradient is zero has a gradient of zeros",
        ("0 times a finite number is 0",),
        has_gradient(lambda _: None),
        _draw("zero", "some-zero"),
        _zero_for_zero,
        _of_kinds("zero", "some-zero"),
    ),
    Clause(
        "AD-11",
        "a huge or tiny upstream gradient is neither clipped nor flushed: it multiplies the gradient",
        ("upstream (softmax(x) sum(y) - y)",),
        has_gradient(softmax_of_logits),
        _draw(*EXTREME_UPSTREAMS),
        matches_reference,
        _of_kinds(*EXTREME_UPSTREAMS),
    ),
)
