"""The bound admits every honest way of computing and refuses the classic faults, on inputs that show them.

One small NumPy kernel is the honest implementation; each fault changes one of its steps and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import pytest

from xentcheck_reference import Problem, Profile, cross_entropy, error_bound

if TYPE_CHECKING:
    from collections.abc import Callable

BF16: Any = ml_dtypes.bfloat16
DTYPES: dict[str, Any] = {"float16": np.float16, "bfloat16": BF16, "float32": np.float32, "float64": np.float64}


class Honest:
    """Softmax cross-entropy, every operation rounded to one dtype, sums over classes in at least float32."""

    def __init__(self, dtype: str) -> None:
        self.dtype = DTYPES[dtype]
        self.wide = np.promote_types(self.dtype, np.float32) if dtype != "bfloat16" else np.dtype(np.float32)

    def total(self, values: np.ndarray) -> np.ndarray:
        return values.astype(self.wide).sum(axis=1, keepdims=True).astype(self.dtype)

    def logits(self, x: np.ndarray) -> np.ndarray:
        return x

    def shift(self, x: np.ndarray) -> np.ndarray:
        return x - x.max(axis=1, keepdims=True)

    def exp(self, d: np.ndarray) -> np.ndarray:
        return np.exp(d)

    def log_softmax(self, d: np.ndarray, log_sum: np.ndarray, x: np.ndarray) -> np.ndarray:
        return d - log_sum

    def softmax(self, e: np.ndarray, total: np.ndarray) -> np.ndarray:
        return e / total

    def smooth(self, y: np.ndarray, eps: float) -> np.ndarray:
        return y * self.dtype(1 - eps) + self.dtype(eps / y.shape[1])

    def mass(self, q: np.ndarray) -> np.ndarray:
        return self.total(q)

    def denominator(self, problem: Problem) -> float:
        return float(cross_entropy(problem).rows.denominator)

    def __call__(self, problem: Problem) -> tuple[np.ndarray, np.ndarray]:
        """The returned loss and its gradient to the logits."""
        d_type = self.dtype
        x = self.logits(problem.logits.astype(d_type))
        classes = x.shape[1]
        y = problem.labels.astype(d_type) if problem.soft else np.eye(classes, dtype=d_type)[problem.labels % classes]
        q = self.smooth(y, problem.label_smoothing) if problem.label_smoothing else y
        if problem.weight is not None:
            q = q * problem.weight.astype(d_type)
        d = self.shift(x)
        e = self.exp(d)
        total = self.total(e)
        products = q * self.log_softmax(d, np.log(total), x)
        rows = np.where(problem.kept, -self.total(np.where(q == 0, d_type(0), products))[:, 0], d_type(0))
        scale = np.ones(len(x), d_type) if problem.upstream is None else problem.upstream.astype(d_type)
        scale = np.where(problem.kept, scale / d_type(self.denominator(problem)), d_type(0))[:, None]
        grad = scale * (self.mass(q) * self.softmax(e, total) - q)
        if problem.reduction == "none":
            return rows, grad
        return (self.total(rows[None])[0, 0] / d_type(self.denominator(problem))), grad


def profile_of(dtype: str) -> Profile:
    return Profile(dtype, "uniform", "pairwise", row_sums="wide")


def worst_ratio(kernel: Honest, problem: Problem, profile: Profile) -> float:
    """Largest error / bound over loss and gradient; infinity for a NaN, or for any error where none is allowed."""
    with np.errstate(all="ignore"):
        reference = cross_entropy(problem, tier="double-word")
        bound = error_bound(problem, reference, profile)
        worst = 0.0
        for got, true, allowed in zip(
            kernel(problem), (reference.loss, reference.grad_logits), (bound.loss, bound.grad_logits), strict=True
        ):
            error = np.abs(got.astype(np.float64) - true)
            ratio = np.where(error == 0.0, 0.0, error / allowed)
            worst = max(worst, float(np.where(np.isnan(ratio), np.inf, ratio).max(initial=0.0)))
    return worst


def logits_of(regime: str, rows: int, classes: int, dtype: str) -> np.ndarray:
    rng = np.random.default_rng(7)
    x = rng.normal(size=(rows, classes))
    column = rng.integers(0, classes, rows)
    match regime:
        case "wide":
            x *= 15.0
        case "near tie":
            x *= 2.0**-9
        case "offset":
            x = 2.0 * x + 100.0
        case "constant tail":
            x[:] = -8.0
            x[:, 0] = 0.0
        case "confident":
            x[np.arange(rows), column] += 12.0
    return x.astype(DTYPES[dtype]).astype(np.float64)


REGIMES = ["normal", "wide", "near tie", "offset", "constant tail", "confident"]


def index_problem(regime: str, dtype: str = "float32", rows: int = 32, classes: int = 10, **options: Any) -> Problem:
    labels = np.random.default_rng(8).integers(0, classes, rows)
    return Problem(logits=logits_of(regime, rows, classes, dtype), labels=labels, **options)


def soft_problem(regime: str, dtype: str = "float32", rows: int = 32, classes: int = 10, **options: Any) -> Problem:
    labels = np.random.default_rng(9).random((rows, classes)).astype(DTYPES[dtype]).astype(np.float64)
    return Problem(logits=logits_of(regime, rows, classes, dtype), labels=labels, **options)


def options_of(name: str, dtype: str) -> dict[str, Any]:
    rng = np.random.default_rng(10)
    given = lambda *shape: rng.uniform(0.25, 2.0, shape).astype(DTYPES[dtype]).astype(np.float64)  # noqa: E731
    return {
        "plain": {},
        "smoothed": {"label_smoothing": 0.1},
        "weighted": {"weight": given(10)},
        "upstream": {"upstream": -given(32)},
        "mean": {"reduction": "mean"},
        "everything": {"label_smoothing": 0.1, "weight": given(10), "reduction": "mean", "upstream": given()},
    }[name]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("options", ["plain", "smoothed", "weighted", "upstream", "mean", "everything"])
@pytest.mark.parametrize("build", [index_problem, soft_problem])
def test_an_honest_kernel_is_inside_the_bound(
    build: Callable[..., Problem], options: str, regime: str, dtype: str
) -> None:
    problem = build(regime, dtype, **options_of(options, dtype))
    assert 0.0 < worst_ratio(Honest(dtype), problem, profile_of(dtype)) <= 1.0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("regime", REGIMES)
def test_an_undescribed_kernel_is_allowed_whatever_a_described_one_is(regime: str, dtype: str) -> None:
    problem = index_problem(regime, dtype, label_smoothing=0.1, reduction="mean")
    reference = cross_entropy(problem)
    loosest = error_bound(problem, reference, Profile.unknown(dtype))
    for storage in ("wide", "stored", "uniform"):
        for sums in (("lane", 8), ("block", 1024)):
            described = error_bound(problem, reference, Profile(dtype, storage, sums))  # type: ignore[arg-type]
            assert (described.loss <= loosest.loss).all()
            assert (described.grad_logits <= loosest.grad_logits).all()


class DropsTheLastClass(Honest):
    def total(self, values: np.ndarray) -> np.ndarray:
        return super().total(values[:, :-1]) if values.shape[0] > 1 else super().total(values)


class ReadsPaddingAsZero(Honest):
    def total(self, values: np.ndarray) -> np.ndarray:
        return super().total(values) + self.dtype(6)  # ten classes padded to sixteen: exp(0) six times


class AccumulatesInBfloat16(Honest):
    def total(self, values: np.ndarray) -> np.ndarray:
        total = np.zeros((len(values), 1), BF16)
        for column in values.T:
            total = (total + column[:, None].astype(BF16)).astype(BF16)
        return total.astype(self.dtype)


class StoresSoftmaxInBfloat16(Honest):
    def softmax(self, e: np.ndarray, total: np.ndarray) -> np.ndarray:
        return (e / total).astype(BF16).astype(self.dtype)


class DoesNotSubtractTheMaximum(Honest):
    def shift(self, x: np.ndarray) -> np.ndarray:
        return x


class SubtractsAfterRoundingTheLogSum(Honest):
    def log_softmax(self, d: np.ndarray, log_sum: np.ndarray, x: np.ndarray) -> np.ndarray:
        return x - (x.max(axis=1, keepdims=True) + log_sum)


class ReadsLogitsThroughTensorFloat32(Honest):
    def logits(self, x: np.ndarray) -> np.ndarray:
        return (x.view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32)  # ten fraction bits


class HasAnExpWithARelativeErrorOf1e5(Honest):
    def exp(self, d: np.ndarray) -> np.ndarray:
        return np.exp(d) * self.dtype(1 + 1e-5) ** np.sign(np.sin(1e3 * d))


class UsesFiveDigitsOfLog2E(Honest):
    def exp(self, d: np.ndarray) -> np.ndarray:
        return np.exp2(d * self.dtype(1.4427))


class CutsExpAtMinus20(Honest):
    def exp(self, d: np.ndarray) -> np.ndarray:
        return np.exp(np.maximum(d, -20))


class ClipsProbabilitiesAt1e7(Honest):
    def log_softmax(self, d: np.ndarray, log_sum: np.ndarray, x: np.ndarray) -> np.ndarray:
        return np.maximum(d - log_sum, np.log(self.dtype(1e-7)))


class SmoothsOverTheOtherClassesOnly(Honest):
    def smooth(self, y: np.ndarray, eps: float) -> np.ndarray:
        return y * self.dtype(1 - eps) + (1 - y) * self.dtype(eps / (y.shape[1] - 1))


class ForgetsTheMassOfTheLabels(Honest):
    def mass(self, q: np.ndarray) -> np.ndarray:
        return np.ones((len(q), 1), self.dtype)


class AveragesOverIgnoredRowsToo(Honest):
    def denominator(self, problem: Problem) -> float:
        return float(len(problem.logits)) if problem.reduction == "mean" else 1.0


class LeavesTheLastGradientZero(Honest):
    def softmax(self, e: np.ndarray, total: np.ndarray) -> np.ndarray:
        result = e / total
        result[:, -1] = 0
        return result


class ComputesInFloat32(Honest):
    def logits(self, x: np.ndarray) -> np.ndarray:
        return x.astype(np.float32).astype(self.dtype)

    def exp(self, d: np.ndarray) -> np.ndarray:
        return np.exp(d.astype(np.float32)).astype(self.dtype)


def ignoring(regime: str, dtype: str, share: int) -> Problem:
    labels = np.where(np.arange(64) % share == 0, -1, 3)
    return Problem(logits=logits_of(regime, 64, 10, dtype), labels=labels, ignore_index=-1, reduction="mean",
                   mean_divides_by="kept")  # fmt: skip


FAULTS: list[tuple[type[Honest], str, Problem]] = [
    (DropsTheLastClass, "float32", index_problem("normal")),
    (DropsTheLastClass, "bfloat16", index_problem("normal", "bfloat16")),
    (DropsTheLastClass, "float32", index_problem("near tie", classes=1000)),
    (ReadsPaddingAsZero, "float32", index_problem("normal")),
    (ReadsPaddingAsZero, "float16", index_problem("normal", "float16")),
    (AccumulatesInBfloat16, "float32", index_problem("normal")),
    (AccumulatesInBfloat16, "float16", index_problem("normal", "float16", classes=1000)),
    (StoresSoftmaxInBfloat16, "float32", index_problem("normal")),
    (DoesNotSubtractTheMaximum, "float32", index_problem("offset")),
    (SubtractsAfterRoundingTheLogSum, "bfloat16", index_problem("offset", "bfloat16")),
    (ReadsLogitsThroughTensorFloat32, "float32", index_problem("normal")),
    (HasAnExpWithARelativeErrorOf1e5, "float32", index_problem("normal")),
    (UsesFiveDigitsOfLog2E, "float32", index_problem("wide")),
    (CutsExpAtMinus20, "float32", index_problem("wide")),
    (ClipsProbabilitiesAt1e7, "float32", index_problem("wide")),
    (SmoothsOverTheOtherClassesOnly, "float32", index_problem("normal", label_smoothing=0.1)),
    (SmoothsOverTheOtherClassesOnly, "bfloat16", index_problem("wide", "bfloat16", label_smoothing=0.1)),
    (ForgetsTheMassOfTheLabels, "float32", soft_problem("normal")),
    (ForgetsTheMassOfTheLabels, "bfloat16", soft_problem("normal", "bfloat16")),
    (AveragesOverIgnoredRowsToo, "float32", ignoring("normal", "float32", share=60)),
    (AveragesOverIgnoredRowsToo, "bfloat16", ignoring("normal", "bfloat16", share=10)),
    (LeavesTheLastGradientZero, "bfloat16", index_problem("normal", "bfloat16")),
    (ComputesInFloat32, "float64", index_problem("normal", "float64")),
]


@pytest.mark.parametrize(("fault", "dtype", "problem"), FAULTS, ids=[f"{f.__name__}-{d}" for f, d, _ in FAULTS])
def test_a_fault_is_outside_the_bound_where_honesty_is_inside(
    fault: type[Honest], dtype: str, problem: Problem
) -> None:
    assert worst_ratio(Honest(dtype), problem, profile_of(dtype)) <= 1.0
    assert worst_ratio(fault(dtype), problem, profile_of(dtype)) > 1.0


def test_an_offset_kernel_is_honest_if_it_says_so() -> None:
    problem = index_problem("offset", "bfloat16")
    declared = Profile("bfloat16", "uniform", "pairwise", offset=True)
    assert worst_ratio(SubtractsAfterRoundingTheLogSum("bfloat16"), problem, declared) <= 1.0
