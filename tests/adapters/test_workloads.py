"""What is timed, by what, and against which rulers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from xentcheck_adapters.numpy_textbook import loss, loss_and_gradient
from xentcheck_adapters.roofline import CACHED, SCALAR, STREAMED, timed
from xentcheck_adapters.workload import Stopwatch, Workload, environment, repeated


@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float64"])
def test_everybody_gets_the_same_logits_and_labels(dtype: str) -> None:
    for labels in ("index", "dense"):
        one, other = (Workload(4, 5, dtype, labels).arrays() for _ in range(2))
        assert [array.tobytes() for array in one] == [array.tobytes() for array in other]
        assert one[0].dtype.name == dtype


def test_rows_of_labels_sum_to_one() -> None:
    _, labels = Workload(3, 1000, "float64", "dense").arrays()
    np.testing.assert_allclose(labels.sum(axis=1), 1, rtol=1e-6)


def test_a_time_is_that_of_one_call() -> None:
    def seconds(call: Callable[[], object]) -> float:
        return Stopwatch(lambda *_: repeated(call), "", Workload(1, 1, "float32", threads=2)).best(0.001)

    assert 0 < seconds(lambda: None) < seconds(lambda: sum(range(100))) < seconds(lambda: sum(range(10_000)))


def test_a_worker_has_the_threads_that_are_asked_for() -> None:
    variables = environment({"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE", "ISA": "avx2"}, threads=1)
    assert variables["OMP_NUM_THREADS"] == variables["NPROC"] == "1"
    assert variables["ISA"] == "avx2"
    assert "OMP_WAIT_POLICY" not in variables


@pytest.mark.parametrize("ruler", [CACHED, STREAMED, SCALAR.name])
@pytest.mark.parametrize("gradient", [False, True])
def test_each_ruler_has_every_workload(ruler: str, gradient: bool) -> None:
    pytest.importorskip("xentcheck_kernels._roofline")
    for labels in ("index", "dense"):
        timed(ruler, Workload(3, 7, "float32", labels, gradient, threads=2))(2)


@pytest.mark.parametrize("past_caches", [False, True])
def test_a_roofline_moves_the_bytes_it_is_said_to(past_caches: bool) -> None:
    roofline = pytest.importorskip("xentcheck_kernels.roofline")
    block = np.zeros(3 * (1 << 20) + 64, np.uint8)
    start = -block.ctypes.data % 64
    out, one, two = block[start : start + (3 << 20)].reshape(3, -1)
    one[:], two[:] = np.random.default_rng(0).integers(0, 256, (2, one.size), np.uint8)
    for threads in (1, 3):
        roofline.write(out, one, past_caches=past_caches, threads=threads)
        assert (out == one).all()
        roofline.write(out, one, two, past_caches=past_caches, threads=threads)
        assert (out == (one | two)).all()
        out[:] = 0


def test_a_roofline_refuses_what_it_would_misread() -> None:
    roofline = pytest.importorskip("xentcheck_kernels.roofline")
    array = np.zeros((512, 2), np.uint8)
    with pytest.raises(ValueError, match="contiguous"):
        roofline.read(array[:, 0])
    with pytest.raises(ValueError, match="as many bytes, got 512, 1024"):
        roofline.write(array.ravel()[:512], array, past_caches=False)
    at = (1 - array.ctypes.data) % 64
    with pytest.raises(ValueError, match="multiple of 64"):
        roofline.write(array.ravel()[at : at + 512], array.ravel()[:512], past_caches=True)


@pytest.mark.parametrize("kind", ["index", "dense"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_scalar_loop_and_the_textbook_compute_the_same_loss(dtype: str, kind: str) -> None:
    roofline = pytest.importorskip("xentcheck_kernels.roofline")
    logits, labels = Workload(16, 33, dtype, kind).arrays()
    rows, grad = np.empty(16, dtype), np.empty_like(logits)
    roofline.scalar(logits, labels, rows, grad)
    mean, gradient = loss_and_gradient(logits, labels)
    np.testing.assert_allclose(rows.mean(), mean, rtol=1e-5)
    np.testing.assert_allclose(grad, gradient, atol=1e-7)


def test_the_textbook_is_the_same_for_both_kinds_of_labels() -> None:
    logits, labels = Workload(16, 33, "float64").arrays()
    one_hot = np.eye(33)[labels]
    np.testing.assert_allclose(loss(logits, labels), loss(logits, one_hot), rtol=1e-12)
    answers = zip(loss_and_gradient(logits, labels), loss_and_gradient(logits, one_hot), strict=True)
    for of_index, of_dense in answers:
        np.testing.assert_allclose(of_index, of_dense, rtol=1e-9, atol=1e-15)
