"""The vocabulary of these tests: subjects are NumPy functions in `subjects/`, run by real workers.

A subject is named by file and function ("losses.py:honest"); a test gets a bench for it, or a record about it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from xentcheck.bench import Bench, Target
from xentcheck.contract import CONTRACT
from xentcheck.divergence import Ledger
from xentcheck.judge import Assignment, judge
from xentcheck.levels import LEVELS, Level
from xentcheck.workers import WorkerPool
from xentcheck_adapters import Subject
from xentcheck_adapters.numpy_callable import subject_from_spec
from xentcheck_reports import Record

KERNELS = "xentcheck_kernels"
FRAMEWORKS = (
    *("torch", "tensorflow", "keras", "jax", "optax", "autograd", "mlx", "onnx", "tinygrad", "triton", "liger"),
    KERNELS,
)

# A busy machine is no fault of a test: nothing here is timed by Hypothesis.
settings.register_profile("xentcheck-tests", deadline=None, max_examples=50)
settings.load_profile("xentcheck-tests")


@pytest.fixture(scope="session")
def spec() -> Callable[[str], str]:
    """The name of a subject of this folder, as `--backend` takes it."""
    folder = Path(__file__).parent / "subjects"
    return lambda name: f"numpy:{folder / name}"


@pytest.fixture(scope="session")
def subject(spec: Callable[[str], str]) -> Callable[[str], Subject]:
    return lambda name: subject_from_spec(spec(name))


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool() as workers:
        yield workers


@pytest.fixture
def bench(pool: WorkerPool, subject: Callable[[str], Subject]) -> Callable[..., Bench]:
    def build(name: str, dtype: str = "float32", workers: WorkerPool | None = None) -> Bench:
        chosen = subject(name)
        return Bench(Target(chosen, "cpu", dtype), workers or pool, {chosen.name: chosen})

    return build


@pytest.fixture(scope="session")
def brief() -> Level:
    """Enough to find the gross faults of these tests, and a budget that keeps them short."""
    return replace(LEVELS["quick"], unknown_examples=30, shrink_seconds=2)


@pytest.fixture
def judged(bench: Callable[..., Bench], brief: Level) -> Callable[..., Record]:
    """The record of a clause on a subject."""

    def run(clause: str, name: str, *, ledger: Ledger | None = None, level: Level = brief, **rest: Any) -> Record:
        known = ledger or Ledger(())
        return judge(Assignment(CONTRACT[clause], bench(name, **rest), level, known, seed=1, memory=None))

    return run


@pytest.fixture
def no_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """PYTHONPATH, which every interpreter reads, leads to no local kernels."""
    folders = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    kept = [folder for folder in folders if not Path(folder, KERNELS).is_dir()]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(kept))


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has everything this one has, but no framework."""
    home = tmp_path_factory.mktemp("bare")
    venv.create(home, symlinks=True)
    there = _packages_of(home)
    for here in {Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib")}:
        for entry in here.iterdir():
            if not entry.name.startswith((*FRAMEWORKS, "pip")) and not (there / entry.name).exists():
                (there / entry.name).symlink_to(entry)
    python = home / "bin" / "python"
    assert sys.executable != str(python)
    return python


@pytest.fixture(scope="session")
def empty_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a virtual environment without any package."""
    home = tmp_path_factory.mktemp("environments") / "empty"
    venv.create(home, symlinks=True)
    return home


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a virtual environment that has NumPy, and nothing else of what is here."""
    home = tmp_path_factory.mktemp("environments") / "elsewhere"
    venv.create(home, symlinks=True)
    for entry in Path(np.__file__).parent.parent.glob("numpy*"):
        (_packages_of(home) / entry.name).symlink_to(entry)
    return home


def _packages_of(home: Path) -> Path:
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    asked = subprocess.run([home / "bin" / "python", "-c", ask], capture_output=True, text=True, check=True)
    return Path(asked.stdout.strip())
