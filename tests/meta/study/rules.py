"""The rules that are compared: what this project derives, and the tolerances that test suites use by default."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from study.batches import Batch
from study.honest_answers import NUMPY, UNKNOWN
from xentcheck.aggregate import BatchStatistics, batch_statistics
from xentcheck.expectation import Expectation, declared_profile, expect_of, softmax_reference
from xentcheck.rounding import misrounded
from xentcheck.verdict import error_ratio
from xentcheck_adapters import Precision, Returned
from xentcheck_faults.on_numpy.kernel import Array
from xentcheck_reference import Profile, common_mode

# (rtol, atol) as found in the sources: torch/testing/_comparison.py; numpy/testing/_private/utils.py and
# numpy/_core/numeric.py; tensorflow/python/framework/test_util.py; jax/_src/public_test_util.py. They are what this
# study is about, not what anything here is judged by.
Tolerance = tuple[float, float]
ANY_DTYPE = ("float32", "bfloat16", "float64")
DEFAULTS: dict[str, dict[str, Tolerance]] = {
    "torch.testing.assert_close": {"float32": (1.3e-6, 1e-5), "bfloat16": (1.6e-2, 1e-5), "float64": (1e-7, 1e-7)},
    "np.testing.assert_allclose": dict.fromkeys(ANY_DTYPE, (1e-7, 0.0)),
    "np.allclose": dict.fromkeys(ANY_DTYPE, (1e-5, 1e-8)),
    "TensorFlow assertAllClose": dict.fromkeys(ANY_DTYPE, (1e-6, 1e-6)),
    "JAX assertAllClose": {"float32": (1e-6, 1e-6), "bfloat16": (1e-2, 1e-2), "float64": (1e-15, 1e-15)},
}
PARTS = ("loss", "grad_logits")


@dataclass(frozen=True)
class Bounded:
    """What the rules of one kind of bound measure on an answer."""

    ratio: float
    """Largest error / bound"""
    misrounded: bool
    statistics: BatchStatistics


@dataclass(frozen=True)
class Reading:
    """What each rule measures on one answer: error bounds and tolerances are exceeded above 1."""

    declared: Bounded
    unknown: Bounded
    common_mode: float
    """Of the unknown precision: largest residual / bound once the error that a row's columns share is taken away"""
    excess: dict[str, float]
    """By default tolerance: the factor that it would have to be multiplied by to let the answer pass"""


class Judge:
    """What is expected of the answers to one batch: the reference once, the bounds once per precision."""

    def __init__(self, batch: Batch, dtype: str) -> None:
        self.dtype, self.call = dtype, batch.call
        self.problem, self.reference = softmax_reference(batch.call, NUMPY, dtype)
        self.expectations: dict[Precision, Expectation] = {}
        true = self.expect(UNKNOWN[dtype]).parts
        # A true value below float64's normal range counts as its end, so that no tolerance underflows.
        magnitude = {p: np.maximum(np.abs(true[p].value), 1e-300) for p in PARTS}
        tolerances = {name: of[dtype] for name, of in DEFAULTS.items()}
        self.per_tolerance = {
            n: {p: 1 / (atol + rtol * magnitude[p]) for p in PARTS} for n, (rtol, atol) in tolerances.items()
        }

    def profile(self, precision: Precision) -> Profile:
        return declared_profile(precision, self.dtype, self.call.layout)

    def expect(self, precision: Precision) -> Expectation:
        if precision not in self.expectations:
            bounds = expect_of(self.call, self.problem, self.reference, self.profile(precision))
            self.expectations[precision] = bounds
        return self.expectations[precision]

    def read(self, answer: Returned, declared: Precision) -> Reading:
        """Apply every rule to an answer."""
        with np.errstate(all="ignore"):
            return Reading(
                declared=self._bounded(answer, self.expect(declared)),
                unknown=self._bounded(answer, self.expect(UNKNOWN[self.dtype])),
                common_mode=self._common_mode(answer),
                excess=self._excess(answer),
            )

    def statistics(self, answer: Returned, declared: Precision) -> dict[str, BatchStatistics]:
        """Of the batch, by what is known of the precision."""
        bounds = {"declared": self.expect(declared), "unknown": self.expect(UNKNOWN[self.dtype])}
        return {knowledge: batch_statistics(answer, expectation) for knowledge, expectation in bounds.items()}

    def _bounded(self, answer: Returned, expectation: Expectation) -> Bounded:
        pairs = [(getattr(answer, p), expectation.parts[p]) for p in PARTS]
        return Bounded(
            max(float(error_ratio(got, part, self.dtype).max()) for got, part in pairs),
            any(bool(misrounded(got, part, self.dtype).any()) for got, part in pairs),
            batch_statistics(answer, expectation),
        )

    def _common_mode(self, answer: Returned) -> float:
        profile = self.profile(UNKNOWN[self.dtype])
        split = common_mode(self.problem, self.reference, profile, answer.grad_logits.astype(np.float64))
        residual, bound = np.abs(split.residual), split.residual_bound
        return float(np.where(residual == 0, 0.0, residual / bound).max())

    def _excess(self, answer: Returned) -> dict[str, float]:
        true = self.expect(UNKNOWN[self.dtype]).parts
        errors = {p: np.abs((getattr(answer, p).astype(np.float64) - true[p].value) - true[p].low) for p in PARTS}
        errors = {p: np.where(np.isnan(error), np.inf, error) for p, error in errors.items()}
        return {name: _largest([errors[p] * per[p] for p in PARTS]) for name, per in self.per_tolerance.items()}


def _largest(arrays: Sequence[Array]) -> float:
    return max(float(array.max()) for array in arrays)
