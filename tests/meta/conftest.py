"""The court of these tests, and their folder on the path: its modules are imported by name, as the worker does that
loads a file named in a subject's spec."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from xentcheck.selftest.trial import Court
from xentcheck.workers import WorkerPool

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def court() -> Iterator[Court]:
    with WorkerPool() as pool:
        yield Court(pool, seed=1)
