"""The bounds of z-loss, soft-capping, Hessian-vector products and the common mode admit honesty and refuse faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from xentcheck_reference import (
    Problem,
    Profile,
    common_mode,
    cross_entropy,
    error_bound,
    hessian_error_bound,
    hessian_vector_product,
)

DTYPES: dict[str, Any] = {
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
    "float32": np.float32,
    "float64": np.float64,
}
Array = np.ndarray[Any, Any]


def logits(dtype: str, scale: float, rows: int = 32, classes: int = 10) -> Array:
    x = np.random.default_rng(5).normal(size=(rows, classes)) * scale
    return x.astype(DTYPES[dtype]).astype(np.float64)


def softmax(x: Array) -> tuple[Array, Array]:
    """(N, C) softmax and (N, 1) log-sum-exp, every operation in the dtype of x, sums over classes in float32."""
    top = x.max(axis=1, keepdims=True)
    e = np.exp(x - top)
    wide = np.float64 if x.dtype == np.float64 else np.float32
    total = e.astype(wide).sum(axis=1, keepdims=True).astype(x.dtype)
    return e / total, top + np.log(total)


def kernel(
    problem: Problem, dtype: str, pull: float = 2.0, slope: Callable[[Array], Array] = lambda t: 1 - t * t
) -> Any:
    """Loss and gradient with z-loss and softcap; `pull` and `slope` are the factors of their derivatives."""
    real = DTYPES[dtype]
    x = problem.logits.astype(real)
    c = real(problem.softcap or 1.0)
    t = np.tanh(x / c)
    capped = c * t if problem.softcap else x
    p, lse = softmax(capped)
    index, zeta = np.arange(len(x)), real(problem.z_loss)
    loss = (lse[:, 0] - capped[index, problem.labels]) + zeta * lse[:, 0] * lse[:, 0]
    grad = p * (real(1) + real(pull) * zeta * lse)
    grad[index, problem.labels] -= real(1)
    return loss, grad * slope(t) if problem.softcap else grad


def ratio(got: Array, true: Array, bound: Array) -> float:
    return float((np.abs(got.astype(np.float64) - true) / bound).max())


def worst(problem: Problem, dtype: str, **faults: Any) -> float:
    reference = cross_entropy(problem, tier="double-word")
    bound = error_bound(problem, reference, Profile(dtype, "uniform", "pairwise", offset=True))
    loss, grad = kernel(problem, dtype, **faults)
    return max(ratio(loss, reference.loss, bound.loss), ratio(grad, reference.grad_logits, bound.grad_logits))


LABELS = np.random.default_rng(6).integers(0, 10, 32)
OPTIONS = {"z-loss": {"z_loss": 0.125}, "softcap": {"softcap": 4.0}, "both": {"z_loss": 0.125, "softcap": 4.0}}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [0.01, 1.0, 10.0, 60.0])
@pytest.mark.parametrize("options", OPTIONS)
def test_an_honest_kernel_with_options_is_inside_the_bound(options: str, scale: float, dtype: str) -> None:
    problem = Problem(logits=logits(dtype, scale), labels=LABELS, **OPTIONS[options])  # type: ignore[arg-type]
    assert 0.0 < worst(problem, dtype) <= 1.0


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_z_loss_gradient_without_its_factor_two_is_outside(dtype: str) -> None:
    problem = Problem(logits=logits(dtype, 10.0), labels=LABELS, z_loss=0.125)
    assert worst(problem, dtype, pull=1.0) > 1.0


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_softcap_gradient_without_the_slope_of_tanh_is_outside(dtype: str) -> None:
    problem = Problem(logits=logits(dtype, 10.0), labels=LABELS, softcap=4.0)
    assert worst(problem, dtype, slope=lambda t: np.ones_like(t)) > 1.0


def weighted_mean(dtype: str, too_many: int = 0) -> float:
    """Worst error / bound of a mean in which Keras' way of weighting rounds at each step: the row losses, the weights
    scaled by N over the kept rows, their product, and its sum over N."""
    real, rows = DTYPES[dtype], len(LABELS)
    labels = np.where(np.arange(rows) % 3 == 0, -100, LABELS)
    weight = (np.arange(rows) % 5 / 4.0).astype(np.float64)
    options: Any = {"logits": logits(dtype, 10.0), "ignore_index": -100, "sample_weight": weight}
    problem = Problem(**options, labels=labels, reduction="mean", mean_divides_by="kept")
    kept = problem.kept
    loss, grad = kernel(Problem(logits=options["logits"], labels=np.where(kept, labels, 0)), dtype)
    scaled = weight.astype(real) * (kept * (real(rows) / real(kept.sum()))).astype(real)
    wide = np.float64 if dtype == "float64" else np.float32
    total = (loss * scaled).astype(wide).sum().astype(real)
    divided = real(rows + too_many)
    reference = cross_entropy(problem, tier="double-word")
    bound = error_bound(problem, reference, Profile(dtype, "uniform", "pairwise", offset=True))
    got = grad * (scaled / divided)[:, None]
    return max(
        ratio(total / divided, reference.loss, bound.loss),
        ratio(got[kept], reference.grad_logits[kept], bound.grad_logits[kept]),
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_mean_that_scales_its_sample_weights_is_inside_the_bound(dtype: str) -> None:
    assert 0.0 < weighted_mean(dtype) <= 1.0


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_mean_over_one_row_too_many_is_outside(dtype: str) -> None:
    assert weighted_mean(dtype, too_many=1) > 1.0


def product_ratio(dtype: str, scale: float, mass: float = 1.0, project: bool = True) -> float:
    """Of s (v - s.v) in the dtype, times a mass that labels of any sum would have."""
    x, v = logits(dtype, scale), logits(dtype, 1.0)[::-1].copy()
    q = np.full(x.shape, 0.25)
    problem = Problem(logits=x, labels=q)
    reference = cross_entropy(problem, tier="double-word")
    product = hessian_vector_product(problem, v, tier="double-word")
    real = DTYPES[dtype]
    p, _ = softmax(x.astype(real))
    mean = (p * v.astype(real)).astype(np.float64).sum(axis=1, keepdims=True).astype(real) if project else real(0)
    got = real(mass) * p * (v.astype(real) - mean)
    bound = hessian_error_bound(problem, reference, v, product, Profile(dtype, "uniform", "pairwise"))
    return ratio(got, product.value, bound)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [0.01, 1.0, 10.0])
def test_an_honest_hessian_vector_product_is_inside_its_bound(scale: float, dtype: str) -> None:
    assert 0.0 < product_ratio(dtype, scale, mass=2.5) <= 1.0


def test_a_class_far_behind_may_spoil_the_mean_of_a_product() -> None:
    """x - max rounds to the dtype, here to a multiple of a half, and exp makes of that a large relative error of the
    one class that v does not leave out."""
    x, v = np.array([[0.25, -72.5]]), np.array([[0.0, 1.0]])
    difference = (x[:, 1:] - x[:, :1]).astype(ml_dtypes.bfloat16).astype(np.float64)
    rounded = np.concatenate([np.zeros((1, 1)), difference], axis=1)
    problem, moved = (Problem(logits=logits, labels=np.array([0])) for logits in (x, rounded))
    product, other = hessian_vector_product(problem, v), hessian_vector_product(moved, v)
    bound = hessian_error_bound(problem, cross_entropy(problem), v, product, Profile("bfloat16", "uniform"))
    assert ratio(other.value, product.value, bound) < 1


def test_classes_that_underflow_may_be_missing_from_the_mean_of_a_product() -> None:
    """Each of the others' softmax, 1.5e-8, rounds to zero in float16."""
    x, v = np.full((1, 1000), -18.0), np.full((1, 1000), 4.0)
    x[0, 0] = v[0, 0] = 0.0
    problem = Problem(logits=x, labels=np.array([0]))
    product, reference = hessian_vector_product(problem, v), cross_entropy(problem)
    bound = hessian_error_bound(problem, reference, v, product, Profile("float16", "stored"))
    missing = (reference.rows.softmax.astype(np.float16) == 0)[0, 1:].all()
    assert missing
    assert ratio(np.zeros((1, 1000)), product.value, bound) < 1


def test_a_gradient_that_is_stored_at_once_underflows_before_the_upstream_gradient_multiplies_it() -> None:
    """Fused kernels keep the gradient of the mean, here of up to 4e-3, from the forward pass."""
    upstream = np.float16(-3.5)
    problem = Problem(
        logits=logits("float16", 4.0, 257, 7),
        labels=np.arange(257) % 7,
        reduction="mean",
        upstream=np.asarray(upstream, np.float64),
    )
    reference = cross_entropy(problem)
    stored = (reference.grad_logits / float(upstream)).astype(np.float16)
    bound = error_bound(problem, reference, Profile("float16", "wide")).grad_logits
    assert ratio((stored * upstream).astype(np.float64), reference.grad_logits, bound) <= 1.0


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_hessian_without_the_mass_of_the_labels_or_the_projection_is_outside(dtype: str) -> None:
    assert product_ratio(dtype, 1.0, mass=1.0) > 1.0
    assert product_ratio(dtype, 1.0, mass=2.5, project=False) > 1.0


def residual_ratio(classes: int, damage: Callable[[Array], Array]) -> float:
    """Of a float32 softmax gradient whose sum is off by a quarter of what an unknown order may err by."""
    problem = Problem(logits=logits("float32", 1.0, 8, classes), labels=np.arange(8))
    reference = cross_entropy(problem)
    profile = Profile.unknown("float32")
    shift = profile.class_sum(classes) * profile.u / 4
    p, _ = softmax(problem.logits.astype(np.float32))
    grad = p * np.float32(1 + shift)
    grad[np.arange(8), np.arange(8)] -= np.float32(1)
    mode = common_mode(problem, reference, profile, damage(grad).astype(np.float64))
    assert (np.abs(mode.shift - shift) <= shift / 2).all()
    return float((np.abs(mode.residual) / mode.residual_bound).max())


@pytest.mark.parametrize("classes", [16, 1000, 50_257])
def test_an_error_that_all_columns_share_leaves_no_residual(classes: int) -> None:
    assert residual_ratio(classes, lambda grad: grad) <= 1.0


def test_a_column_that_strays_from_the_others_does() -> None:
    def damage(grad: Array) -> Array:
        grad[:, -1] *= np.float32(1 + 1e-4)
        return grad

    assert residual_ratio(50_257, damage) > 1.0


def test_ignored_rows_and_rows_of_few_columns_have_no_mode() -> None:
    problem = Problem(logits=logits("float32", 1.0, 4, 10), labels=np.array([0, -1, 2, -1]), ignore_index=-1)
    reference = cross_entropy(problem)
    mode = common_mode(problem, reference, Profile.unknown("float32"), reference.grad_logits)
    assert (mode.shift == 0.0).all()
    narrow = Problem(logits=logits("float32", 1.0, 4, 3), labels=np.zeros(4, np.int64))
    reference = cross_entropy(narrow)
    assert (
        common_mode(narrow, reference, Profile.unknown("float32"), reference.grad_logits + 1.0).residual == 0.0
    ).all()
