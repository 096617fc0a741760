"""The conventional test: as good as those that kernels are published with, and no better."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from xentcheck.selftest.conventional import DTYPES, TOLERANCES, close, notices
from xentcheck.workers import WorkerPool
from xentcheck_adapters import Subject, dtype_named
from xentcheck_adapters.numpy_callable import subject_from_spec


def honest(name: str) -> Subject:
    return subject_from_spec(f"numpy:xentcheck_faults.on_numpy.honest:{name}")


@pytest.mark.parametrize("dtype", TOLERANCES)
def test_it_accuses_nobody_who_follows_the_definition(pool: WorkerPool, dtype: str) -> None:
    assert notices(honest("always_double"), pool, [dtype]) is None


@pytest.mark.parametrize(
    ("function", "seen"),
    [
        ("doubled_gradient", "gradient at (8, 32), float32, sum"),
        ("wrong_from_100_classes", "(4, 128)"),
        ("refuses", "ValueError"),
        ("crashes_from_4_classes", "its process"),
    ],
)
def test_it_notices_what_shows_in_ordinary_calls(
    pool: WorkerPool, subject: Callable[[str], Subject], function: str, seen: str
) -> None:
    assert seen in (notices(subject(f"losses.py:{function}"), pool, DTYPES) or "nothing")


def test_it_sees_no_other_shape_than_its_own(pool: WorkerPool, subject: Callable[[str], Subject]) -> None:
    assert notices(subject("losses.py:wrong_gradient_at_77_classes"), pool, DTYPES) is None


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("off", [0.5, 2.0])
def test_near_enough_is_what_assert_close_says(dtype: str, off: float) -> None:
    torch = pytest.importorskip("torch")
    rtol, atol = TOLERANCES[dtype]
    for power in range(-6, 4):
        want = np.array(1.25 * 10.0**power).astype(dtype_named(dtype))
        got = (want.astype(np.float64) + off * (atol + rtol * float(want))).astype(want.dtype)
        theirs = [torch.tensor(float(value), dtype=getattr(torch, dtype)) for value in (got, want)]
        assert close(got, want, dtype) == bool(torch.isclose(*theirs, rtol=rtol, atol=atol)) == agrees(torch, theirs)


def agrees(torch: Any, pair: Any) -> bool:
    try:
        torch.testing.assert_close(*pair)
    except AssertionError:
        return False
    return True
