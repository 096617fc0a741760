"""The Triton kernels, interpreted and compiled, in processes of their own: no device is asked."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
MISSING = [name for name in ("torch", "triton", "xentcheck_kernels") if find_spec(name) is None]
pytestmark = [pytest.mark.frameworks, pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")]


def run(*arguments: object, **variables: str) -> str:
    """What a program prints; it must end well."""
    command = [sys.executable, "-W", "ignore", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **variables}, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_is_claimed_of_the_kernels_holds_under_the_interpreter() -> None:
    claims = HERE / "interpreted_triton.py"
    assert "passed" in run("-m", "pytest", "-q", "-p", "no:cacheprovider", claims, TRITON_INTERPRET="1")


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["bf16", "fp32", "fp64"])
def test_three_programs_of_what_is_compiled_share_a_processor(dtype: str) -> None:
    """Compute capability 9.0 has 227 KiB of shared memory."""
    sizes = [int(line.split()[-1]) for line in run(HERE / "compiled_triton.py", dtype).splitlines()]
    assert sizes
    assert 3 * max(sizes) <= 227 * 1024
