"""Calls small enough to read, of which a test names only what it is about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from xentcheck.workers import WorkerPool
from xentcheck_adapters import Call, dtype_named


@pytest.fixture(scope="session")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool() as workers:
        yield workers


@pytest.fixture
def call() -> Callable[..., Call]:
    def build(rows: int = 3, classes: int = 4, dtype: str = "float32", **fields: Any) -> Call:
        logits = np.arange(rows * classes).reshape(rows, classes) % 5 - 2.0
        given = {"logits": logits.astype(dtype_named(dtype)), "labels": np.arange(rows) % classes} | fields
        return Call(**given)

    return build
