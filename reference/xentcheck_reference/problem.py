"""What is asked of the oracle: plain arrays and options, checked once, here."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, nan
from typing import Literal, NoReturn, get_args

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.integer]
Reduction = Literal["none", "sum", "mean"]
MeanDividesBy = Literal["weights", "sample_weights", "kept", "rows"]
GradientRule = Literal["true", "assume_normalised"]
ZeroTimesInf = Literal["zero", "nan"]


class InvalidProblem(ValueError):
    """A problem the oracle cannot have an opinion about; names the argument, what it got and what it expected."""


def _refuse(argument: str, got: object, expected: str) -> NoReturn:
    raise InvalidProblem(f"{argument}: got {got}, expected {expected}")


def _describe(value: object) -> str:
    return f"{value.dtype} array of shape {value.shape}" if isinstance(value, np.ndarray) else repr(value)


def _check_float(argument: str, value: object, shape: tuple[int, ...], meaning: str) -> None:
    if not isinstance(value, np.ndarray) or value.dtype != np.float64 or value.shape != shape:
        _refuse(argument, _describe(value), f"a float64 array of shape {shape}, {meaning}")


def _check_choice(argument: str, value: str, choices: object) -> None:
    if value not in get_args(choices):
        _refuse(argument, repr(value), f"one of {', '.join(get_args(choices))}")


def _check_logits(logits: object) -> None:
    if not isinstance(logits, np.ndarray) or logits.dtype != np.float64 or logits.ndim != 2 or logits.shape[1] < 1:
        _refuse("logits", _describe(logits), "a float64 array of shape (N, C) with C >= 1")


def _check_smoothing(smoothing: float) -> None:
    if not 0.0 <= smoothing <= 1.0:
        _refuse("label_smoothing", smoothing, "a number in [0, 1]")


def _check_z_loss(z_loss: float) -> None:
    if not 0.0 <= z_loss < inf:
        _refuse("z_loss", z_loss, "a finite number >= 0, the factor of the squared log-sum-exp")


def _check_softcap(softcap: float | None) -> None:
    if softcap is not None and not 0.0 < softcap < inf:
        _refuse("softcap", softcap, "a finite number > 0, or None")


def _check_sample_weight(weight: FloatArray | None, rows: int) -> None:
    if weight is not None:
        _check_float("sample_weight", weight, (rows,), "one weight per row")
        if not np.isfinite(weight).all():
            _refuse("sample_weight", "a NaN or an infinity", "finite numbers")


def _check_upstream(upstream: FloatArray | None, reduction: Reduction, rows: int) -> None:
    if upstream is not None:
        shape = (rows,) if reduction == "none" else ()
        _check_float("upstream", upstream, shape, f"one cotangent per value that reduction={reduction!r} returns")


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """Softmax cross-entropy of N rows over C classes.

    Index labels y give the row q = (1-eps) w_y onehot(y) + (eps/C) w; soft labels give q = w ((1-eps) y + eps/C).
    The row loss is sum_j q_j (-log softmax_j) + z_loss lse^2 with lse = log sum_j exp(x_j). All floats are float64 and
    exactly the values the subject receives, so there is no input error to allow for.

    Raises:
        InvalidProblem: a shape, dtype, label or option outside the field's description.
    """

    logits: FloatArray
    """(N, C)"""
    labels: NDArray[np.integer] | FloatArray
    """(N,) class indices or (N, C) soft labels, of any sum and sign"""
    weight: FloatArray | None = None
    """(C,) class weights"""
    sample_weight: FloatArray | None = None
    """(N,) finite factors of the row losses, z-loss included; ones where absent"""
    ignore_index: int | None = None
    """Index labels only: rows with this label are ignored. The one label that may lie outside [0, C)."""
    label_smoothing: float = 0.0
    z_loss: float = 0.0
    """Factor of the squared log-sum-exp that kept rows add to their loss (PaLM, arXiv 2204.02311, section 5); neither
    weighted nor smoothed"""
    softcap: float | None = None
    """c: the logits are c tanh(x / c) before anything else (Gemma 2, arXiv 2408.00118); gradients are to x"""
    reduction: Reduction = "none"
    mean_divides_by: MeanDividesBy = "rows"
    """Sum over kept rows of w[y] times the sample weight (index labels only), of the sample weights, number of kept
    rows, or N."""
    empty_mean: float = nan
    """The mean when it would divide by zero: NaN (torch) or 0 (Keras)."""
    upstream: FloatArray | None = None
    """Cotangent of the returned loss: (N,) for reduction none, () otherwise; None means ones."""
    gradient_rule: GradientRule = "true"
    """"true": softmax * sum(q) - q; "assume_normalised": softmax - q whatever sum(q) is."""
    zero_times_inf: ZeroTimesInf = "zero"
    """Soft labels: the value of 0 * (-log 0)."""

    def __post_init__(self) -> None:
        _check_logits(self.logits)
        rows, classes = self.logits.shape
        self._check_labels(rows, classes)
        if self.weight is not None:
            _check_float("weight", self.weight, (classes,), "one weight per class")
        _check_sample_weight(self.sample_weight, rows)
        _check_smoothing(self.label_smoothing)
        _check_z_loss(self.z_loss)
        _check_softcap(self.softcap)
        _check_choice("reduction", self.reduction, Reduction)
        _check_choice("mean_divides_by", self.mean_divides_by, MeanDividesBy)
        _check_choice("gradient_rule", self.gradient_rule, GradientRule)
        _check_choice("zero_times_inf", self.zero_times_inf, ZeroTimesInf)
        _check_upstream(self.upstream, self.reduction, rows)

    def _check_labels(self, rows: int, classes: int) -> None:
        labels = self.labels
        if not isinstance(labels, np.ndarray) or labels.dtype.kind not in "iuf":
            _refuse("labels", _describe(labels), "integer class indices (N,) or float64 soft labels (N, C)")
        if labels.dtype.kind == "f":
            _check_float("labels", labels, (rows, classes), "soft labels shaped like the logits")
            if self.ignore_index is not None:
                _refuse("ignore_index", self.ignore_index, "None with soft labels: only an index label can be ignored")
            if self.mean_divides_by == "weights":
                _refuse("mean_divides_by", "'weights'", "another sum with soft labels: no single w[y] exists")
            return
        if labels.shape != (rows,):
            _refuse("labels", _describe(labels), f"class indices of shape ({rows},), one per row of the logits")
        wrong = self.kept & ((labels < 0) | (labels >= classes))
        if wrong.any():
            row = int(np.argmax(wrong))
            expected = f"a class in [0, {classes}) or ignore_index={self.ignore_index}"
            _refuse(f"labels[{row}]", int(labels[row]), expected)

    @property
    def soft(self) -> bool:
        """Whether the labels are rows of floats rather than class indices."""
        return self.labels.dtype.kind == "f"

    @property
    def kept(self) -> NDArray[np.bool_]:
        """(N,) rows that are not ignored."""
        if self.ignore_index is None:
            return np.ones(len(self.labels), np.bool_)
        return np.asarray(self.labels != self.ignore_index)


@dataclass(frozen=True, kw_only=True, eq=False)
class BinaryProblem:
    """Sigmoid cross-entropy: N rows of C independent yes/no questions; the row loss is the mean over the C classes.

    Smoothing is y (1-eps) + eps/2.

    Raises:
        InvalidProblem: a shape, dtype or option outside the field's description.
    """

    logits: FloatArray
    """(N, C)"""
    labels: FloatArray
    """(N, C), any range"""
    sample_weight: FloatArray | None = None
    """(N,) finite factors of the row losses; ones where absent"""
    label_smoothing: float = 0.0
    reduction: Reduction = "none"
    mean_divides_by: Literal["sample_weights", "rows"] = "rows"
    upstream: FloatArray | None = None
    """Cotangent of the returned loss: (N,) for reduction none, () otherwise; None means ones."""

    def __post_init__(self) -> None:
        _check_logits(self.logits)
        _check_float("labels", self.labels, self.logits.shape, "shaped like the logits")
        _check_sample_weight(self.sample_weight, len(self.logits))
        _check_smoothing(self.label_smoothing)
        _check_choice("reduction", self.reduction, Reduction)
        _check_choice("mean_divides_by", self.mean_divides_by, Literal["sample_weights", "rows"])
        _check_upstream(self.upstream, self.reduction, len(self.logits))


def check_probabilities(values: FloatArray, below: float = inf) -> None:
    """Refuse what has no logarithm: the oracle of probabilities speaks only of the interior."""
    outside = ~((values > 0.0) & (values < below))
    if outside.any():
        row, column = np.argwhere(outside)[0]
        _refuse(f"logits[{row}, {column}]", values[row, column], f"a probability p with 0 < p < {below}")


def check_direction(direction: object, shape: tuple[int, ...]) -> None:
    """Refuse what is no direction of a derivative with respect to the logits."""
    _check_float("direction", direction, shape, "shaped like the logits")
    if not np.isfinite(direction).all():  # type: ignore[call-overload]
        _refuse("direction", "a NaN or an infinity", "finite numbers")
