"""TensorFlow: a loss, and its gradient by GradientTape, as they are timed."""

from __future__ import annotations

from typing import Any, Callable

from xentcheck_adapters.workload import Repeat, Workload, repeated

Step = Callable[[Any, Any], Any]


def timed(function: Step, workload: Workload, compile: Callable[[Step], Step] = lambda step: step) -> Repeat:
    """The mean of `function(logits, labels)`, the whole step compiled. Results are new tensors each time."""
    import tensorflow as tf

    def mean(logits: Any, labels: Any) -> Any:
        return tf.reduce_mean(function(logits, labels))

    def mean_and_gradient(logits: Any, labels: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(logits)
            loss = mean(logits, labels)
        return loss, tape.gradient(loss, logits)

    step = compile(mean_and_gradient if workload.gradient else mean)
    return called(step, workload)


def called(step: Step, workload: Workload) -> Repeat:
    """A step on the workload's arrays; on a CPU it is complete when it returns."""
    import tensorflow as tf

    logits, labels = (tf.constant(array) for array in workload.arrays())
    return repeated(lambda: step(logits, labels))
