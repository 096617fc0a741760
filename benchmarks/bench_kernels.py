"""The local kernels, by what this processor has or XENTCHECK_KERNELS_ISA names, beside the roofline.

    pytest benchmarks/bench_kernels.py

`elements_per_second` is in the benchmark's extra info. On one thread; results go where those
of the call before went. Side by side with the frameworks, and as multiples of the roofline, it is `xentcheck bench`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from xentcheck_adapters import kernels_cpu, roofline
from xentcheck_adapters.workload import Workload

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

kernels = pytest.importorskip("xentcheck_kernels")
SHAPES = [(32, 10), (1024, 1000), (512, 32_000)]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape[0]}x{shape[1]}")
@pytest.mark.parametrize("gradient", [False, True], ids=["forward", "gradient"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float64"])
@pytest.mark.parametrize("what", ["kernel", "roofline"])
def test_kernel(benchmark: BenchmarkFixture, what: str, dtype: str, gradient: bool, shape: tuple[int, int]) -> None:
    workload = Workload(*shape, dtype, gradient=gradient, warm=True)
    if what == "kernel":
        run = kernels_cpu.timed(f"kernels.{kernels.kernels()[0]}", workload)
    else:
        run = roofline.timed(roofline.STREAMED if shape == SHAPES[-1] else roofline.CACHED, workload)
    benchmark.group = f"{dtype}, {shape[0]} x {shape[1]}, {'loss and gradient' if gradient else 'forward'}"
    benchmark(run, 1)
    assert benchmark.stats is not None
    benchmark.extra_info["elements_per_second"] = shape[0] * shape[1] / benchmark.stats.stats.min
