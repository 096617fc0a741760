"""PyTorch: arrays in and out, and a loss with its first and second derivatives by autograd."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from xentcheck_adapters.call import Array, Call
from xentcheck_adapters.dtypes import BFLOAT16
from xentcheck_adapters.outcome import Returned, Unavailable


def open_device(name: str) -> Any:
    """The torch device "cpu" or "cuda"; Unavailable where there is none."""
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        raise Unavailable(f"torch {torch.__version__} sees no CUDA device")
    return torch.device(name)


def unlimited_recompilation() -> dict[str, int]:
    """Settings of dynamo without which it would run eager code past so many recompilations, without a word, and that
    would be tested instead. They have other names before torch 2.7."""
    import torch._dynamo as dynamo

    name = "recompile_limit" if hasattr(dynamo.config, "recompile_limit") else "cache_size_limit"
    return {name: 10_000, f"accumulated_{name}": 10_000}


def to_tensor(array: Array, device: Any) -> Any:
    """A tensor over the array's own memory and strides on the CPU, so that a write to an input is seen."""
    import torch

    if any(stride < 0 for stride in array.strides):
        array = array.copy()  # tensors have no negative strides, and from_numpy tells its user to do this
    if array.dtype == BFLOAT16:  # NumPy's buffer protocol has no bfloat16
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16).to(device)
    return torch.from_numpy(array).to(device)


def to_array(tensor: Any) -> Array:
    """What a tensor of any device holds, in its dtype."""
    import torch

    tensor = tensor.detach().cpu()
    if tensor.dtype == torch.bfloat16:
        return np.asarray(tensor.view(torch.int16).numpy().view(BFLOAT16))
    return np.asarray(tensor.numpy())


def cotangent_of(call: Call, loss: Any, device: Any) -> Any:
    """The call's upstream gradient, in the loss' dtype."""
    import torch

    cotangent = to_tensor(call.cotangent(), device).to(loss.dtype)
    if cotangent.shape != loss.shape:  # a loss of a wrong shape is an answer to show, not an error of this adapter
        return torch.ones_like(loss)
    return cotangent


def evaluate(function: Callable[[Any, Any], Any], call: Call, device: Any) -> Returned:
    """What the call's procedure makes of `function(logits, labels)`."""
    if call.procedure == "reverse":
        return reverse(function, call, device)
    from xentcheck_adapters.torch_procedures import PROCEDURES  # which are made of what is above

    return PROCEDURES[call.procedure](function, call, device)


def reverse(function: Callable[[Any, Any], Any], call: Call, device: Any) -> Returned:
    """Loss of `function(logits, labels)`, its gradients under the call's upstream gradient, and the product of its
    Hessian with the call's vector: the gradient of <gradient, vector>."""
    import torch

    logits = to_tensor(call.logits, device).requires_grad_()
    labels = to_tensor(call.labels, device)
    inputs = [logits, labels.requires_grad_()] if call.want_grad_labels else [logits]
    loss = function(logits, labels)
    twice = call.vector is not None
    cotangent = cotangent_of(call, loss, device)
    grad_logits, *grad_labels = torch.autograd.grad(loss, inputs, cotangent, create_graph=twice)
    hvp = None
    if call.vector is not None:  # a gradient that cannot be differentiated raises: autograd refuses unused inputs
        (hvp,) = torch.autograd.grad(grad_logits, logits, to_tensor(call.vector, device))
    return Returned(
        to_array(loss),
        to_array(grad_logits),
        to_array(grad_labels[0]) if grad_labels else None,
        None if hvp is None else to_array(hvp),
    )
