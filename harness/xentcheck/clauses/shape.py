"""SHP: shapes other than a few rows of a few classes."""

from __future__ import annotations

from dataclasses import replace
from math import isqrt, prod
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from xentcheck.bench import Bench
from xentcheck.cases import Case
from xentcheck.clauses.clause import Clause, softmax_of_logits
from xentcheck.clauses.value import matches_reference
from xentcheck.regimes import FINITE_REGIMES, SWATH
from xentcheck.strategies import Scope, cases, with_ignored_rows
from xentcheck.verdict import Measurement, nonzero
from xentcheck_adapters import Refused, Subject

_TORCH = "https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html"
_TF = "https://www.tensorflow.org/api_docs/python/tf/nn/softmax_cross_entropy_with_logits"
_KERAS = "https://keras.io/api/losses/probabilistic_losses/"
_OPTAX = "https://optax.readthedocs.io/en/latest/api/losses.html"

# Logits of three, four and five dimensions; a position alone, and one of each kind of size
_POSITIONS = ((5,), (2, 3), (2, 1, 3), (1,))
_PAST_16_BITS = 65537
# More than 2**17 for each of two ranks
_PAST_TWICE_17_BITS = 262145
# In each octave past 128 the power of two, and an odd number far from any
_LARGER = tuple(size for octave in (9, 7, 8, 10, 11, 12) for size in (isqrt(2 << 2 * octave) | 1, 1 << octave))


def _regimes(subject: Subject) -> tuple[str, ...]:
    if subject.inputs == "logits":
        return FINITE_REGIMES
    return ("unit-interval",) if "multi-hot" in subject.labels else ("probabilities",)


def _any(scope: Scope) -> SearchStrategy[Case]:
    """Cases of any kind of labels, reduction and options; of two classes or more where these are probabilities, for one
    that is 1 is clipped."""
    subject = scope.subject
    # Where a compilation takes seconds, dimensions are what is compiled for: not these times labels times options
    slow = subject.slow_traces
    plain = cases(
        scope,
        labels=scope.kinds[:1] if slow else scope.kinds,
        regimes=_regimes(subject),
        reductions=("none",) if slow else ("none", "sum", "mean"),
        options=subject.inputs == "logits" and not slow,
        few_shapes=True,
    )
    fewest = 1 if subject.inputs == "logits" else 2
    # Each size is a compilation where shapes are
    classes = st.just(7) if subject.retraces else st.integers(fewest, 12)
    return st.builds(lambda case, classes: replace(case, classes=classes), plain, classes)


def _positioned(scope: Scope, axes: tuple[int, ...]) -> SearchStrategy[Case]:
    """Cases whose rows are a batch of one to three times some positions, classes at one of the axes."""
    subject = scope.subject
    batches = st.just(2) if subject.retraces else st.integers(1, 3)
    positions = _POSITIONS[:1] if subject.retraces else _POSITIONS
    ignores = subject.offers("ignore_index") and subject.inputs == "logits" and not subject.retraces

    def case(plain: Case, batch: int, positions: tuple[int, ...], axis: int, ignored: str) -> Case:
        placed = replace(plain, rows=batch * prod(positions), positions=positions, class_axis=axis)
        return with_ignored_rows(placed, ignored)

    places = (
        batches,
        st.sampled_from(positions),
        st.sampled_from(axes),
        st.sampled_from(("none", "some") if ignores else ("none",)),
    )
    return st.builds(case, _any(scope), *places)


def _documented(scope: Scope) -> SearchStrategy[Case]:
    return _positioned(scope, scope.subject.class_axes[:1])


def _other_axes(scope: Scope) -> SearchStrategy[Case]:
    return _positioned(scope, scope.subject.class_axes[1:])


def _each_number_of_dimensions(scope: Scope) -> tuple[Case, ...]:
    """A cube, where an axis taken for another one changes no shape, and four and five dimensions."""
    axis = scope.subject.class_axes[0]
    plain = _plain(scope, rows=3, classes=3, class_axis=axis)
    cube = replace(plain, rows=9, positions=(3,))
    if scope.subject.retraces:
        return (replace(plain, rows=12, positions=(2, 3)),)
    return (cube, replace(plain, rows=12, positions=(2, 3)), replace(plain, rows=12, positions=(2, 1, 3)))


def _each_axis(scope: Scope) -> tuple[Case, ...]:
    """Every axis of a batch with positions, and the first of one without; smoothed where the subject can, for the
    uniform part is one of all classes."""
    subject = scope.subject
    plain = _plain(scope, rows=10, classes=3, positions=(5,))
    cases = tuple(replace(plain, class_axis=axis) for axis in subject.class_axes[1:])
    flat = (replace(plain, rows=4, positions=(), class_axis=0),)
    smoothed = tuple(replace(case, label_smoothing=0.1) for case in cases) if subject.offers("label_smoothing") else ()
    return (*cases, *smoothed) if subject.retraces else (*cases, *flat, *smoothed)


def _plain(scope: Scope, **fields: Any) -> Case:
    subject = scope.subject
    kind, regime = scope.kinds[0], _regimes(subject)[0]
    return replace(Case(dtype=scope.dtype, labels=kind, regime=regime, seed=1, upstream="random"), **fields)


def _single(scope: Scope) -> SearchStrategy[Case]:
    return _any(scope).map(lambda case: replace(case, rows=1, single=True))


def _no_rows(scope: Scope) -> tuple[Case, ...]:
    return tuple(
        _plain(scope, rows=0, classes=3, labels=kind, reduction=reduction)
        for kind in scope.kinds
        for reduction in scope.subject.reductions
        if reduction == "none" or not scope.subject.keras_customs
    )


def _nothing_of_no_rows(case: Case, bench: Bench) -> Measurement:
    """As the reference; what nobody described may refuse an empty batch, for nobody said that it takes one."""
    call = bench.call(case)
    if not bench.subject.described and isinstance(bench.run(call), Refused):
        return Measurement()
    return matches_reference(case, bench)


def _one_class(scope: Scope) -> SearchStrategy[Case]:
    subject = scope.subject
    kind = "index" if "index" in subject.labels else "one-hot"
    plain = cases(scope, labels=(kind,), regimes=FINITE_REGIMES, reductions=("none", "sum", "mean"), options=True)
    rows = st.just(4) if subject.retraces else st.sampled_from((1, 2, 5, 33))
    # Of smoothed labels, the sum of two roundings need not be 1: that is VAL-4's subject
    return st.builds(lambda case, rows: replace(case, rows=rows, classes=1, label_smoothing=0.0), plain, rows)


def _exactly_zero(case: Case, bench: Bench) -> Measurement:
    """But for the gradient of what nobody described on TensorFlow, which is within its bounds: its log has a derivative
    of approximate reciprocals, of which that of 1 is not 1."""
    answer, measurement = bench.conforms(bench.call(case), case)
    stranger = not bench.subject.described and "tensorflow" in bench.subject.framework
    exact = {"loss": answer.loss} if stranger else answer.results
    for what, array in exact.items():
        if wrong := nonzero(what, array, np.ones(array.shape, bool), "exactly 0: one class has softmax 1"):
            raise wrong
    return measurement


def _large(scope: Scope) -> tuple[Case, ...]:
    """Vocabularies past 2**16, in which few classes count, or one part of them after the other; more rows than a grid
    of 2**16 blocks has; and rows that lie far apart in memory. (As many elements as that would be a gradient of 4 to
    16 GiB: only an offset past 2**31 is cheap.)"""
    kind = "index" if "index" in scope.subject.labels else "one-hot"
    plain = _plain(scope, rows=3, classes=7, labels=kind, regime="normal")
    compiled = scope.subject.retraces
    past = (_PAST_16_BITS,) if compiled or scope.brief else (_PAST_16_BITS, _PAST_TWICE_17_BITS)
    vocabularies = tuple(
        replace(plain, rows=1, classes=classes, regime=regime, focus="last", seed=seed)
        for classes in (*past, *(c for c in scope.level.classes if c > max(past)))
        for seed, regime in enumerate(("landmark", "wrong"))
    )
    if compiled:
        return vocabularies
    deeper = (
        replace(plain, rows=_PAST_16_BITS, classes=2, upstream="random"),
        replace(plain, rows=32, classes=_PAST_16_BITS, regime=SWATH),
    )
    return (*vocabularies, replace(plain, layout="far"), *(() if scope.brief else deeper))


def _every_size(scope: Scope) -> tuple[Case, ...]:
    """Every remainder that a block of up to 128 classes or rows can leave, and larger widths: in each row a few classes
    share the maximum, the first, the last and the edges of blocks in turn, or always the last, and nothing else
    counts."""
    kind = "index" if "index" in scope.subject.labels else "one-hot"
    plain = _plain(scope, rows=6, classes=5, labels=kind, regime="landmark", focus="sweep")
    if scope.subject.retraces:
        return (replace(plain, classes=15),)
    sizes = (13, 14, 15, 63) if scope.brief else range(1, 131)
    of_classes = (replace(plain, classes=size, seed=size) for size in sizes)
    of_rows = (replace(plain, rows=size, seed=size) for size in sizes)
    larger = (replace(plain, classes=size, focus="last") for size in (_LARGER[:2] if scope.brief else _LARGER))
    return (*of_classes, *of_rows, *larger)


def _has_dimensions(subject: Subject) -> str | None:
    return None if subject.class_axes else "takes only (N, C)"


def _has_axis(subject: Subject) -> str | None:
    return None if len(subject.class_axes) > 1 else "has no argument for the class axis"


CLAUSES = (
    Clause(
        "SHP-1",
        "logits of more dimensions, with the classes where the API documents them, give the values of their rows",
        (_TORCH, _TF, _KERAS, _OPTAX),
        _has_dimensions,
        _documented,
        matches_reference,
        _each_number_of_dimensions,
        options=True,
        programs=True,
    ),
    Clause(
        "SHP-2",
        "an argument for the class axis moves the axis and changes nothing else",
        (_TF, _KERAS, _OPTAX),
        _has_axis,
        _other_axes,
        matches_reference,
        _each_axis,
        options=True,
        programs=True,
    ),
    Clause(
        "SHP-3",
        "a row alone, logits (C,) and a label without dimensions, is a batch of one",
        (_TORCH,),
        _has_dimensions,
        _single,
        matches_reference,
        options=True,
        programs=True,
    ),
    Clause(
        "SHP-4",
        "a batch without rows has an empty loss, an empty gradient, sum 0 and the declared mean",
        ("An empty sum is 0; an empty mean is 0/0 or declared.",),
        lambda _: None,
        None,
        _nothing_of_no_rows,
        _no_rows,
        options=True,
        programs=True,
    ),
    Clause(
        "SHP-5",
        "with one class the loss and the gradient are exactly zero",
        ("softmax(x) = exp(0)/exp(0) = 1, -log 1 = 0, 1 - 1 = 0",),
        softmax_of_logits,
        _one_class,
        _exactly_zero,
        options=True,
        programs=True,
    ),
    Clause(
        "SHP-6",
        "vocabularies and batches past 2^16 and elements past 2^31 from the first are read like any other",
        ("https://github.com/pytorch/pytorch/issues/85005",),
        softmax_of_logits,
        None,
        matches_reference,
        _large,
        options=True,
        programs=True,
    ),
    Clause(
        "SHP-7",
        "no number of classes or rows is special: blocks, vectors and their remainders leave nothing out",
        ("sums over the classes have C terms, whatever C is",),
        softmax_of_logits,
        None,
        matches_reference,
        _every_size,
        options=True,
        programs=True,
    ),
)
