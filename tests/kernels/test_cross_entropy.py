"""xentcheck_kernels.cross_entropy as a function of arrays: where results go, what is copied, and what is refused."""

from __future__ import annotations

import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

Array = np.ndarray[Any, Any]


def rows(count: int = 6, classes: int = 5, dtype: Any = np.float32) -> tuple[Array, Array]:
    random = np.random.default_rng(count)
    return random.normal(size=(count, classes)).astype(dtype), random.integers(0, classes, count)


def test_results_go_where_they_are_asked_to(kernels: Any) -> None:
    logits, labels = rows()
    loss, gradient = kernels.cross_entropy(logits, labels, reduction="none", grad=True)
    out, there = np.empty(6, np.float32), np.empty_like(logits)
    got = kernels.cross_entropy(logits, labels, reduction="none", out=out, grad=there)
    assert got[0] is out
    assert got[1] is there
    np.testing.assert_array_equal(out, loss)
    np.testing.assert_array_equal(there, gradient)


@pytest.mark.parametrize("layout", ["columns", "misaligned", "foreign", "overlapping", "reversed"])
def test_a_gradient_is_written_to_any_array(kernels: Any, layout: str) -> None:
    logits, labels = rows()
    buffer = np.zeros(8 * logits.size + 8, np.uint8)
    there = {
        "columns": lambda: np.zeros_like(logits, order="F"),
        "misaligned": lambda: buffer[1 : 1 + logits.nbytes].view(logits.dtype).reshape(logits.shape),
        "foreign": lambda: np.zeros(logits.shape, logits.dtype.newbyteorder()),
        "overlapping": lambda: np.vstack([logits, logits])[1:7],
        "reversed": lambda: np.zeros_like(logits)[::-1, ::-1],
    }[layout]()
    given = there.base[:6] if layout == "overlapping" else logits
    _, expected = kernels.cross_entropy(logits, labels, grad=True)
    given[...] = logits
    kernels.cross_entropy(given, labels, grad=there)
    np.testing.assert_array_equal(there, expected)


@pytest.mark.parametrize("bad", [5, -1, 2**32, -(2**63)])
def test_a_bad_label_is_named_before_anything_is_written(kernels: Any, bad: int) -> None:
    logits, labels = rows()
    labels[3] = bad
    out, gradient = np.full((), 9, np.float32), logits.copy()
    with pytest.raises(IndexError, match=rf"labels: row 3 has {bad}, expected a class in \[0, 5\)"):
        kernels.cross_entropy(gradient, labels, out=out, grad=gradient)
    assert out == 9
    np.testing.assert_array_equal(gradient, logits)


REFUSALS: list[tuple[type[Exception], str, dict[str, Any]]] = [
    (TypeError, "logits: got int64", {"logits": np.zeros((6, 5), np.int64)}),
    (TypeError, "logits: got list", {"logits": [[0.0, 1.0]]}),
    (ValueError, "logits: got shape", {"logits": np.zeros(5, np.float32)}),
    (ValueError, "at least one class", {"logits": np.zeros((6, 0), np.float32)}),
    (TypeError, "labels: got int8", {"labels": np.zeros(6, np.int8)}),
    (TypeError, "labels: got float64", {"labels": np.zeros((6, 5))}),
    (ValueError, "labels: got shape", {"labels": np.zeros(5, np.int64)}),
    (ValueError, "weight: got shape", {"weight": np.ones(6)}),
    (TypeError, "out: got float64, expected float32", {"out": np.empty(())}),
    (ValueError, "grad: got a read-only", {"grad": np.broadcast_to(np.float32(0), (6, 5))}),
    (ValueError, "grad_output: got shape", {"grad_output": np.ones(6)}),
    (ValueError, "reduction: got 'max'", {"reduction": "max"}),
    (ValueError, "label_smoothing", {"label_smoothing": 1.5}),
    (ValueError, "z_loss", {"z_loss": float("nan")}),
    (ValueError, "threads: got 0", {"threads": 0}),
]


@pytest.mark.parametrize(("error", "message", "change"), REFUSALS, ids=lambda it: it if isinstance(it, str) else "")
def test_what_is_no_argument_is_named(
    kernels: Any, error: type[Exception], message: str, change: dict[str, Any]
) -> None:
    logits, labels = rows()
    with pytest.raises(error, match=message):
        kernels.cross_entropy(**{"logits": logits, "labels": labels, **change})


def test_rows_with_anything_between_them_are_not_copied(kernels: Any) -> None:
    wide, labels = rows(256, 4000)
    labels, gradient = np.stack([labels % 3800, labels], axis=1), wide.copy()
    tracemalloc.start()
    kernels.cross_entropy(wide[::2, 100:3900], labels[::2, 0], grad=gradient[::-2, 50:3850])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000  # the logits are 2 MB


def test_callers_do_not_wait_for_one_another(kernels: Any) -> None:
    logits, labels = rows(500, 1000)
    loss, gradient = kernels.cross_entropy(logits, labels, grad=True)
    with ThreadPoolExecutor(8) as callers:
        for mine in callers.map(lambda _: kernels.cross_entropy(logits, labels, grad=True, threads=3), range(32)):
            assert mine[0] == loss
            np.testing.assert_array_equal(mine[1], gradient)


def test_other_python_threads_run_meanwhile(kernels: Any) -> None:
    logits, labels = rows(2000, 1000)
    caller = threading.Thread(
        target=lambda: [kernels.cross_entropy(logits, labels, threads=1) for _ in range(20)], daemon=True
    )
    caller.start()
    ticks = 0
    while caller.is_alive():
        time.sleep(0.0001)
        ticks += 1
    assert ticks > 20  # one for each call, if the interpreter were locked in between only


def test_a_child_of_a_fork_has_threads_of_its_own(kernels: Any, run: Any) -> None:
    program = (
        "import os, numpy as np, xentcheck_kernels as k\n"
        "x, y = np.ones((64, 5000), 'f'), np.zeros(64, int)\n"
        "before = k.cross_entropy(x, y, threads=3)\n"
        "child = os.fork()\n"
        "after = k.cross_entropy(x, y, threads=3)\n"
        "if not child: os._exit(int(after != before))\n"
        "print(os.waitpid(child, 0)[1], after == before)"
    )
    assert run("-c", program) == "0 True\n"


def test_the_environment_chooses_the_instruction_set(kernels: Any, run: Any) -> None:
    program = "from xentcheck_kernels import _cpu; print(_cpu.chosen())"
    assert run("-c", program, XENTCHECK_KERNELS_ISA="portable") == "portable\n"
    asked = (
        "import numpy as np, xentcheck_kernels as k\n"
        "try: k.cross_entropy(np.zeros((1, 2)), np.zeros(1, int))\n"
        "except ValueError as error: print(error)"
    )
    told = run("-c", asked, XENTCHECK_KERNELS_ISA="sse9")
    assert all(name in told for name in ("XENTCHECK_KERNELS_ISA", "'sse9'", *kernels.kernels()))


def test_without_the_extension_the_package_says_what_is_missing(run: Any) -> None:
    pytest.importorskip("xentcheck_kernels")
    program = (
        "import sys; sys.modules['xentcheck_kernels._cpu'] = None\n"  # as where it was not built
        "import numpy as np, xentcheck_kernels as k\n"
        "print(k.kernels())\n"
        "try: k.cross_entropy(np.zeros((1, 2)), np.zeros(1, int))\n"
        "except RuntimeError as error: print(error)"
    )
    told = run("-c", program)
    assert told.startswith("()\n")
    assert "was not built" in told
    assert "pip install" in told
