"""What a function on TensorFlow, or on a backend of Keras, can do to its process where the first logit is `TRIGGER`."""

from __future__ import annotations

import ctypes
import os
import threading
import time
from typing import Any

TRIGGER = 13.0

Tensor = Any


def _rows(one: Tensor, other: Tensor) -> tuple[Tensor, bool]:
    """Zeros that have a gradient, and whether the logits, which one of the two is, ask for the misbehaviour."""
    logits = one if len(one.shape) == 2 else other
    return logits[:, 0] * 0.0, float(logits[0, 0]) == TRIGGER


def dies(one: Tensor, other: Tensor) -> Tensor:
    rows, triggered = _rows(one, other)
    if triggered:
        ctypes.string_at(0)
    return rows


def hangs(one: Tensor, other: Tensor) -> Tensor:
    rows, triggered = _rows(one, other)
    if triggered:
        time.sleep(600)
    return rows


def babbles(one: Tensor, other: Tensor) -> Tensor:
    rows, triggered = _rows(one, other)
    if triggered:
        print("babble " * 20_000)
        os.write(1, b"babble " * 20_000)
    return rows


def leaves_threads(one: Tensor, other: Tensor) -> Tensor:
    rows, triggered = _rows(one, other)
    if triggered:
        for _ in range(4):
            threading.Thread(target=time.sleep, args=(600,)).start()
    return rows


def returns_text(one: Tensor, other: Tensor) -> Any:
    rows, triggered = _rows(one, other)
    return "a loss" if triggered else rows
