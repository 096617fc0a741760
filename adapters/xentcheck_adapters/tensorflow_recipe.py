"""TensorFlow as a person writes it: constants of arrays, and a loss with its gradients by a tape."""

from __future__ import annotations

from xentcheck_adapters.call import Call
from xentcheck_adapters.recipe import LossText, Recipe, is_bfloat16, refuse_procedures

IMPORT = "import tensorflow as tf"


def constant(name: str, call: Call) -> str:
    """The call's array of that name as a tensor."""
    return f"tf.cast({name}, tf.bfloat16)" if is_bfloat16(getattr(call, name)) else f"tf.constant({name})"


def taped(loss: LossText) -> Recipe:
    """The loss and what a tape makes of it, all in one function where that is compiled."""
    call = loss.call
    refuse_procedures(call)
    upstream = "tf.ones_like(loss)" if call.upstream is None else "tf.cast(upstream, loss.dtype)"
    if loss.mode:  # an operand, as the adapter has it: XLA simplifies what it knows
        upstream = "tf.cast(upstream, loss.dtype)"
    wanted, results = ("[x, y]", "grad, grad_labels") if call.want_grad_labels else ("x", "grad")
    gradient = f"tape.gradient(loss, {wanted}, {upstream})"
    lines = ["with tf.GradientTape() as tape:", f"    tape.watch({wanted}); loss = {loss.text}"]
    if call.vector is not None:
        lines = [
            "with tf.GradientTape() as outer, tf.GradientTape() as tape:",
            "    outer.watch(x), tape.watch(x)",
            f"    loss = {loss.text}",
            f"    grad = {gradient}",
        ]
        results, gradient = "grad, hvp", f"[grad, outer.gradient(grad, x, {constant('vector', call)})]"
    arrays = f"{constant('logits', call)}, {constant('labels', call)}"
    if loss.mode:
        spread = f"*{gradient}" if "," in results else gradient
        body = [f"    {line}" for line in [*lines, f"return loss, {spread}"]]
        given = f"tf.ones({list(call.cotangent().shape)})" if call.upstream is None else "tf.constant(upstream)"
        lines = [loss.mode, "def step(x, y, upstream):", *body, f"loss, {results} = step({arrays}, {given})"]
    else:
        lines = [f"x, y = {arrays}", *lines, f"{results} = {gradient}"]
    return Recipe((IMPORT, *loss.imports), (*loss.setup, *lines))
