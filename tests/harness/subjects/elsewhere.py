"""A loss that needs NumPy alone, and is wrong in one environment: as a kernel is that an upgrade breaks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def wrong_elsewhere(
    logits: Array, labels: Array, *, reduction: str = "mean", grad_output: Array | None = None
) -> tuple[Array, Array]:
    """Its loss is twice what it should be in an environment whose folder is called "elsewhere"."""
    wide = logits.astype(np.float64)
    gaps = wide - wide.max(axis=1, keepdims=True)
    log_p = gaps - np.log(np.exp(gaps).sum(axis=1, keepdims=True))
    y = (labels[:, None] == np.arange(logits.shape[1]) if labels.ndim == 1 else labels).astype(np.float64)
    loss = -np.multiply(y, log_p, where=y != 0, out=np.zeros_like(y)).sum(axis=1)
    gradient = np.exp(log_p) * y.sum(axis=1, keepdims=True) - y
    if reduction == "none":
        gradient *= np.ones((len(loss), 1)) if grad_output is None else grad_output[:, None]
    else:
        weight = 1 if reduction == "sum" else 1 / len(loss)
        loss, gradient = weight * loss.sum(), weight * gradient * (1 if grad_output is None else grad_output)
    factor = 2 if Path(sys.prefix).name == "elsewhere" else 1
    return np.asarray(loss * factor, logits.dtype), gradient.astype(logits.dtype)
