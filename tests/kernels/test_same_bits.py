"""A row's loss and gradient are the same bits however it is asked for, by each instruction set that runs here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

PROGRAM = str(Path(__file__).with_name("same_bits.py"))


@pytest.mark.parametrize("name", ["avx512", "avx2", "portable"])
def test_threads_position_alignment_and_stride_change_no_bit(kernels: Any, run: Any, name: str) -> None:
    if name not in kernels.kernels():
        pytest.skip(f"this processor has no {name}")
    assert run(PROGRAM, XENTCHECK_KERNELS_ISA=name) == "done\n"
