"""`pytest benchmarks --benchmark-only`: the files here are named bench_*.py, so that no plain pytest run times them."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("python_files", "bench_*.py")
