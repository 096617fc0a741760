"""JAX: arrays in and out, a loss with its gradients by `jax.vjp`, and their derivative by `jax.jvp`."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from xentcheck_adapters.call import Call
from xentcheck_adapters.outcome import Returned, Unavailable

# Without this the first operation takes three quarters of a GPU's memory from the other workers.
ENVIRONMENT = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
# float64 is a property of the process: without it JAX turns float64 into float32 and int64 into int32.
DTYPE_ENVIRONMENT = {"float64": {"JAX_ENABLE_X64": "1"}}

Step = Callable[..., Any]


def open_device(name: str) -> Any:
    """The JAX device "cpu" or "cuda"; Unavailable where there is none."""
    import jax

    try:
        return jax.devices(name)[0]
    except RuntimeError as error:
        raise Unavailable(f"jax {jax.__version__} has no device {name!r}: {error}") from error


def gradient_step(function: Callable[[Any, Any], Any]) -> Step:
    """A step from (logits, labels, upstream gradient, vector or None, want_grad_labels) to the loss of
    `function(logits, labels)`, a tuple of its gradients, and the derivative of the first along the vector; the whole
    step can be put under `jax.jit` with its last argument static."""
    import jax
    import jax.numpy as jnp

    def once(logits: Any, labels: Any, cotangent: Any, want_grad_labels: bool) -> Any:
        if want_grad_labels:
            loss, pull_back = jax.vjp(function, logits, labels)
        else:
            loss, pull_back = jax.vjp(lambda x: function(x, labels), logits)
        if cotangent.shape != loss.shape:  # a loss of a wrong shape is an answer to show, not an error of this adapter
            cotangent = jnp.ones_like(loss)
        return loss, pull_back(cotangent.astype(loss.dtype))

    def step(logits: Any, labels: Any, cotangent: Any, vector: Any, want_grad_labels: bool) -> Any:
        if vector is None:
            return *once(logits, labels, cotangent, want_grad_labels), None
        answer, (_, (hvp, *_)) = jax.jvp(lambda x: once(x, labels, cotangent, want_grad_labels), (logits,), (vector,))
        return *answer, hvp

    return step


def evaluate(step: Step, call: Call, device: Any) -> Returned:
    """Run a gradient step on a call's arrays."""
    import jax

    arrays = [jax.device_put(array, device) for array in (call.logits, call.labels, call.cotangent())]
    vector = None if call.vector is None else jax.device_put(call.vector, device)
    # JAX reads NumPy buffers while it computes: nobody may touch or free the call's arrays before this is ready.
    answer = jax.block_until_ready(step(*arrays, vector, call.want_grad_labels))
    loss, (grad_logits, *grad_labels), hvp = answer
    return Returned(
        np.asarray(loss),
        np.asarray(grad_logits),
        np.asarray(grad_labels[0]) if grad_labels else None,
        None if hvp is None else np.asarray(hvp),
    )
