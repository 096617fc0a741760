"""EQ: a function that nobody described, in the modes that its framework can put any function into."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from xentcheck.bench import Bench
from xentcheck.cases import Case
from xentcheck.clauses.clause import Clause, softmax_of_logits
from xentcheck.clauses.labels import refused_or_poisoned
from xentcheck.strategies import OPTIONS, Scope
from xentcheck.verdict import Deviation, Measurement, conform, describe, returned
from xentcheck_adapters import Refused, Subject

_COMPILERS = (
    "https://docs.pytorch.org/docs/stable/generated/torch.compile.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.jit.html",
)
_AUTOCAST = "https://docs.pytorch.org/docs/stable/amp.html"


def _lacks(procedure: str) -> Callable[[Subject], str | None]:
    def lacks(subject: Subject) -> str | None:
        lacking = softmax_of_logits(subject)
        return lacking or (None if procedure in subject.procedures else f"is not asked: {procedure}")

    return lacks


def _cases(procedure: str) -> Callable[[Scope], tuple[Case, ...]]:
    """Each kind of labels at logits that need care, then each option alone: a mode may lose any one of them."""

    def always(scope: Scope) -> tuple[Case, ...]:
        subject = scope.subject
        plain = Case(dtype=scope.dtype, rows=4, classes=7, upstream="random", regime="normal", procedure=procedure)
        kinds = scope.kinds
        each_kind = tuple(
            replace(plain, labels=kind, regime=regime, seed=seed)
            for kind in kinds
            for seed, regime in enumerate(("normal", "wrong", "offset"))
        )
        each_option = tuple(
            replace(plain, labels=kinds[0], seed=1, **fields)
            for option, fields in OPTIONS.items()
            if subject.offers(option)
        )
        mean = (replace(plain, labels=kinds[0], reduction="mean"),)
        return each_kind + each_option + mean

    return always


def _compiled_cases(scope: Scope) -> tuple[Case, ...]:
    bad = Case(dtype=scope.dtype, rows=4, classes=7, bad_row=1, procedure="compiled")
    labels = (-1, 7) if "index" in scope.subject.labels else ()
    return _cases("compiled")(scope) + tuple(replace(bad, bad_label=label) for label in labels)


def _right_or_refused(case: Case, bench: Bench) -> Measurement:
    call = bench.call(case)
    if case.bad_label is not None:
        return _as_strict_as_eager(case, bench)
    outcome = bench.run(call)
    if isinstance(outcome, Refused):
        return Measurement(remark=f"refused: {describe(outcome)}")
    return conform(returned(outcome), bench.expect(call), case.token)


def _as_strict_as_eager(case: Case, bench: Bench) -> Measurement:
    """A bad label that eager refuses or poisons; what eager makes of it otherwise is LAB-1's subject."""
    try:
        refused_or_poisoned(replace(case, procedure="reverse"), bench)
    except Deviation:
        return Measurement()
    return refused_or_poisoned(case, bench)


def _right(case: Case, bench: Bench) -> Measurement:
    return bench.conforms(bench.call(case), case)[1]


CLAUSES = (
    Clause(
        "EQ-5",
        "compiled by its framework, a function gives the loss and the gradient that it is due and lets no bad label "
        "through that it refuses uncompiled; or it is refused",
        _COMPILERS,
        _lacks("compiled"),
        None,
        _right_or_refused,
        _compiled_cases,
        options=True,
        programs=True,
    ),
    Clause(
        "EQ-6",
        "under autocast, which computes losses in float32, loss and gradient are those without it, within their bounds",
        (_AUTOCAST,),
        _lacks("autocast"),
        None,
        _right,
        _cases("autocast"),
        options=True,
        programs=True,
    ),
)
