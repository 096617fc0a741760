"""The survey: fixed cases over all regimes and sizes, on which errors are measured rather than faults looked for.

Nothing is drawn, so figures of two runs, two machines or two versions of a framework are about the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from xentcheck.cases import Case
from xentcheck.regimes import HORIZON, REGIMES, landmark_columns
from xentcheck.soft_labels import SURVEYED
from xentcheck.strategies import Scope
from xentcheck_adapters import Subject

SEED = 0
"""Of the survey; calibration takes others, so that no threshold is learned from the rows it is held against."""

HORIZON_CLASSES = 10
LONG_SUM = 32000
"""Classes from which on the order of summation shows in the errors of float32."""

# Regimes whose errors grow with the number of classes; landmarks go on until each position has had its turn.
_OF_ANY_SIZE = ("normal", "constant-tail", "landmark")
_ROWS = 64
# What tells the grades apart: losses of every size, none, tiny and huge logits, and long sums.
_OF_GRADES = ("normal", "confident", "offset", "constant-tail", HORIZON)
# Many alike elements: the average of their errors is stable.
_OF_AGGREGATES = ("normal", "near-tie", "confident", "wrong", "constant-tail", "spike")
# Classes a row needs for the common mode of its errors to be told from theirs.
_OF_COMMON_MODE = ("normal", "near-tie", "constant-tail", "spike")
# Most classes graded: what calibration covers. Beyond it a sum in blocks exceeds the bound of a pairwise one.
_LONGEST_GRADED = 50257


def survey_cases(scope: Scope, seed: int = SEED) -> tuple[Case, ...]:
    """Every case of the level for a subject and dtype, small ones first."""
    cases = [*_of_every_regime(scope, seed), *_of_every_size(scope, seed), *_soft(scope, seed)]
    asked = (case for case in cases if scope.allows(case.rows, case.classes))
    return tuple(sorted(asked, key=lambda case: case.rows * case.classes))


def grade_cases(scope: Scope, seed: int = SEED) -> tuple[Case, ...]:
    """The cases on which grades are measured; of a kernel that nobody knows, always those with a long sum."""
    graded = (c for c in survey_cases(scope, seed) if c.regime in _OF_GRADES and c.classes <= _LONGEST_GRADED)
    chosen = tuple(case for case in graded if case.labels not in SURVEYED)
    if scope.subject.described or any(case.classes >= LONG_SUM for case in chosen):
        return chosen
    return (*chosen, _case(scope, 4, _LONGEST_GRADED, "constant-tail", seed))


def aggregate_cases(scope: Scope, seed: int = SEED) -> tuple[Case, ...]:
    """The batches whose statistics are compared with honest ones."""
    first = scope.level.survey[0]
    return tuple(
        c
        for c in _of_every_regime(scope, seed)
        if c.regime in _OF_AGGREGATES and (c.rows, c.classes) == first and scope.allows(c.rows, c.classes)
    )


def common_mode_cases(scope: Scope, seed: int = SEED) -> tuple[Case, ...]:
    """The cases with enough classes for errors that they share to be told from their own."""
    shapes = [shape for shape in scope.level.survey if shape[1] >= HORIZON_CLASSES]
    return tuple(
        c for c in _of_every_regime(scope, seed) if c.regime in _OF_COMMON_MODE and (c.rows, c.classes) in shapes
    )


def reported_regime(case: Case) -> str:
    """What the atlas calls the case: its regime, or the kind of its labels where they are soft."""
    return case.labels if case.labels in SURVEYED else case.regime


def _of_every_regime(scope: Scope, seed: int) -> Iterator[Case]:
    for rows, classes in scope.level.survey:
        for regime in (*REGIMES, HORIZON):
            if regime == HORIZON and classes != HORIZON_CLASSES:
                continue
            if regime == "masked" and "index" not in scope.subject.labels:
                continue  # 0 * inf is SOFT-1's subject
            yield _case(scope, rows, classes, regime, seed)


def _of_every_size(scope: Scope, seed: int) -> Iterator[Case]:
    for classes in scope.level.sizes(scope.subject):
        rows = min(_ROWS, max(1, scope.level.cells // classes))
        for regime in _OF_ANY_SIZE:
            turns = -(-len(landmark_columns(classes)) // rows) if regime == "landmark" else 1
            yield from (_case(scope, rows, classes, regime, seed + turn) for turn in range(turns))


def _soft(scope: Scope, seed: int) -> Iterator[Case]:
    subject = scope.subject
    if "dense" not in subject.labels or ("index" in subject.labels and subject.retraces):
        return  # its other form would be one more compilation; SOFT-1 sees to that
    for rows, classes in scope.level.survey:
        yield replace(_case(scope, rows, classes, "normal", seed), labels="soft")
        # A sum over the labels that errs shows where the softmax is near 1 and its own error small.
        yield replace(_case(scope, rows, classes, "confident", seed), labels="smoothed")


def _case(scope: Scope, rows: int, classes: int, regime: str, seed: int) -> Case:
    labels = hard_labels(scope.subject)
    return Case(scope.dtype, rows, classes, regime, seed, "sweep", labels=labels)


def hard_labels(subject: Subject) -> str:
    """The form in which a subject takes one class per row."""
    return "index" if "index" in subject.labels else "one-hot"
