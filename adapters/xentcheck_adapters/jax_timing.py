"""JAX: a loss, and its gradient by `jax.value_and_grad`, as they are timed."""

from __future__ import annotations

from typing import Any, Callable

from xentcheck_adapters.workload import Repeat, Workload, repeated


def timed(function: Callable[[Any, Any], Any], workload: Workload, *, jit: bool) -> Repeat:
    """The mean of `function(logits, labels)`, compiled as a whole or not. Results are new arrays each time."""
    import jax

    def mean(logits: Any, labels: Any) -> Any:
        return function(logits, labels).mean()

    asked = jax.value_and_grad(mean) if workload.gradient else mean
    compiled = jax.jit(asked) if jit else asked
    logits, labels = (jax.device_put(array) for array in workload.arrays())
    return repeated(lambda: jax.block_until_ready(compiled(logits, labels)))
