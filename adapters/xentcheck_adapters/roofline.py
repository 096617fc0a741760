"""The rulers of `xentcheck_kernels`, timed as subjects are: the roofline of a workload, by ordinary stores and by
those past the caches, which answers nothing, and the loss as a scalar loop, which the suite does not judge."""

from __future__ import annotations

import numpy as np

from xentcheck_adapters.call import Array
from xentcheck_adapters.dtypes import dtype_named
from xentcheck_adapters.subject import Subject
from xentcheck_adapters.workload import Repeat, Workload, repeated

CACHED, STREAMED = "roofline.cached", "roofline.streamed"
SCALAR = Subject(
    name="scalar",
    adapter=__name__,
    framework="scalar",
    api="xentcheck_kernels.roofline.scalar",
    mode="eager",
    requires=("xentcheck_kernels._roofline",),
    labels=("index", "dense"),
    dtypes=("bfloat16", "float32", "float64"),
    precision={},
)

# Of where the source begins, modulo a page: a load does not wait for a store that only looks as if it were to the same
# place (Intel's optimization manual, "4K aliasing").
_APART = 2048


def timed(ruler: str, workload: Workload) -> Repeat:
    """What a workload costs by one of the names above. A roofline reads the logits, and the labels if they are rows;
    for a gradient it writes as many bytes as the logits have."""
    from xentcheck_kernels import roofline

    if ruler == SCALAR.name:
        return _scalar(workload)
    threads = workload.threads
    nbytes = workload.rows * workload.classes * dtype_named(workload.dtype).itemsize
    nbytes = -(-nbytes // roofline.STEP) * roofline.STEP
    logits = _written(nbytes)
    rows = _written(nbytes) if workload.labels == "dense" else None
    if workload.gradient:
        out, past_caches = _written(nbytes, _APART), ruler == STREAMED
        return lambda times: roofline.write(out, logits, rows, past_caches=past_caches, threads=threads, repeats=times)
    return lambda times: roofline.read(logits, rows, threads=threads, repeats=times)


def _scalar(workload: Workload) -> Repeat:
    from xentcheck_kernels import roofline

    logits, labels = workload.arrays()
    loss = np.empty(workload.rows, np.float64 if workload.dtype == "float64" else np.float32)
    grad = np.empty_like(logits) if workload.gradient else None
    return repeated(lambda: roofline.scalar(logits, labels, loss, grad))


def _written(nbytes: int, offset: int = 0) -> Array:
    """So many bytes that begin at an offset within a page, each page of which the system has handed out."""
    page = 4096
    block = np.ones(nbytes + 2 * page, np.uint8)
    start = -block.ctypes.data % page + offset
    return block[start : start + nbytes]
