"""PyTorch as a person writes it: tensors of arrays, and a loss with its gradients by autograd."""

from __future__ import annotations

from xentcheck_adapters.call import Call
from xentcheck_adapters.recipe import Keywords, LossText, Recipe, is_bfloat16

FUNCTIONAL = "import torch.nn.functional as F"


def tensor(name: str, call: Call) -> str:
    """The call's array of that name as a tensor; over its own memory where its layout is of interest."""
    low = is_bfloat16(getattr(call, name))
    if call.layout != "contiguous":
        return f"torch.from_numpy({name})" + (".bfloat16()" if low else "")
    return f"torch.tensor({name}" + (", dtype=torch.bfloat16)" if low else ")")


def cotangent(call: Call) -> str:
    """The upstream gradient of `loss`."""
    return "torch.ones_like(loss)" if call.upstream is None else f"{tensor('upstream', call)}.to(loss.dtype)"


def inputs(call: Call) -> str:
    """The line that binds `x` and `y`."""
    wanted = ".requires_grad_()"
    return f"x, y = {tensor('logits', call)}{wanted}, {tensor('labels', call)}{wanted if call.want_grad_labels else ''}"


def autograd(loss: LossText) -> Recipe:
    """The loss and what autograd makes of it."""
    call = loss.call
    wanted, results = ("(x, y)", "grad, grad_labels") if call.want_grad_labels else ("x", "(grad,)")
    graph = "" if call.vector is None else ", create_graph=True"
    lines = [
        *loss.setup,
        inputs(call),
        f"{loss.mode}loss = {loss.text}",
        f"{results} = torch.autograd.grad(loss, {wanted}, {cotangent(call)}{graph})",
    ]
    if call.vector is not None:
        lines.append(f"(hvp,) = torch.autograd.grad(grad, x, {tensor('vector', call)})")
    return Recipe(("import torch", *loss.imports), tuple(lines))


def keywords(call: Call) -> Keywords:
    """The keyword arguments of cross_entropy that a call asks for, as text."""
    return Keywords(
        {
            "weight": None if call.weight is None else tensor("weight", call),
            "ignore_index": call.ignore_index,
            "label_smoothing": call.label_smoothing or None,
            "reduction": f'"{call.reduction}"',
        }
    )
