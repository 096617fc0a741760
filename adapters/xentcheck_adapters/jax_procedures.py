"""JAX: the other ways to ask for a derivative, one function each (see `procedures.py`)."""

from __future__ import annotations

from typing import Any, Callable

from xentcheck_adapters.jax_autodiff import Function, Results, fitted, reverse
from xentcheck_adapters.procedures import LOSS_ALONE

Procedure = Callable[[Function, Any, Any, Any, Any], Results]


def _twice(function: Function, logits: Any, labels: Any, cotangent: Any, vector: Any) -> Results:
    import jax

    loss, pull_back = jax.vjp(lambda x: function(x, labels), logits)
    pull_back(fitted(cotangent, loss))
    return {"loss": loss, "grad_logits": pull_back(fitted(cotangent, loss))[0]}


def _no_grad(function: Function, logits: Any, labels: Any, cotangent: Any, vector: Any) -> Results:
    loss = function(logits, labels)
    return {**reverse(function, logits, labels, cotangent), "loss": loss}


def _per_sample(function: Function, logits: Any, labels: Any, cotangent: Any, vector: Any) -> Results:
    import jax

    def one(row: Any, label: Any, upstream: Any) -> Results:
        return reverse(function, row[None], label[None], upstream[None])

    return {name: rows[:, 0] for name, rows in jax.vmap(one)(logits, labels, cotangent).items()}


def _jvp(function: Function, logits: Any, labels: Any, cotangent: Any, vector: Any) -> Results:
    import jax

    loss, tangent = jax.jvp(lambda x: function(x, labels), (logits,), (vector,))
    return {**reverse(function, logits, labels, cotangent), "loss": loss, "tangent": tangent}


def _reverse_over_reverse(function: Function, logits: Any, labels: Any, cotangent: Any, vector: Any) -> Results:
    import jax

    def gradient(x: Any) -> Any:
        results = reverse(function, x, labels, cotangent)
        return results["grad_logits"], results

    _, pull_back, results = jax.vjp(gradient, logits, has_aux=True)
    return {**results, "hvp": pull_back(vector)[0]}


def _hessian(function: Function, logits: Any, labels: Any, cotangent: Any, vector: Any) -> Results:
    import jax

    def total(x: Any) -> Any:
        loss = function(x, labels)
        return (loss * fitted(cotangent, loss)).sum()

    return {**reverse(function, logits, labels, cotangent), "hessian": jax.hessian(total)(logits)}


def _mixed(function: Function, logits: Any, labels: Any, cotangent: Any, vector: Any) -> Results:
    import jax

    def gradient(y: Any) -> Any:
        results = reverse(function, logits, y, cotangent)
        return results["grad_logits"], results

    _, pull_back, results = jax.vjp(gradient, labels, has_aux=True)
    return {**results, "mixed": pull_back(vector)[0]}


def _loss_alone(function: Function, logits: Any, labels: Any, cotangent: Any, vector: Any) -> Results:
    return {"loss": function(logits, labels)}


def _compiled(function: Function, logits: Any, labels: Any, cotangent: Any, vector: Any) -> Results:
    import jax

    compiled: Results = jax.jit(lambda x, y, upstream: reverse(function, x, y, upstream))(logits, labels, cotangent)
    return compiled


# Under jax.jit the passes are one function of their inputs: there is no second pass to ask for. Op by op, the Hessian
# is the same composition, of which each operation costs a compilation.
OP_BY_OP: dict[str, Procedure] = {
    "twice": _twice,
    "no-grad": _no_grad,
    "per-sample": _per_sample,
    "jvp": _jvp,
    "reverse-over-reverse": _reverse_over_reverse,
    "mixed": _mixed,
}
OF_GRAPHS: dict[str, Procedure] = {
    "per-sample": _per_sample,
    "jvp": _jvp,
    "reverse-over-reverse": _reverse_over_reverse,
    "hessian": _hessian,
    "mixed": _mixed,
}
# The modes of JAX' own functions are subjects; those of a user's are procedures.
OF_STRANGERS: dict[str, Procedure] = {**OP_BY_OP, "compiled": _compiled, LOSS_ALONE: _loss_alone}
PROCEDURES: dict[str, Procedure] = {**OP_BY_OP, **OF_GRAPHS, **OF_STRANGERS}
