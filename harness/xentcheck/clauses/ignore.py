"""IGN: ignored rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from xentcheck.bench import Bench
from xentcheck.cases import Case
from xentcheck.clauses.clause import Clause, takes
from xentcheck.randomness import Array
from xentcheck.regimes import FINITE_REGIMES
from xentcheck.strategies import Scope, cases, with_options
from xentcheck.verdict import Measurement, nonzero
from xentcheck_adapters import Call, Returned, Subject

_TORCH = "https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html"
_KERAS = "https://keras.io/api/losses/probabilistic_losses/#sparsecategoricalcrossentropy-class"


def _ignoring(
    scope: Scope,
    *,
    reductions: tuple[str, ...] = ("none", "mean", "sum"),
    ignored: str = "some",
    poisons: tuple[str | None, ...] = (None,),
) -> SearchStrategy[Case]:
    """Cases with an ignore label inside [0, C), just outside it on either side, or far outside."""
    options = not scope.subject.retraces
    base = cases(scope, reductions=reductions, regimes=FINITE_REGIMES, options=options, min_rows=2, ignored=ignored)
    return st.builds(_with_ignore_label, base, _ignore_labels(scope.subject), st.sampled_from(poisons))


_PAST_THE_END = "C"


def _ignore_labels(subject: Subject) -> SearchStrategy[int | str]:
    if subject.slow_traces:
        return st.just(-100)
    if subject.retraces:
        return st.sampled_from((-100, 1))
    return st.one_of(st.sampled_from((-100, -1, _PAST_THE_END, 255)), st.integers(0, 12))


def _with_ignore_label(case: Case, label: int | str, poison: str | None) -> Case:
    return replace(case, ignore_index=case.classes if isinstance(label, str) else label, poison=poison)


def _ignored_rows(call: Call) -> Array:
    return np.asarray(call.labels == call.ignore_index)


def _require_zero(answer: Returned, call: Call) -> None:
    """Ignored rows: gradient exactly zero, and the loss too where it is given per row."""
    rows = _ignored_rows(call)
    for what, array in answer.results.items():
        if not array.ndim:
            continue
        where = np.broadcast_to(rows.reshape(-1, *[1] * (array.ndim - 1)), array.shape)
        if wrong := nonzero(what, array, where, "exactly 0 in ignored rows"):
            raise wrong


def _zero_rows(case: Case, bench: Bench) -> Measurement:
    call = bench.call(case)
    answer, measurement = bench.conforms(call, case)
    _require_zero(answer, call)
    return measurement


def _plain(scope: Scope) -> SearchStrategy[Case]:
    return _ignoring(scope, reductions=("none",))


def _reduced(scope: Scope) -> SearchStrategy[Case]:
    return _ignoring(scope, reductions=("mean",))


def _all_ignored(scope: Scope) -> SearchStrategy[Case]:
    return _ignoring(scope, ignored="all")


def _poisoned(scope: Scope) -> SearchStrategy[Case]:
    return _ignoring(scope, poisons=("nan", "+inf", "-inf"))


def _reduces(subject: Subject) -> str | None:
    if "mean" not in subject.reductions:
        return "has no argument for reduction"
    return takes("index", option="ignore_index", inputs="logits")(subject)


def _each_label(scope: Scope) -> tuple[Case, ...]:
    """Ignore labels far outside, next to [0, C) on either side, inside, and one that 32 bits take for class 0; about
    half of the labels are class 0. With class weights, which are read by label, and smoothing, which no label needs."""
    plain = Case(dtype=scope.dtype, rows=4, classes=7, upstream="random", ignore_index=-100, ignored="some", seed=1)
    if scope.subject.retraces:
        return (plain,)
    dtype = scope.subject.label_dtypes[0]
    labels = [label for label in (-100, -1, 0, 3, 7, 1 << 32) if label <= np.iinfo(dtype).max]
    some = replace(plain, rows=9, focus="first", label_dtype=dtype)
    cases = [replace(some, ignore_index=label) for label in labels]
    return tuple(dict.fromkeys((*cases, *(with_options(case, scope) for case in cases))))


def _each_reduced(scope: Scope, *, rows: int, reductions: tuple[str, ...], **fields: Any) -> tuple[Case, ...]:
    """A small case for each of the reductions that the subject has; one that compiles has its own shapes."""
    if scope.subject.retraces:
        return ()
    plain = Case(dtype=scope.dtype, rows=rows, classes=7, upstream="random", ignore_index=-100, ignored="some", seed=1)
    return tuple(replace(plain, reduction=reduction, **fields) for reduction in reductions)


_IGNORES = takes("index", option="ignore_index", inputs="logits")

CLAUSES = (
    Clause(
        "IGN-1",
        "ignored rows give exactly zero loss and exactly zero gradient, and leave the other rows alone",
        (_TORCH, _KERAS),
        _IGNORES,
        _plain,
        _zero_rows,
        _each_label,
    ),
    Clause(
        "IGN-2",
        "ignored rows leave the mean's denominator",
        (_TORCH, _KERAS),
        _reduces,
        _reduced,
        _zero_rows,
        lambda scope: (
            *_each_reduced(scope, rows=5, reductions=("mean",)),
            *_each_reduced(scope, rows=33, reductions=("mean",)),
        ),
        options=True,
    ),
    Clause(
        "IGN-3",
        "when every row is ignored the sum is zero, the mean is the declared one and all gradients are zero",
        (_TORCH, _KERAS),
        _IGNORES,
        _all_ignored,
        _zero_rows,
        lambda scope: _each_reduced(scope, rows=4, reductions=("none", "mean", "sum"), ignored="all"),
        options=True,
    ),
    Clause(
        "IGN-4",
        "an ignored row stays without effect when its logits are NaN or infinite",
        ("A row that does not count cannot change what is returned; 0 · NaN is not 0.",),
        _IGNORES,
        _poisoned,
        _zero_rows,
        lambda scope: tuple(
            case
            for poison in ("nan", "+inf", "-inf")
            for case in _each_reduced(scope, rows=5, reductions=("none", "mean"), poison=poison)
        ),
        options=True,
    ),
)
