"""Examples per second from end to end: drawn, built, sent to a worker, answered, and held against the oracle's bound.

    pytest benchmarks/bench_examples.py

`examples_per_second` is in the benchmark's extra info.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from xentcheck.bench import Bench, Target
from xentcheck.contract import CONTRACT
from xentcheck.divergence import Ledger
from xentcheck.judge import Assignment, judge
from xentcheck.levels import LEVELS
from xentcheck.workers import WorkerPool
from xentcheck_adapters import built_in_subjects
from xentcheck_reports import Status

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

EXAMPLES = 200


@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float64"])
@pytest.mark.parametrize("clause", ["VAL-1", "EQ-1", "SOFT-1"])
def test_numpy_subject(benchmark: BenchmarkFixture, clause: str, dtype: str) -> None:
    subjects = built_in_subjects()
    level = replace(LEVELS["quick"], known_examples=EXAMPLES)
    with WorkerPool() as pool:
        bench = Bench(Target(subjects["numpy"], "cpu", dtype), pool, subjects)
        assignment = Assignment(CONTRACT[clause], bench, level, Ledger(()), seed=1, memory=None)
        benchmark.group = f"end to end, {dtype}"
        record = benchmark.pedantic(judge, args=(assignment,), rounds=3, warmup_rounds=1)  # type: ignore[no-untyped-call]
    assert record.status is Status.PASS
    assert benchmark.stats is not None
    benchmark.extra_info["examples_per_second"] = record.examples / benchmark.stats.stats.min
