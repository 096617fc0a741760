"""TensorFlow: the other ways to ask for a derivative, one function each (see `procedures.py`)."""

from __future__ import annotations

from typing import Any, Callable

from xentcheck_adapters.procedures import LOSS_ALONE
from xentcheck_adapters.tensorflow_autodiff import Function, Results, fitted, present, reverse

Procedure = Callable[[Function, Any, Any, Any, Any], Results]


def _twice(function: Function, logits: Any, labels: Any, cotangent: Any, vector: Any) -> Results:
    import tensorflow as tf

    with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
        tape.watch(logits)
        loss = function(logits, labels)
    tape.gradient(loss, logits, output_gradients=fitted(cotangent, loss))
    return {"loss": loss, "grad_logits": tape.gradient(loss, logits, output_gradients=fitted(cotangent, loss))}


def _no_grad(function: Function, logits: Any, labels: Any, cotangent: Any, vector: Any) -> Results:
    loss = function(logits, labels)
    return {**reverse(function, logits, labels, cotangent), "loss": loss}


def _overwritten(which: int) -> Procedure:
    def procedure(function: Function, logits: Any, labels: Any, cotangent: Any, vector: Any) -> Results:
        import tensorflow as tf

        inputs = tf.Variable(logits), tf.Variable(labels)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(inputs[0])
            loss = function(*inputs)
        inputs[which].assign(tf.zeros_like(inputs[which]))
        return {
            "loss": loss,
            "grad_logits": tape.gradient(loss, inputs[0], output_gradients=fitted(cotangent, loss)),
        }

    return procedure


def _freed(function: Function, logits: Any, labels: Any, cotangent: Any, vector: Any) -> Results:
    import tensorflow as tf

    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(logits)
        loss = function(logits, labels)
    tape.gradient(loss, logits, output_gradients=fitted(cotangent, loss))
    return {"loss": loss, "grad_logits": tape.gradient(loss, logits, output_gradients=fitted(cotangent, loss))}


def _per_sample(function: Function, logits: Any, labels: Any, cotangent: Any, vector: Any) -> Results:
    import tensorflow as tf

    def one(row: Any) -> Any:
        x, y, upstream = (part[None] for part in row)
        results = reverse(function, x, y, upstream)
        return results["loss"][0], results["grad_logits"][0]

    loss, gradient = tf.vectorized_map(one, (logits, labels, cotangent))
    return {"loss": loss, "grad_logits": gradient}


def _jvp(function: Function, logits: Any, labels: Any, cotangent: Any, vector: Any) -> Results:
    import tensorflow as tf

    with tf.autodiff.ForwardAccumulator(logits, vector) as accumulator:
        loss = function(logits, labels)
    return {**reverse(function, logits, labels, cotangent), "loss": loss, "tangent": present(accumulator.jvp(loss))}


def _forward_over_reverse(function: Function, logits: Any, labels: Any, cotangent: Any, vector: Any) -> Results:
    import tensorflow as tf

    with tf.autodiff.ForwardAccumulator(logits, vector) as accumulator:
        results = reverse(function, logits, labels, cotangent)
    return {**results, "hvp": present(accumulator.jvp(results["grad_logits"]))}


def _hessian(function: Function, logits: Any, labels: Any, cotangent: Any, vector: Any) -> Results:
    import tensorflow as tf

    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(logits)
        results = reverse(function, logits, labels, cotangent)
    return {**results, "hessian": present(tape.jacobian(results["grad_logits"], logits))}


def _mixed(function: Function, logits: Any, labels: Any, cotangent: Any, vector: Any) -> Results:
    import tensorflow as tf

    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(labels)
        results = reverse(function, logits, labels, cotangent)
    return {**results, "mixed": present(tape.gradient(results["grad_logits"], labels, output_gradients=vector))}


def _loss_alone(function: Function, logits: Any, labels: Any, cotangent: Any, vector: Any) -> Results:
    return {"loss": function(logits, labels)}


# A graph is one function of its inputs: it has no second pass to ask for, and it makes no variables.
OF_GRAPHS: dict[str, Procedure] = {
    "per-sample": _per_sample,
    "jvp": _jvp,
    "forward-over-reverse": _forward_over_reverse,
    "hessian": _hessian,
    "mixed": _mixed,
}
PROCEDURES: dict[str, Procedure] = {
    "twice": _twice,
    "no-grad": _no_grad,
    "overwritten logits": _overwritten(0),
    "overwritten labels": _overwritten(1),
    "freed": _freed,
    **OF_GRAPHS,
}
# Tensors cannot be written to. Variables can, but no logits are one, and what a tf.custom_gradient reads of them in the
# backward pass is read then.
OF_STRANGERS: dict[str, Procedure] = {
    **{name: procedure for name, procedure in PROCEDURES.items() if not name.startswith("overwritten")},
    LOSS_ALONE: _loss_alone,
}
ALL: dict[str, Procedure] = {**PROCEDURES, **OF_STRANGERS}
