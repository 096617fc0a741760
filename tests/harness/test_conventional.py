"""The conventional test: as good as those that kernels are published with, and no better."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from xentcheck.selftest.conventional import DTYPES, notices
from xentcheck.workers import WorkerPool
from xentcheck_adapters import FLOAT_DTYPES, Subject
from xentcheck_adapters.numpy_callable import subject_from_spec


def honest(name: str) -> Subject:
    return subject_from_spec(f"numpy:xentcheck_faults.on_numpy.honest:{name}")


@pytest.mark.parametrize("dtype", FLOAT_DTYPES)
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
