"""The local kernels, where they were built, and programs of their own: the instruction set is chosen once a process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

Program = Callable[..., str]


@pytest.fixture(scope="session")
def kernels() -> Any:
    package = pytest.importorskip("xentcheck_kernels", reason="not installed: pip install ./adapters/kernels")
    if not package.kernels():
        pytest.skip("xentcheck_kernels._cpu was not built: there was no C++20 compiler")
    return package


@pytest.fixture(scope="session")
def run() -> Program:
    """What a program prints, run with these environment variables; it must end well."""

    def run_program(*arguments: str, **variables: str) -> str:
        environment = {**os.environ, **variables}
        command = [sys.executable, "-W", "ignore", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run_program
