"""EQ: forms, modes and frameworks of one function agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from xentcheck.bench import Bench
from xentcheck.cases import Case
from xentcheck.clauses.clause import Clause
from xentcheck.estimate import in_numbers
from xentcheck.expectation import Expectation
from xentcheck.regimes import FINITE_REGIMES
from xentcheck.soft_labels import one_hot_rows
from xentcheck.strategies import Scope, cases
from xentcheck.verdict import Deviation, Measurement, conform, describe, no_answer, returned, well_formed, with_twin
from xentcheck_adapters import Array, Call, Returned, Subject

_FIXED = "fixed shapes"
_QUESTION = "https://stackoverflow.com/questions/37312421/"


def agree(mine: Returned, other: Returned, expectation: Expectation, token: str) -> Measurement:
    """Compare two subjects' answers directly: they may be as far apart as the expectation's bounds allow."""
    parts = {
        name: replace(expected, value=getattr(other, name).astype(np.float64), low=0.0)
        for name, expected in expectation.parts.items()
    }
    return with_twin(conform(mine, Expectation(expectation.dtype, parts), token), mine, other)


def bounds_added(a: Expectation, b: Expectation) -> Expectation:
    """How far apart two honest answers may be: the sum of their bounds."""
    return _combined(a, b, lambda x, y: x + y)


def better_bound_twice(a: Expectation, b: Expectation) -> Expectation:
    """How far apart two answers may be if both are as accurate as the better of the two."""
    return _combined(a, b, lambda x, y: 2 * np.minimum(x, y))


def _combined(a: Expectation, b: Expectation, combine: Callable[[Array, Array], Array]) -> Expectation:
    both = {
        name: replace(mine, bound=combine(mine.bound, b.parts[name].bound))
        for name, mine in a.parts.items()
        if name in b.parts
    }
    return Expectation(a.dtype, both)


def has_both_forms(subject: Subject) -> str | None:
    """Applicability to index forms that have a dense one beside them."""
    if "index" not in subject.labels or subject.inputs != "logits":
        return "is compared from the side of its index form"
    return None if subject.form_twin or "dense" in subject.labels else "has no dense form"


def _for_forms(scope: Scope) -> SearchStrategy[Case]:
    return cases(scope, regimes=FINITE_REGIMES)


def one_hot(call: Call) -> Call:
    """The same call with its class indices as one-hot rows in the logits' dtype."""
    rows = one_hot_rows(call.labels, call.logits.shape[1]).astype(call.logits.dtype)
    return replace(call, labels=rows)


def _forms_agree(case: Case, bench: Bench) -> Measurement:
    call, twin = bench.call(case), bench.of(bench.subject.form_twin or bench.subject.name)
    dense = one_hot(call)
    expected, other = bench.expect(call), twin.answer(dense)
    mine = in_numbers(bench.answer(call), expected)
    return agree(mine, other, better_bound_twice(expected, twin.expect(dense)), case.token)


def _is_a_mode(subject: Subject) -> str | None:
    if subject.inputs != "logits" or subject.mode_twin is None:
        return "is the eager mode that the others are compared with" if subject.mode == "eager" else "has no eager mode"
    return None


def _for_modes(scope: Scope) -> SearchStrategy[Case]:
    """Everything at once: modes must agree on special values, refused labels and ignored rows too."""
    subject = scope.subject
    edits = ("-inf", "nan", "+inf", "tie")
    kinds: list[tuple[str, ...]] = [("index",)] if "index" in subject.labels else []
    kinds += [("one-hot", "soft", "double")] if "dense" in subject.labels else []
    plain = st.one_of(
        [
            cases(scope, labels=kind, reductions=subject.reductions, edits=edits, max_edits=2, few_shapes=True)
            for kind in kinds
        ]
    )
    ignored = ("none", "some", "all") if subject.offers("ignore_index") else ("none",)
    # A bad label may end a compiled subject's process, and with it seconds of compilation: LAB-1 sees to that.
    bad = (None,) if subject.slow_traces else (None, None, "-1", "C")
    return st.builds(_with_labels, plain, st.sampled_from(bad), st.sampled_from(ignored))


def _with_labels(case: Case, bad: str | None, ignored: str) -> Case:
    if case.labels != "index":
        return case
    if ignored != "none":
        case = replace(case, ignore_index=-100, ignored=ignored)
    return replace(case, bad_label={None: None, "-1": -1, "C": case.classes}[bad])


def _modes_agree(case: Case, bench: Bench) -> Measurement:
    call, twin = bench.call(case), bench.of(bench.subject.mode_twin or "")
    outcome, eager = bench.run(call), twin.run(call)
    if not isinstance(eager, Returned):
        if type(outcome) is type(eager):
            return Measurement()
        expected = f"like {twin.subject.name}: {describe(eager)}"
        if isinstance(outcome, Returned):
            raise Deviation("answer where eager refuses", expected=expected, got=describe(outcome))
        raise no_answer(outcome, expected=expected)
    mine = well_formed(returned(outcome), call, bench.target.dtype)
    if case.bad_label is not None:
        return with_twin(Measurement(), mine, eager)  # what both make of a bad label is LAB-1's subject
    return agree(mine, eager, bounds_added(bench.expect(call), twin.expect(call)), case.token)


def _mode_landmarks(scope: Scope) -> tuple[Case, ...]:
    """A masked class and a bad label: where modes are known to part."""
    plain = Case(dtype=scope.dtype, rows=4, classes=7, regime="normal")
    if "index" in scope.subject.labels and not scope.subject.slow_traces:
        return (replace(plain, bad_label=-1), replace(plain, bad_label=7))
    return (replace(plain, regime="masked", labels="one-hot"), replace(plain, labels="soft"))


def _has_fixed_shapes(subject: Subject) -> str | None:
    return None if _FIXED in subject.procedures else "is no program of any shapes that could be one of fixed shapes"


def _fixed_shapes(scope: Scope) -> tuple[Case, ...]:
    """Each shape, kind of labels and reduction is a compilation of its own."""
    plain = Case(dtype=scope.dtype, upstream="random", procedure=_FIXED)
    shapes = ((4, 7, "confident", "none"), (33, 130, "masked", "none"), (2, 4097, "normal", "mean"))
    return tuple(
        replace(plain, rows=rows, classes=classes, regime=regime, reduction=reduction, labels=kind)
        for rows, classes, regime, reduction in shapes
        for kind in scope.kinds
    )


def _programs_agree(case: Case, bench: Bench) -> Measurement:
    call = bench.call(case)
    mine, other = bench.answer(call), bench.answer(replace(call, procedure="reverse"))
    expected = bench.expect(call)
    return agree(mine, other, bounds_added(expected, expected), case.token)


CLAUSES = (
    Clause(
        "EQ-1",
        "class indices and one-hot rows give the same loss and gradient, as accurately as the better form",
        (_QUESTION, "sum over a one-hot row picks one term"),
        has_both_forms,
        _for_forms,
        _forms_agree,
        lambda scope: tuple(
            Case(dtype=scope.dtype, rows=4, classes=7, regime=regime, seed=seed)
            for seed, regime in enumerate(("confident", "offset", "normal"))
        ),
    ),
    Clause(
        "EQ-3",
        "a compiled mode answers as eager does: same values, same special values, same refusals",
        ("https://www.tensorflow.org/xla/known_issues", "https://docs.pytorch.org/docs/stable/torch.compiler_faq.html"),
        _is_a_mode,
        _for_modes,
        _modes_agree,
        _mode_landmarks,
    ),
    Clause(
        "EQ-7",
        "a program compiled for fixed shapes answers as the one for any shapes does",
        ("https://docs.pytorch.org/docs/stable/torch.compiler_dynamic_shapes.html",),
        _has_fixed_shapes,
        None,
        _programs_agree,
        _fixed_shapes,
        options=True,
        programs=True,
    ),
)
