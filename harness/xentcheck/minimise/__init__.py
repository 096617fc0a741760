"""Minimisation: the fewest rows and classes, simplest values and options with which a failure shows, arrays in hand.

Hypothesis shrinks what a case is drawn from; here single rows and classes go, and numbers become simple ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from math import prod

import numpy as np

from xentcheck.bench import Bench
from xentcheck.cases import Case
from xentcheck.clauses import Clause
from xentcheck.minimise.deletion import without_needless
from xentcheck.minimise.pinned import (
    FREE,
    arrays_of,
    holds,
    needed_classes,
    pinned,
    with_arrays,
    with_classes,
    with_rows,
)
from xentcheck.minimise.plainer import plainer
from xentcheck.minimise.simpler import CHANGES, TO_ONES, Change, borrowed, concentrated, simpler
from xentcheck.minimise.trial import Exhausted, Trials
from xentcheck.randomness import Array
from xentcheck.verdict import Deviation
from xentcheck_reports import Status

__all__ = ["minimise"]

# Drawn cases above this many logits first lose rows and classes as drawn cases, which costs less than their arrays.
_LARGE = 1 << 12
_PASSES = 3


def minimise(
    clause: Clause,
    bench: Bench,
    case: Case,
    deviation: Deviation,
    *,
    is_known: Callable[[Case, Deviation], bool],
    seconds: float,
) -> tuple[Case, Deviation]:
    """The smallest case found that deviates likewise, and its deviation; the given one where there is nothing to gain.

    Likewise is the same result and status, not `is_known`, while an honest subject does not deviate. Policies and
    statistics are about their cases as they are; a hang costs too much to be repeated.
    """
    shrinks = clause.kind == "law" and not clause.statistical and deviation.status in (Status.FAIL, Status.CRASH)
    if seconds <= 0 or not shrinks or not case.rows:
        return case, deviation
    trials = Trials(clause, bench, case, deviation, is_known, seconds)
    with suppress(Exhausted):
        _search(trials, bench)
    return trials.told


def _search(trials: Trials, bench: Bench) -> None:
    if trials.case.rows * trials.case.classes > _LARGE and not trials.case.explicit:
        _fewer_drawn(trials)
    if not trials.works(pinned(trials.case)) and not trials.case.explicit:
        return  # the clause makes something else of a drawn case than of its values
    for _ in range(_PASSES):
        before = trials.case
        _fewer_rows(trials)
        _fewer_positions(trials)
        if bench.subject.inputs != "probabilities":  # which sum to one
            _fewer_classes(trials)
        _plainer_call(trials, bench)
        if bench.subject.inputs != "probabilities":
            _simpler_values(trials)
        if trials.case == before:
            return


def _fewer_drawn(trials: Trials) -> None:
    """Fewer rows and classes of the same kind, drawn anew."""
    for name, least in (("rows", prod(trials.case.positions)), ("classes", 1)):
        step = getattr(trials.case, name)
        while step > least:
            step //= 2
            while (fewer := getattr(trials.case, name) - max(step, least)) >= least and trials.works(
                replace(trials.case, **{name: fewer})
            ):
                pass


def _fewer_rows(trials: Trials) -> None:
    worst, block = trials.deviation.measurement.worst, prod(trials.case.positions)
    if worst and worst.row is not None and block == 1:
        trials.works(with_rows(trials.case, [worst.row]))
    start = trials.case

    def works(blocks: list[int]) -> bool:
        return trials.works(with_rows(start, [block * b + i for b in blocks for i in range(block)]))

    without_needless(list(range(start.rows // block)), works)


def _fewer_positions(trials: Trials) -> None:
    """The first few positions along each axis of them."""
    for axis in range(len(trials.case.positions)):
        start = trials.case
        places = np.arange(start.rows).reshape(-1, *start.positions)
        for length in range(1, start.positions[axis]):
            fewer = with_rows(start, places.take(range(length), axis=axis + 1).ravel().tolist())
            positions = (*start.positions[:axis], length, *start.positions[axis + 1 :])
            if trials.works(fewer and replace(fewer, positions=positions)):
                break


def _fewer_classes(trials: Trials) -> None:
    worst, needed = trials.deviation.measurement.worst, needed_classes(trials.case)
    if worst and worst.column is not None:
        trials.works(with_classes(trials.case, sorted({*needed, worst.column})))
    start = trials.case
    needed = needed_classes(start)

    def works(classes: list[int]) -> bool:
        return trials.works(with_classes(start, sorted({*classes, *needed})))

    without_needless([column for column in range(start.classes) if column not in needed], works)


def _plainer_call(trials: Trials, bench: Bench) -> None:
    while any(trials.works(plain) for plain in plainer(trials.case, bench.subject)):
        pass


def _simpler_values(trials: Trials) -> None:
    """Numbers that an honest subject takes as well; without one, numbers that are there already."""
    for name, values in arrays_of(trials.case).items():
        for change in _changes(trials, name, values):

            def works(tried: Array, name: str = name) -> bool:
                return trials.works(_with_values(trials.case, name, tried))

            simpler(arrays_of(trials.case)[name], change, works)


def _changes(trials: Trials, name: str, values: Array) -> Sequence[Change]:
    if name == "labels":
        if values.ndim == 1 or trials.case.labels == "multi-hot":
            return ()
        return (concentrated, *(TO_ONES if trials.case.labels in FREE and trials.has_witness else ()))
    if not trials.has_witness:
        return borrowed(values)
    return CHANGES if name in ("logits", "vector") else TO_ONES


def _with_values(case: Case, name: str, values: Array) -> Case | None:
    """The case with these values; None if its dtype does not hold them."""
    return with_arrays(case, {**arrays_of(case), name: values}) if holds(case.dtype, values) else None
