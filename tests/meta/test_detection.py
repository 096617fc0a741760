"""The harness on trial: every fault is seen by the clause that is about it, and nobody honest is accused."""

from __future__ import annotations

from itertools import product
from operator import attrgetter

import numpy as np
import pytest

from xentcheck.faults import Fault, load_registry
from xentcheck.selftest.run import TIERS
from xentcheck.selftest.trial import Court, hear, try_fault
from xentcheck_adapters.numpy_callable import load_function
from xentcheck_faults.on_numpy.kernel import Array

pytestmark = pytest.mark.self_test
REGISTRY = load_registry()
# A fault of each family, so that every run sees each part of the contract at work; the others need minutes.
SAMPLE = (
    "Softmax.tail_1024_not_rescaled",
    "Softmax.clipped",
    "Precision.table_exp_fine",
    "Gradient.label_slightly_off",
    "Rows.only_256",
    "Memory.strides_ignored",
    "Form.squeezed",
    "Labels.wrap",
    "Dense.renormalised",
    "Smoothing.only_in_gradient",
    "Mean.unweighted_in_gradient",
    "Ignore.by_multiplication",
    "Upstream.mean_only",
    "Weight.of_the_largest_logit",
    "SampleWeight.over_rows_in_gradient",
    "ZLoss.not_doubled",
    "Softcap.without_derivative",
)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_every_fault_answers_ordinary_calls(reduction: str) -> None:
    """Else it would be caught for raising, and not for what it is about."""
    logits = np.linspace(-3, 3, 35, dtype=np.float32).reshape(5, 7)
    kinds: tuple[Array, ...] = (np.arange(5), np.full((5, 7), 1 / 7, np.float32))
    on_numpy = [fault for fault in REGISTRY.faults if fault.spec.startswith("numpy:")]
    for fault, labels in product(on_numpy, kinds):
        function = load_function(fault.spec)
        assert len(function(logits.copy(), labels.copy(), reduction=reduction, grad_output=None)) == 2


@pytest.mark.parametrize("fault", [fault for fault in REGISTRY.faults if fault.name in SAMPLE], ids=attrgetter("name"))
def test_a_fault_is_killed(court: Court, fault: Fault) -> None:
    assert try_fault(fault, court).killed


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault", [fault for fault in REGISTRY.faults if fault.name not in SAMPLE], ids=attrgetter("name")
)
def test_every_fault_is_killed_with_an_example_that_can_be_read(court: Court, fault: Fault) -> None:
    trial = try_fault(fault, court)
    if trial.not_judged:
        pytest.skip(trial.not_judged)
    assert trial.killed
    assert not trial.too_large


@pytest.mark.parametrize("name", ["every_operation_rounded", "log_sum_exp_minus_logit"])
def test_an_honest_function_is_not_accused_by_a_few_cases(court: Court, name: str) -> None:
    tier = TIERS["fast"]
    spec = f"numpy:xentcheck_faults.on_numpy.honest:{name}"
    assert [hear(spec, dtype, court, tier.level).accusations for dtype in tier.dtypes] == [[], []]


@pytest.mark.slow
@pytest.mark.parametrize(("spec", "dtype"), [*product(REGISTRY.honest, TIERS["full"].dtypes)])
def test_an_honest_function_is_not_accused(court: Court, spec: str, dtype: str) -> None:
    hearing = hear(spec, dtype, court, TIERS["full"].level)
    if hearing.not_judged:
        pytest.skip(hearing.not_judged)
    assert hearing.accusations == []
