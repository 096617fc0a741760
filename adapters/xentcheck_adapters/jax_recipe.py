"""JAX as a person writes it: arrays, and a loss with its gradients by jax.vjp."""

from __future__ import annotations

import numpy as np

from xentcheck_adapters.call import Call
from xentcheck_adapters.recipe import LossText, Recipe, is_bfloat16, refuse_procedures

JIT = "@jax.jit"
_PROCEDURES = ("reverse", "no-grad", "compiled")


def array(name: str, call: Call) -> str:
    """The call's array of that name as one of JAX's."""
    return f"jnp.array({name}, jnp.bfloat16)" if is_bfloat16(getattr(call, name)) else f"jnp.array({name})"


def vjp(loss: LossText) -> Recipe:
    """The loss and what jax.vjp makes of it, all in one function where that is compiled."""
    call = loss.call
    refuse_procedures(call, _PROCEDURES)
    upstream = "jnp.ones_like(loss)" if call.upstream is None else "jnp.asarray(upstream, loss.dtype)"
    mode = JIT if call.procedure == "compiled" else loss.mode
    if mode:  # an operand, as the adapter has it: XLA simplifies what it knows
        upstream = "upstream.astype(loss.dtype)"
    function, at = ("lambda x, y", "x, y") if call.want_grad_labels else ("lambda x", "x")
    results = "grad, grad_labels" if call.want_grad_labels else "(grad,)"
    lines = [f"loss, pull_back = jax.vjp({function}: {loss.text}, {at})", f"{results} = pull_back({upstream})"]
    names = f"loss, {results.strip('(,)')}"
    if call.vector is not None:
        gradient = f"lambda x: jax.vjp(lambda x: {loss.text}, x)[1]({upstream})[0]"
        lines.append(f"hvp = jax.jvp({gradient}, (x,), ({array('vector', call)},))[1]")
        names += ", hvp"
    arrays = f"{array('logits', call)}, {array('labels', call)}"
    if call.procedure == "no-grad":
        lines.append(f"loss = {loss.text}")
    if mode:
        body = [f"    {line}" for line in lines]
        given = f"jnp.ones({call.cotangent().shape})" if call.upstream is None else "jnp.array(upstream)"
        step = ["def step(x, y, upstream):", *body, f"    return {names}"]
        lines = [mode, *step, f"{names} = step({arrays}, {given})"]
    else:
        lines.insert(0, f"x, y = {arrays}")
    imports = ["import jax", "import jax.numpy as jnp"]
    if call.logits.dtype == np.float64:
        imports.append('jax.config.update("jax_enable_x64", True)')
    return Recipe((*imports, *loss.imports), (*loss.setup, *lines))
