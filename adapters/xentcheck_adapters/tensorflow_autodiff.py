"""TensorFlow: arrays in and out, and a loss with its first and second derivatives by GradientTape."""

from __future__ import annotations

from typing import Any, Callable

from xentcheck_adapters.call import Call
from xentcheck_adapters.outcome import Returned, Unavailable

# Read when TensorFlow starts. One thread, because the batches are small and the machine is shared with other workers.
ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
}

Step = Callable[..., Any]


def open_device(name: str) -> Any:
    """The TensorFlow device of "cpu" or "cuda"; Unavailable where there is none."""
    import tensorflow as tf

    kind = {"cpu": "CPU", "cuda": "GPU"}[name]
    if not tf.config.list_logical_devices(kind):
        raise Unavailable(f"tensorflow {tf.__version__} sees no {kind}")
    return f"/{kind}:0"


def gradient_step(function: Callable[[Any, Any], Any]) -> Step:
    """A step from (logits, labels, upstream gradient, vector or None, want_grad_labels) to the loss of
    `function(logits, labels)`, a list of its gradients, and the derivative of the first along the vector (the gradient
    of <gradient, vector>); the whole step can be put under `tf.function`."""
    import tensorflow as tf

    def once(logits: Any, labels: Any, cotangent: Any, want_grad_labels: bool) -> Any:
        inputs = [logits, labels] if want_grad_labels else [logits]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(inputs)
            loss = function(logits, labels)
        if cotangent.shape != loss.shape:  # a loss of a wrong shape is an answer to show, not an error of this adapter
            cotangent = tf.ones_like(loss)
        return loss, tape.gradient(loss, inputs, output_gradients=tf.cast(cotangent, loss.dtype))

    def step(logits: Any, labels: Any, cotangent: Any, vector: Any, want_grad_labels: bool) -> Any:
        if vector is None:
            return *once(logits, labels, cotangent, want_grad_labels), None
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(logits)
            loss, gradients = once(logits, labels, cotangent, want_grad_labels)
        hvp = tape.gradient(gradients[0], logits, output_gradients=vector)
        if hvp is None:
            raise LookupError("TensorFlow has no gradient of this gradient: the tape gives None")
        return loss, gradients, hvp

    return step


def evaluate(step: Step, call: Call, device: Any) -> Returned:
    """Run a gradient step on a call's arrays."""
    import tensorflow as tf

    with tf.device(device):
        arrays = [tf.constant(array) for array in (call.logits, call.labels, call.cotangent())]
        vector = None if call.vector is None else tf.constant(call.vector)
        loss, (grad_logits, *grad_labels), hvp = step(*arrays, vector, call.want_grad_labels)
        return Returned(
            loss.numpy(),
            grad_logits.numpy(),
            grad_labels[0].numpy() if grad_labels else None,
            None if hvp is None else hvp.numpy(),
        )
