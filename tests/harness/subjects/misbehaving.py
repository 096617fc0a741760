"""What a subject can do to its process. Each does it when the first logit is `TRIGGER`, and answers zeros otherwise."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

TRIGGER = 13.0

Array = np.ndarray[Any, Any]
Answer = tuple[Array, Array]


def zeros(logits: Array, labels: Array, **options: Any) -> Answer:
    return np.zeros(len(logits), logits.dtype), np.zeros_like(logits)


def echoes(logits: Array, labels: Array, **options: Any) -> Answer:
    return np.zeros(len(logits), logits.dtype), logits


def writes_nothing(logits: Array, labels: Array, **options: Any) -> Answer:
    return np.empty(len(logits), logits.dtype), np.empty_like(logits)


def computes_nowhere(logits: Array, labels: Array, **options: Any) -> Answer:
    """NumPy leaves unwritten what `where` leaves out."""
    return writes_nothing(logits[:, 0], labels)[0], np.exp(logits, where=np.zeros(logits.shape, bool))


def tells_its_pid(logits: Array, labels: Array, **options: Any) -> Answer:
    return np.array([float(os.getpid())]), logits


def when_triggered(misbehave: Callable[[Array, Array], Any]) -> Callable[..., Any]:
    def function(logits: Array, labels: Array, **options: Any) -> Any:
        if logits[0, 0] != TRIGGER:
            return zeros(logits, labels)
        answer = misbehave(logits, labels)
        return zeros(logits, labels) if answer is None else answer

    return function


class Furious(BaseException):
    """Not an Exception."""


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("this error has no text")


@when_triggered
def segfaults(logits: Array, labels: Array) -> None:
    ctypes.string_at(0)


@when_triggered
def aborts(logits: Array, labels: Array) -> None:
    os.abort()


@when_triggered
def is_killed(logits: Array, labels: Array) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@when_triggered
def exits(logits: Array, labels: Array) -> None:
    sys.exit(3)


@when_triggered
def exits_at_once(logits: Array, labels: Array) -> None:
    os._exit(5)


@when_triggered
def segfaults_beside_a_child(logits: Array, labels: Array) -> None:
    if os.fork() == 0:  # the child holds the parent's pipe open
        time.sleep(600)
    ctypes.string_at(0)


@when_triggered
def is_furious(logits: Array, labels: Array) -> None:
    raise Furious


@when_triggered
def hangs(logits: Array, labels: Array) -> None:
    time.sleep(600)


@when_triggered
def hangs_deaf(logits: Array, labels: Array) -> None:
    signal.signal(signal.SIGABRT, signal.SIG_IGN)
    time.sleep(600)


@when_triggered
def devours_address_space(logits: Array, labels: Array) -> None:
    np.empty(1 << 40, np.uint8)


@when_triggered
def devours_memory(logits: Array, labels: Array) -> None:
    hoard = []
    while True:
        hoard.append(np.ones(1 << 21))  # 16 MiB that are really touched
        time.sleep(0.01)


@when_triggered
def babbles(logits: Array, labels: Array) -> None:
    line = b"babble " * 20_000
    for _ in range(20):
        sys.stdout.write(line.decode())
        sys.stderr.write(line.decode())
        os.write(1, line)
        os.write(2, line)


@when_triggered
def leaves_threads(logits: Array, labels: Array) -> None:
    for _ in range(4):
        threading.Thread(target=time.sleep, args=(600,)).start()


@when_triggered
def leaves_a_process(logits: Array, labels: Array) -> Answer:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    return np.array([float(child.pid)] * len(logits)), np.zeros(logits.shape)


@when_triggered
def writes_to_its_inputs(logits: Array, labels: Array) -> None:
    logits[...] = 7


@when_triggered
def returns_nothing_useful(logits: Array, labels: Array) -> float:
    return 3.5


@when_triggered
def returns_three(logits: Array, labels: Array) -> Any:
    return 1.0, 2.0, 3.0


@when_triggered
def returns_ragged(logits: Array, labels: Array) -> Any:
    return [[1.0], [2.0, 3.0]], logits


@when_triggered
def returns_text(logits: Array, labels: Array) -> Any:
    return "a loss", logits


@when_triggered
def returns_objects(logits: Array, labels: Array) -> Any:
    return np.array([None] * len(logits)), logits


@when_triggered
def returns_records(logits: Array, labels: Array) -> Any:
    return np.zeros(len(logits), [("loss", "f4")]), logits


@when_triggered
def raises_surrogates(logits: Array, labels: Array) -> None:
    raise ValueError("a lone \udc80 surrogate")


@when_triggered
def raises_a_decoding_error(logits: Array, labels: Array) -> None:
    b"\xff".decode()


@when_triggered
def raises_the_unprintable(logits: Array, labels: Array) -> None:
    raise Unprintable
