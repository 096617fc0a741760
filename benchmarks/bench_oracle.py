"""Oracle throughput in elements/s of loss and gradient, next to the textbook float64 form it replaces.

    pytest benchmarks/bench_oracle.py

Run on one thread; `elements_per_second` is in the benchmark's extra info. The goals: the float64 tier is no slower than
the textbook form, the double-word tier does 4 million/s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from xentcheck_reference import Problem, Profile, cross_entropy, error_bound

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_benchmark.fixture import BenchmarkFixture

ELEMENTS = 2_000_000


def problem(classes: int, soft: bool) -> Problem:
    rng = np.random.default_rng(0)
    rows = ELEMENTS // classes
    logits = rng.normal(size=(rows, classes))
    labels: Any = rng.random((rows, classes)) if soft else rng.integers(0, classes, rows)
    return Problem(logits=logits, labels=labels)


def textbook(asked: Problem) -> tuple[np.ndarray, np.ndarray]:
    """log-sum-exp minus the logit, softmax minus one-hot: fast, and 0 for every loss below 1e-16."""
    x = asked.logits
    maximum = x.max(axis=1, keepdims=True)
    e = np.exp(x - maximum)
    total = e.sum(axis=1, keepdims=True)
    rows = np.arange(len(x))
    grad = e / total
    loss = (np.log(total) + maximum)[:, 0] - x[rows, asked.labels]
    grad[rows, asked.labels] -= 1.0
    return loss, grad


def measure(benchmark: BenchmarkFixture, function: Callable[[], Any]) -> None:
    benchmark(function)
    assert benchmark.stats is not None
    benchmark.extra_info["elements_per_second"] = ELEMENTS / benchmark.stats.stats.min


@pytest.mark.parametrize("classes", [10, 1000, 50_000])
@pytest.mark.parametrize("form", ["float64", "double-word", "textbook"])
def test_index_labels(benchmark: BenchmarkFixture, form: str, classes: int) -> None:
    asked = problem(classes, soft=False)
    benchmark.group = f"index labels, C = {classes}"
    forms: dict[str, Callable[[], Any]] = {
        "float64": lambda: cross_entropy(asked),
        "double-word": lambda: cross_entropy(asked, tier="double-word"),
        "textbook": lambda: textbook(asked),
    }
    measure(benchmark, forms[form])


@pytest.mark.parametrize("classes", [10, 1000])
def test_soft_labels_with_both_gradients(benchmark: BenchmarkFixture, classes: int) -> None:
    asked = problem(classes, soft=True)
    benchmark.group = f"soft labels, C = {classes}"
    measure(benchmark, lambda: cross_entropy(asked))


@pytest.mark.parametrize("classes", [10, 1000])
def test_error_bound(benchmark: BenchmarkFixture, classes: int) -> None:
    asked = problem(classes, soft=False)
    reference = cross_entropy(asked)
    benchmark.group = f"bound, C = {classes}"
    measure(benchmark, lambda: error_bound(asked, reference, Profile.unknown("float32")))
