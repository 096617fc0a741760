"""The blocks of docs/check-my-kernel.md do what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

PAGE = (Path(__file__).parent.parent / "docs" / "check-my-kernel.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"```python (\S+)\n(.*?)```", PAGE, re.S))
KERNEL, TEST = "my_kernel.py", "test_my_kernel.py"
HONEST = "from xentcheck_adapters.numpy_cross_entropy import cross_entropy\n"


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )


@pytest.mark.skipif(not all(map(find_spec, ("torch", "triton"))), reason="not installed: torch, triton")
def test_the_kernel_has_the_fault_that_the_page_shows_and_is_mended_as_it_says(tmp_path: Path) -> None:
    check = ("xentcheck", "check", "torch:my_kernel.py:cross_entropy", "--quick", "--dtype=float32", "--clause=IGN-3")
    kernel = BLOCKS[KERNEL]
    (tmp_path / KERNEL).write_text(kernel, encoding="utf-8")
    assert (failed := run(tmp_path, *check)).returncode == 1, failed.stderr
    shown = PAGE[PAGE.index("# N=1") : PAGE.index("as in")]
    assert shown in failed.stdout
    (tmp_path / KERNEL).write_text(kernel.replace("ignore_index).sum()", "ignore_index).sum().clamp(min=1)"))
    assert (mended := run(tmp_path, *check)).returncode == 0, mended.stdout


def test_the_test_of_the_page_is_one(tmp_path: Path) -> None:
    (tmp_path / KERNEL).write_text(HONEST, encoding="utf-8")
    (tmp_path / TEST).write_text(BLOCKS[TEST], encoding="utf-8")
    done = run(tmp_path, "pytest", "-p", "no:cacheprovider", "-k", "VAL-1")
    assert "1 passed, 1 deselected" in done.stdout, done.stdout
