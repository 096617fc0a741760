"""What a tolerance accepts without any fault in particular: zeros, losses that are off, classes left out."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from xentcheck.audit.audit import Audit
from xentcheck.audit.trials import plain_call
from xentcheck.randomness import Array
from xentcheck_adapters import Call, Returned


@dataclass(frozen=True)
class Slack:
    """The largest relative error of a whole array, the same for every element, that a tolerance accepts; and the one
    that the derived bound accepts."""

    tolerance: float
    bound: float

    @property
    def times(self) -> float:
        """How often the one is the other."""
        return self.tolerance / self.bound


@dataclass(frozen=True)
class Zeros:
    """Whether a gradient of zeros is accepted under an upstream gradient, and the share of its elements that could be
    0 one by one."""

    upstream: float
    accepted: bool
    share: float


@dataclass(frozen=True)
class Absolutes:
    """
    loss, gradient  how far the losses and the gradient may be off as a whole
    loss_by         the largest error accepted of one row's loss
    zeros           under the upstream gradient of the test and, where that is 1, of a mean over its rows
    tail            how many of the last classes a kernel may leave out, of those that are no label
    tail_of_bound   as many as the derived bound accepts
    """

    loss: Slack
    loss_by: float
    gradient: Slack
    zeros: tuple[Zeros, ...]
    tail: int
    tail_of_bound: int


def absolutes(audit: Audit) -> Absolutes:
    """What the audited test accepts of its plain call."""
    test = audit.test
    call = plain_call(test.dtype, test.rows, test.classes, test.upstream)
    honest, parts = audit.honest(call), audit.bound(call).parts
    assert honest.grad_logits is not None
    upstreams = (1.0, 1 / test.rows) if test.upstream == 1 else (test.upstream,)
    by_tolerance = {what: test.tolerance.allowed(array) for what, array in honest.results.items()}
    by_bound = {what: parts[what].bound for what in honest.results}
    return Absolutes(
        loss=Slack(*(_slack(honest.loss, allowed["loss"]) for allowed in (by_tolerance, by_bound))),
        loss_by=float(by_tolerance["loss"].max()),
        gradient=Slack(*(_slack(honest.grad_logits, a["grad_logits"]) for a in (by_tolerance, by_bound))),
        zeros=tuple(_zeros(audit, upstream) for upstream in upstreams),
        tail=_tail(audit, call, honest, by_tolerance),
        tail_of_bound=_tail(audit, call, honest, by_bound),
    )


def _slack(values: Array, allowed: Array) -> float:
    size = np.abs(values.astype(np.float64))
    return float((allowed[size > 0] / size[size > 0]).min())


def _zeros(audit: Audit, upstream: float) -> Zeros:
    test = audit.test
    gradient = audit.honest(plain_call(test.dtype, test.rows, test.classes, upstream)).grad_logits
    assert gradient is not None
    accepted = np.abs(gradient.astype(np.float64)) <= test.tolerance.allowed(gradient)
    return Zeros(upstream, bool(accepted.all()), float(accepted.mean()))


def _tail(audit: Audit, call: Call, honest: Returned, allowed: Mapping[str, Array]) -> int:
    """The most last classes whose absence stays within the errors allowed, by bisection: more of them weigh more."""

    def rejected(missing: int) -> bool:
        answer = audit.honest(_without_last(call, missing)).results
        errors = {what: np.abs(answer[what].astype(np.float64) - want) for what, want in honest.results.items()}
        return any((errors[what] > allowed[what]).any() for what in errors)

    return bisect_left(range(1, call.logits.shape[1]), True, key=rejected)


def _without_last(call: Call, missing: int) -> Call:
    """The call with the last classes at minus infinity, but for the labels' own logits."""
    logits, rows = call.logits.copy(), np.arange(len(call.labels))
    logits[:, -missing:] = -np.inf
    logits[rows, call.labels] = call.logits[rows, call.labels]
    return replace(call, logits=logits)
