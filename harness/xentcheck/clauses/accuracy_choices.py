"""EXC: what accuracy metrics count as right. They share the losses' labels, and few of the losses' rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from xentcheck.bench import Bench
from xentcheck.cases import Case, Explicit
from xentcheck.clauses.policy import REFUSES, answer_of, policy
from xentcheck.soft_labels import one_hot_rows
from xentcheck_adapters import Returned, Subject

_KERAS = "https://keras.io/api/metrics/accuracy_metrics/"

_FIRST, _LAST = "the first of them", "the last of them"
_NAN_LAST, _NAN_FIRST = "NaN is never the largest", "NaN is the largest"
_WRONG, _LEFT_OUT, _LAST_CLASS, _CLASS_0 = "wrong", "left out", "the last class", "class 0"
_AS_MEANT, _CUT = "as meant", "cut to an integer"
_ANY = "any of them"


@dataclass(frozen=True)
class _Cell:
    """Scores whose largest one is at `best`, with labels chosen so that each answer makes another share right."""

    best: tuple[int, ...]
    labels: tuple[Any, ...]
    share: Mapping[str, float]
    usual: str
    classes: int = 7
    nan_at: int | None = None
    label_dtype: str = "int64"
    malformed: str | None = None

    def case(self, dtype: str) -> Case:
        scores = 5 * one_hot_rows(np.array(self.best), self.classes) if self.best else np.zeros((4, self.classes))
        if self.nan_at is not None:
            scores[:, self.nan_at] = np.nan
        explicit = Explicit.of(scores, self.labels)
        return Case(
            dtype=dtype,
            rows=len(scores),
            classes=self.classes,
            explicit=explicit,
            label_dtype=self.label_dtype,
            malformed=self.malformed,
            reduction="mean",
        )


def _one_hot(*labels: int) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in one_hot_rows(np.array(labels), 7).tolist())


def _halves(*pairs: tuple[int, int], larger: float = 0.5) -> tuple[tuple[float, ...], ...]:
    rows = np.zeros((len(pairs), 7))
    for row, (a, b) in zip(rows, pairs, strict=True):
        row[a], row[b] = larger, 1 - larger
    return tuple(tuple(row) for row in rows.tolist())


_TIES = {_FIRST: 3 / 4, _LAST: 1 / 4}
_NAN = {_NAN_LAST: 3 / 4, _NAN_FIRST: 1 / 4}
_OUTSIDE = {_WRONG: 2 / 4, _LEFT_OUT: 2 / 3, _LAST_CLASS: 3 / 4}

_OF_INDICES: Mapping[str, _Cell] = {
    "tied scores": _Cell((), (0, 0, 0, 6), _TIES, _FIRST),
    "a NaN among the scores": _Cell((2, 0, 3, 6), (2, 0, 3, 5), _NAN, _NAN_LAST, nan_at=5),
    "label -1": _Cell((2, 6, 3, 0), (2, -1, 3, 1), _OUTSIDE, REFUSES),
    "label 99": _Cell((2, 6, 3, 0), (2, 99, 3, 1), _OUTSIDE, REFUSES),
    "labels (N, 1)": _Cell((2, 0, 3, 6), (2, 0, 3, 1), {_AS_MEANT: 3 / 4}, _AS_MEANT, malformed="one column (N, 1)"),
    "label 1.7": _Cell((2, 0, 1, 6), (2.0, 0.0, 1.7, 6.0), {_WRONG: 3 / 4, _CUT: 1.0}, REFUSES, label_dtype="float32"),
    "one-hot rows": _Cell((2, 0, 3, 6), (2, 0, 3, 6), {_AS_MEANT: 1.0}, REFUSES, malformed="one-hot integer rows"),
    "one-hot rows, N = C": _Cell(
        (2, 0, 3, 1), (2, 0, 3, 1), {_AS_MEANT: 1.0}, REFUSES, classes=4, malformed="one-hot integer rows"
    ),
    "one class": _Cell((0, 0, 0, 0), (0, 0, 0, 1), {_AS_MEANT: 3 / 4}, _AS_MEANT, classes=1),
}
_OF_ROWS: Mapping[str, _Cell] = {
    "tied scores": _Cell((), _one_hot(0, 0, 0, 6), _TIES, _FIRST),
    "a NaN among the scores": _Cell((2, 0, 3, 6), _one_hot(2, 0, 3, 5), _NAN, _NAN_LAST, nan_at=5),
    "soft labels": _Cell(
        (2, 0, 3, 6), _halves((2, 1), (0, 1), (3, 1), (1, 6), larger=0.75), {_AS_MEANT: 3 / 4}, _AS_MEANT
    ),
    "tied labels": _Cell(
        (2, 2, 2, 5), _halves((2, 5), (2, 5), (2, 5), (2, 5)), {_FIRST: 3 / 4, _LAST: 1 / 4, _ANY: 1.0}, _FIRST
    ),
    "a row of zeros": _Cell(
        (2, 0, 3, 6),
        (*_one_hot(2), (0.0,) * 7, *_one_hot(3, 1)),
        {_WRONG: 2 / 4, _LEFT_OUT: 2 / 3, _CLASS_0: 3 / 4},
        _LEFT_OUT,
    ),
    "class indices": _Cell((2, 0, 3, 6), (2, 0, 3, 6), {_AS_MEANT: 1.0}, REFUSES),
}


def _asks(cells: Mapping[str, _Cell]) -> dict[str, Any]:
    """Cells, usual answers and observer of a policy."""

    def observe(case: Case, bench: Bench) -> str:
        def name(answer: Returned) -> str:
            share = np.float32(answer.loss)
            named = cells[case.cell].share.items()
            return next((name for name, expected in named if np.float32(expected) == share), "another number")

        call = bench.call(case)
        return answer_of(bench.run(call), name, call)

    return {
        "cells": lambda scope: {name: cell.case(scope.dtype) for name, cell in cells.items()},
        "usual": lambda case: cells[case.cell].usual,
        "observe": observe,
    }


def _is_accuracy(kind: str) -> Callable[[Subject], str | None]:
    def lacks(subject: Subject) -> str | None:
        if subject.inputs != "scores":
            return "is a loss"
        return None if kind in subject.labels else f"takes no {kind} labels"

    return lacks


_ANSWERS = {
    _FIRST: "the first of the tied classes is the one that counts",
    _LAST: "the last of the tied classes is the one that counts",
    _ANY: "the prediction is right if it is one of the tied classes",
    _NAN_LAST: "the largest of the other scores is the prediction",
    _NAN_FIRST: "the class whose score is NaN is the prediction",
    _WRONG: "the row counts as a wrong prediction",
    _LEFT_OUT: "the row does not count",
    _LAST_CLASS: "the label stands for the last class",
    _CLASS_0: "the label is class 0",
    _AS_MEANT: "as a person means it",
    _CUT: "the label's fraction is dropped",
    "another number": "the share is that of another question, and nothing says so",
}

CLAUSES = (
    policy(
        "EXC-6",
        "what an accuracy of class indices counts as right",
        ("the largest score is the prediction", _KERAS),
        _is_accuracy("index"),
        answers=_ANSWERS,
        **_asks(_OF_INDICES),
    ),
    policy(
        "EXC-7",
        "what an accuracy of rows of labels counts as right",
        ("the largest score is the prediction, the largest label the class", _KERAS),
        _is_accuracy("dense"),
        answers=_ANSWERS,
        **_asks(_OF_ROWS),
    ),
)
