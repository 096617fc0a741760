"""Memory that results share: what a caller who writes to one of them would not expect."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from xentcheck_adapters.call import Call
from xentcheck_adapters.outcome import Returned


def shared_memory(call: Call, returned: Returned) -> Iterator[str]:
    """Which results share elements with an input or with each other, and which have elements that share one place."""
    inputs = {name: getattr(call, name) for name in ("logits", "labels", "weight", "sample_weight", "upstream")}
    for name, array in returned.results.items():
        if array.size and any(stride == 0 < size - 1 for stride, size in zip(array.strides, array.shape)):
            yield f"elements of {name} with each other"
        for other, its in inputs.items():
            if its is not None and np.shares_memory(array, its):
                yield f"{name} with {other}"
    if returned.grad_logits is not None and np.shares_memory(returned.loss, returned.grad_logits):
        yield "grad_logits with loss"
