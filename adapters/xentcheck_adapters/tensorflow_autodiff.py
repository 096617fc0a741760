"""TensorFlow: arrays in and out, and a loss with its first and second derivatives by GradientTape."""

from __future__ import annotations

from typing import Any, Callable

from xentcheck_adapters.call import Call
from xentcheck_adapters.outcome import Returned, Unavailable
from xentcheck_adapters.procedures import Ask, returned

# Read when TensorFlow starts. One thread, because the batches are small and the machine is shared with other workers.
ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
}
# tf.nn.softmax, of which the second derivatives of the losses are made, is oneDNN's on a CPU: 0 for what is below twice
# the smallest normal number.
UNDERFLOW = 2.0

Function = Callable[[Any, Any], Any]
Results = dict[str, Any]
Step = Callable[..., Results]


def open_device(name: str) -> Any:
    """The TensorFlow device of "cpu" or "cuda"; Unavailable where there is none."""
    import tensorflow as tf

    kind = {"cpu": "CPU", "cuda": "GPU"}[name]
    if not tf.config.list_logical_devices(kind):
        raise Unavailable(f"tensorflow {tf.__version__} sees no {kind}")
    return f"/{kind}:0"


def gradient_step(function: Function) -> Step:
    """A step from (logits, labels, upstream gradient, vector or None, Ask) to the results of the asked procedure on
    `function(logits, labels)`, by the names of their fields in `Returned`; the whole step can be put under
    `tf.function`."""

    def step(logits: Any, labels: Any, cotangent: Any, vector: Any, ask: Ask) -> Results:
        if ask.procedure != "reverse":
            from xentcheck_adapters.tensorflow_procedures import ALL  # which are made of what is here

            return ALL[ask.procedure](function, logits, labels, cotangent, vector)
        return reverse(function, logits, labels, cotangent, vector, ask.grad_labels)

    return step


def reverse(
    function: Function, logits: Any, labels: Any, cotangent: Any, vector: Any = None, want_grad_labels: bool = False
) -> Results:
    """Loss and gradients, and the derivative of the first gradient along the vector: the gradient of
    <gradient, vector>."""
    import tensorflow as tf

    if vector is None:
        return _once(function, logits, labels, cotangent, want_grad_labels)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(logits)
        results = _once(function, logits, labels, cotangent, want_grad_labels)
    return {**results, "hvp": present(tape.gradient(results["grad_logits"], logits, output_gradients=vector))}


def _once(function: Function, logits: Any, labels: Any, cotangent: Any, want_grad_labels: bool) -> Results:
    import tensorflow as tf

    inputs = [logits, labels] if want_grad_labels else [logits]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(inputs)
        loss = function(logits, labels)
    gradients = tape.gradient(loss, inputs, output_gradients=fitted(cotangent, loss))
    return {"loss": loss, **dict(zip(("grad_logits", "grad_labels"), map(present, gradients)))}


def fitted(cotangent: Any, loss: Any) -> Any:
    """The upstream gradient in the loss' dtype."""
    import tensorflow as tf

    if cotangent.shape != loss.shape:  # a loss of a wrong shape is an answer to show, not an error of this adapter
        return tf.ones_like(loss)
    return tf.cast(cotangent, loss.dtype)


def present(gradient: Any) -> Any:
    """A gradient; LookupError where the tape has none."""
    if gradient is None:
        raise LookupError("TensorFlow has no gradient of this: the tape gives None")
    return gradient


def evaluate(step: Step, call: Call, device: Any) -> Returned:
    """Run a gradient step on a call's arrays."""
    import tensorflow as tf

    with tf.device(device):
        arrays = [tf.constant(array) for array in (call.logits, call.labels, call.cotangent())]
        vector = None if call.vector is None else tf.constant(call.vector)
        results = step(*arrays, vector, Ask.of(call))
        # A gradient through tf.gather is IndexedSlices, of which this makes an array.
        return returned({n: tf.convert_to_tensor(result).numpy() for n, result in results.items()}, call)
