"""Prints every way of asking for the same rows that gives other bits, then "done"."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import ml_dtypes
import numpy as np

from xentcheck_kernels import cross_entropy

Array = np.ndarray[Any, Any]
Result = tuple[Array, Array]

DTYPES = (np.float16, ml_dtypes.bfloat16, np.float32, np.float64)
# The last two are spread over threads; above 2048 classes rows are longer than what is kept of them.
SHAPES = ((64, 10), (23, 100), (7, 1000), (20, 2100), (5, 10_001))


def displaced(array: Array, nbytes: int) -> Array:
    """The same rows, so many bytes past a multiple of 4096."""
    buffer = np.empty(array.nbytes + 8192, np.uint8)
    start = -buffer.ctypes.data % 4096 + nbytes
    copy: Array = buffer[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def strided(array: Array) -> Array:
    """The same rows, with other numbers between them."""
    wide = np.full((len(array), array.shape[1] + 3), 7, array.dtype)
    wide[:, : array.shape[1]] = array
    return wide[:, : array.shape[1]]


def in_place(logits: Array, labels: Array, **options: Any) -> Result:
    own = logits.copy()
    loss, gradient = cross_entropy(own, labels, grad=own, **options)
    assert gradient is own
    return loss, gradient


def row_by_row(logits: Array, labels: Array, *, grad_output: Array, **options: Any) -> Result:
    rows = [
        cross_entropy(logits[i : i + 1], labels[i : i + 1], grad=True, grad_output=grad_output[i : i + 1], **options)
        for i in range(len(logits))
    ]
    return np.concatenate([loss for loss, _ in rows]), np.concatenate([gradient for _, gradient in rows])


def ways(logits: Array, labels: Array, options: dict[str, Any]) -> Iterator[tuple[str, Result]]:
    ask: Any = partial(cross_entropy, grad=True, **options)
    for threads in (1, 2, 7):
        yield f"{threads} threads", ask(logits, labels, threads=threads)
    for nbytes in (0, 16, 64, 4096 - 32):
        yield f"displaced by {nbytes} bytes", ask(displaced(logits, nbytes), labels)
    yield "strided", ask(strided(logits), labels)
    yield "strided gradient", ask(logits, labels, grad=strided(logits))
    yield "in place", in_place(logits, labels, **options)
    yield "row by row", row_by_row(logits, labels, **options)
    yield "the loss alone", (cross_entropy(logits, labels, **options), ask(logits, labels)[1])
    if labels.ndim == 1:
        yield "int32 labels", ask(logits, labels.astype(np.int32))
    order = np.random.default_rng(1).permutation(len(logits))
    back = np.argsort(order)
    shuffled = ask(logits[order], labels[order], grad_output=options["grad_output"][order])
    yield "in another order", (shuffled[0][back], shuffled[1][back])


def main() -> None:
    """All dtypes, shapes and kinds of labels; extreme rows among ordinary ones."""
    random = np.random.default_rng(0)
    for dtype in DTYPES:
        for rows, classes in SHAPES:
            logits = (random.normal(size=(rows, classes)) * 4).astype(dtype)
            logits[1, 2:5], logits[2, 3], logits[3] = -np.inf, np.nan, logits[3] * 64
            indices = random.integers(0, classes, rows)
            indices[4] = -100
            for labels in (indices, random.random((rows, classes)).astype(dtype)):
                weight = random.random(classes).astype(np.float64 if dtype is np.float64 else np.float32)
                upstream = random.normal(size=rows)
                for more in ({}, {"weight": weight, "label_smoothing": 0.1, "z_loss": 1e-4}):
                    options: dict[str, Any] = {"reduction": "none", "grad_output": upstream, **more}
                    plain = cross_entropy(logits, labels, grad=True, **options)
                    for way, result in ways(logits, labels, options):
                        for what, mine, theirs in zip(("loss", "gradient"), plain, result, strict=True):
                            if mine.tobytes() != theirs.tobytes():
                                print(f"{way}: {what} of {np.dtype(dtype).name}, {labels.ndim}-D labels, C={classes}")
    print("done")


if __name__ == "__main__":
    main()
