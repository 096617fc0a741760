"""Losses of NumPy that are timed: one that answers, one that raises, and one that has its run interrupted."""

from __future__ import annotations

import os
import signal
from typing import Any

import numpy as np

from xentcheck_adapters.numpy_cross_entropy import cross_entropy

Array = np.ndarray[Any, Any]

_WIDE = 6
_interrupted: list[bool] = []

honest = cross_entropy


def raises_where_wide(logits: Array, labels: Array, **options: Any) -> tuple[Array, Array]:
    if logits.shape[1] == _WIDE:
        raise MemoryError("too many classes")
    return cross_entropy(logits, labels, **options)


def interrupts_where_wide(logits: Array, labels: Array, **options: Any) -> tuple[Array, Array]:
    if logits.shape[1] == _WIDE and not _interrupted:
        _interrupted.append(True)  # once: a second one would meet what the first one leaves being written
        os.kill(os.getppid(), signal.SIGINT)
    return cross_entropy(logits, labels, **options)
