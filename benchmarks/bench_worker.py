"""A call's way to a worker and back, in seconds per call: the goal is a median of 0.3 ms for 64 x 1000 float32.

    pytest benchmarks/bench_worker.py

The subject returns zeros, so this is the transport: the arrays into shared memory, the request, the worker's private
copies and its watch over them, the answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from xentcheck.workers import WorkerPool
from xentcheck_adapters import Call, Returned
from xentcheck_adapters.numpy_callable import subject_from_spec

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

SUBJECT = subject_from_spec(f"numpy:{Path(__file__).with_name('zeros.py')}:zeros")


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool() as workers:
        yield workers


@pytest.mark.parametrize("shape", [(1, 2), (64, 1000), (257, 50_257)], ids=lambda shape: f"{shape[0]}x{shape[1]}")
def test_round_trip(benchmark: BenchmarkFixture, pool: WorkerPool, shape: tuple[int, int]) -> None:
    call = Call(np.ones(shape, np.float32), np.zeros(shape[0], np.int64))
    benchmark.group = "worker round trip"
    outcome = benchmark(lambda: pool.run(SUBJECT, "cpu", call, "float32"))
    assert isinstance(outcome, Returned)
    benchmark.extra_info["bytes_each_way"] = call.logits.nbytes


def test_start(benchmark: BenchmarkFixture) -> None:
    """What a crash costs: a new process, NumPy, and the subject."""

    def start() -> None:
        with WorkerPool() as workers:
            workers.open(SUBJECT, "cpu", "float32")

    benchmark.group = "worker start"
    benchmark.pedantic(start, rounds=5)  # type: ignore[no-untyped-call]
