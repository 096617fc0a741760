"""PyTorch: the other ways to ask for a derivative, one function each (see `procedures.py`)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable

from xentcheck_adapters.call import Array, Call
from xentcheck_adapters.outcome import Returned
from xentcheck_adapters.procedures import LOSS_ALONE, contracted
from xentcheck_adapters.torch_autodiff import cotangent_of, reverse, to_array, to_tensor, unlimited_recompilation

Function = Callable[[Any, Any], Any]
Procedure = Callable[[Function, Call, Any], Returned]


def _inputs(call: Call, device: Any) -> tuple[Any, Any]:
    """Logits and labels in memory of their own: a procedure may write to them."""
    return to_tensor(call.logits, device).clone().requires_grad_(), to_tensor(call.labels, device).clone()


def _twice(function: Function, call: Call, device: Any, *, retain_graph: bool = True) -> Returned:
    import torch

    logits, labels = _inputs(call, device)
    loss = function(logits, labels)
    cotangent = cotangent_of(call, loss, device)
    torch.autograd.grad(loss, logits, cotangent, retain_graph=retain_graph)
    (gradient,) = torch.autograd.grad(loss, logits, cotangent)
    return Returned(to_array(loss), to_array(gradient))


def _freed(function: Function, call: Call, device: Any) -> Returned:
    return _twice(function, call, device, retain_graph=False)


def _loss_alone(function: Function, call: Call, device: Any) -> Returned:
    return Returned(to_array(function(*_inputs(call, device))))


def _accumulated(function: Function, call: Call, device: Any) -> Returned:
    logits, labels = _inputs(call, device)
    for _ in range(2):
        loss = function(logits, labels)
        loss.backward(cotangent_of(call, loss, device))
    return Returned(to_array(loss), to_array(logits.grad))


def _no_grad(function: Function, call: Call, device: Any) -> Returned:
    import torch

    with torch.no_grad():
        loss = function(*_inputs(call, device))
    return replace(reverse(function, call, device), loss=to_array(loss))


def _inference_mode(function: Function, call: Call, device: Any) -> Returned:
    import torch

    with torch.inference_mode():
        loss = function(to_tensor(call.logits, device).clone(), to_tensor(call.labels, device).clone())
    return replace(reverse(function, call, device), loss=to_array(loss))


def _constant_logits(function: Function, call: Call, device: Any) -> Returned:
    logits, labels = _inputs(call, device)
    loss = function(logits.detach(), labels)
    return replace(reverse(function, call, device), loss=to_array(loss))


def _overwritten(which: int) -> Procedure:
    def procedure(function: Function, call: Call, device: Any) -> Returned:
        import torch

        inputs = _inputs(call, device)
        loss = function(*inputs)
        with torch.no_grad():  # outside of it autograd refuses to write to a leaf, whatever was saved
            inputs[which].zero_()
        (gradient,) = torch.autograd.grad(loss, inputs[0], cotangent_of(call, loss, device))
        return Returned(to_array(loss), to_array(gradient))

    return procedure


def _behind_relu(function: Function, call: Call, device: Any) -> Returned:
    return reverse(lambda logits, labels: function(logits.relu(), labels), call, device)


def _overwritten_loss(function: Function, call: Call, device: Any) -> Returned:
    import torch

    logits, labels = _inputs(call, device)
    loss = function(logits, labels)
    kept, cotangent = loss.detach().clone(), cotangent_of(call, loss, device)
    with torch.no_grad():
        loss.zero_()
    (gradient,) = torch.autograd.grad(loss, logits, cotangent)
    return Returned(to_array(kept), to_array(gradient))


def _interleaved(function: Function, call: Call, device: Any) -> Returned:
    import torch

    logits, labels = _inputs(call, device)
    loss = function(logits, labels)
    function(logits.detach().flip(0).requires_grad_(), labels.flip(0))
    (gradient,) = torch.autograd.grad(loss, logits, cotangent_of(call, loss, device))
    return Returned(to_array(loss), to_array(gradient))


def _upstream(view: Callable[[Any], Any]) -> Procedure:
    def procedure(function: Function, call: Call, device: Any) -> Returned:
        import torch

        logits, labels = _inputs(call, device)
        loss = function(logits, labels)
        (gradient,) = torch.autograd.grad(loss, logits, view(cotangent_of(call, loss, device)))
        return Returned(to_array(loss), to_array(gradient))

    return procedure


def _strided(cotangent: Any) -> Any:
    """The same values as every second of a larger tensor, between values that are none of them."""
    import torch

    return torch.stack([cotangent, torch.full_like(cotangent, 64.0)], dim=-1)[..., 0]


def _expanded(cotangent: Any) -> Any:
    return cotangent.reshape(-1)[:1].expand(cotangent.numel()).reshape(cotangent.shape)


def _jvp(function: Function, call: Call, device: Any) -> Returned:
    import torch

    logits, labels = _inputs(call, device)
    vector = to_tensor(_vector(call), device)
    loss, tangent = torch.func.jvp(lambda x: function(x, labels), (logits.detach(),), (vector,))
    return replace(
        reverse(function, replace(call, vector=None), device), loss=to_array(loss), tangent=to_array(tangent)
    )


def _two_backward_passes(function: Function, call: Call, device: Any) -> Returned:
    import torch

    logits, labels = _inputs(call, device)
    loss = function(logits, labels)
    upstream = cotangent_of(call, loss, device).requires_grad_()
    (gradient,) = torch.autograd.grad(loss, logits, upstream, create_graph=True)
    (tangent,) = torch.autograd.grad(gradient, upstream, to_tensor(_vector(call), device))
    return Returned(to_array(loss), to_array(gradient), tangent=to_array(tangent))


def _forward_over_reverse(function: Function, call: Call, device: Any) -> Returned:
    import torch

    logits, labels = _inputs(call, device)

    def gradient(x: Any) -> Any:
        loss, pull_back = torch.func.vjp(lambda z: function(z, labels), x)
        return pull_back(cotangent_of(call, loss, device))[0], loss

    vector = to_tensor(_vector(call), device)
    found, product, loss = torch.func.jvp(gradient, (logits.detach(),), (vector,), has_aux=True)
    return Returned(to_array(loss), to_array(found), hvp=to_array(product))


def _hessian(function: Function, call: Call, device: Any) -> Returned:
    import torch

    logits, labels = _inputs(call, device)

    def total(x: Any) -> Any:
        loss = function(x, labels)
        return (loss * cotangent_of(call, loss, device)).sum()

    hessian = to_array(torch.func.hessian(total)(logits.detach()))
    return replace(reverse(function, replace(call, vector=None), device), hvp=contracted(hessian, _vector(call)))


def _per_sample(function: Function, call: Call, device: Any) -> Returned:
    import torch

    logits, labels = _inputs(call, device)

    def one(row: Any, label: Any, upstream: Any) -> Any:
        loss, pull_back = torch.func.vjp(lambda x: function(x[None], label[None]), row)
        return loss[0], pull_back(upstream[None])[0]

    cotangent = to_tensor(call.cotangent(), device)
    loss, gradient = torch.func.vmap(one)(logits.detach(), labels, cotangent)
    return Returned(to_array(loss), to_array(gradient))


def _mixed(function: Function, call: Call, device: Any) -> Returned:
    import torch

    logits, labels = _inputs(call, device)
    loss = function(logits, labels.requires_grad_())
    (gradient,) = torch.autograd.grad(loss, logits, cotangent_of(call, loss, device), create_graph=True)
    (mixed,) = torch.autograd.grad(gradient, labels, to_tensor(_vector(call), device))
    return Returned(to_array(loss), to_array(gradient), mixed=to_array(mixed))


def _compiled(function: Function, call: Call, device: Any) -> Returned:
    import torch
    import torch._dynamo as dynamo

    with dynamo.config.patch(unlimited_recompilation()):
        # A function that calls it: one of torch's own is refused by torch 2.6, and run uncompiled by 2.9.
        calling = torch.compile(lambda logits, labels: function(logits, labels), backend="aot_eager")
        return reverse(calling, call, device)


def _autocast(function: Function, call: Call, device: Any) -> Returned:
    import torch

    def cast(logits: Any, labels: Any) -> Any:
        with torch.autocast(device.type, dtype=torch.float16 if logits.dtype == torch.float16 else torch.bfloat16):
            return function(logits, labels)

    return reverse(cast, call, device)


def _vector(call: Call) -> Array:
    if call.vector is None:
        raise ValueError(f"procedure {call.procedure!r} needs a vector")
    return call.vector


# A compiled function refuses to be differentiated twice, and the functions of torch.func run it uncompiled.
OF_COMPILED: dict[str, Procedure] = {
    "twice": _twice,
    "no-grad": _no_grad,
    "strided upstream": _upstream(_strided),
    "expanded upstream": _upstream(_expanded),
    "overwritten logits": _overwritten(0),
    "overwritten labels": _overwritten(1),
    "freed": _freed,
    "accumulated": _accumulated,
}
# What is eager can be asked for these as well.
OF_EAGER: dict[str, Procedure] = {
    **OF_COMPILED,
    "inference mode": _inference_mode,
    "constant logits": _constant_logits,
    "behind relu": _behind_relu,
    "overwritten loss": _overwritten_loss,
    "interleaved": _interleaved,
    "two backward passes": _two_backward_passes,
    "per-sample": _per_sample,
    "jvp": _jvp,
    "forward-over-reverse": _forward_over_reverse,
    "hessian": _hessian,
    "mixed": _mixed,
}
# The modes of PyTorch's own function are subjects; those of a user's are procedures.
PROCEDURES: dict[str, Procedure] = {
    **OF_EAGER,
    "compiled": _compiled,
    "autocast": _autocast,
    LOSS_ALONE: _loss_alone,
}
