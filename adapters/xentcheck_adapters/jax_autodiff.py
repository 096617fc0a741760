"""JAX: arrays in and out, a loss with its gradients by `jax.vjp`, and their derivative by `jax.jvp`."""

from __future__ import annotations

from typing import Any, Callable

from xentcheck_adapters.call import Call
from xentcheck_adapters.outcome import Returned, Unavailable
from xentcheck_adapters.procedures import Ask, returned

# Without this the first operation takes three quarters of a GPU's memory from the other workers.
ENVIRONMENT = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
# float64 is a property of the process: without it JAX turns float64 into float32 and int64 into int32.
DTYPE_ENVIRONMENT = {"float64": {"JAX_ENABLE_X64": "1"}}

Function = Callable[[Any, Any], Any]
Results = dict[str, Any]
Step = Callable[..., Results]


def open_device(name: str) -> Any:
    """The JAX device "cpu" or "cuda"; Unavailable where there is none."""
    import jax

    try:
        return jax.devices(name)[0]
    except RuntimeError as error:
        raise Unavailable(f"jax {jax.__version__} has no device {name!r}: {error}") from error


def gradient_step(function: Function) -> Step:
    """A step from (logits, labels, upstream gradient, vector or None, Ask) to the results of the asked procedure on
    `function(logits, labels)`, by the names of their fields in `Returned`; the whole step can be put under `jax.jit`
    with its last argument static."""

    def step(logits: Any, labels: Any, cotangent: Any, vector: Any, ask: Ask) -> Results:
        if ask.procedure != "reverse":
            from xentcheck_adapters.jax_procedures import PROCEDURES  # which are made of what is here

            return PROCEDURES[ask.procedure](function, logits, labels, cotangent, vector)
        return reverse(function, logits, labels, cotangent, vector, ask.grad_labels)

    return step


def reverse(
    function: Function, logits: Any, labels: Any, cotangent: Any, vector: Any = None, want_grad_labels: bool = False
) -> Results:
    """Loss and gradients, and the derivative of the first gradient along the vector, by forward mode."""
    import jax

    def once(x: Any) -> Results:
        return _once(function, x, labels, cotangent, want_grad_labels)

    if vector is None:
        return once(logits)
    results, tangents = jax.jvp(once, (logits,), (vector,))
    return {**results, "hvp": tangents["grad_logits"]}


def _once(function: Function, logits: Any, labels: Any, cotangent: Any, want_grad_labels: bool) -> Results:
    import jax

    if want_grad_labels:
        loss, pull_back = jax.vjp(function, logits, labels)
    else:
        loss, pull_back = jax.vjp(lambda x: function(x, labels), logits)
    return {"loss": loss, **dict(zip(("grad_logits", "grad_labels"), pull_back(fitted(cotangent, loss))))}


def fitted(cotangent: Any, loss: Any) -> Any:
    """The upstream gradient in the loss' dtype."""
    import jax.numpy as jnp

    if cotangent.shape != loss.shape:  # a loss of a wrong shape is an answer to show, not an error of this adapter
        return jnp.ones_like(loss)
    return cotangent.astype(loss.dtype)


def evaluate(step: Step, call: Call, device: Any) -> Returned:
    """Run a gradient step on a call's arrays."""
    import jax

    arrays = [jax.device_put(array, device) for array in (call.logits, call.labels, call.cotangent())]
    vector = None if call.vector is None else jax.device_put(call.vector, device)
    # JAX reads NumPy buffers while it computes: nobody may touch or free the call's arrays before this is ready.
    return returned(jax.block_until_ready(step(*arrays, vector, Ask.of(call))), call)
