"""PyTorch as a person writes it: tensors of arrays, and a loss with its gradients by autograd."""

from __future__ import annotations

from xentcheck_adapters.call import Call
from xentcheck_adapters.recipe import Keywords, LossText, Recipe, is_bfloat16, refuse_procedures

FUNCTIONAL = "import torch.nn.functional as F"


_PROCEDURES = (
    "reverse",
    "twice",
    "no-grad",
    "strided upstream",
    "overwritten logits",
    "overwritten labels",
    "freed",
    "compiled",
)


def tensor(name: str, call: Call) -> str:
    """The call's array of that name as a tensor over its own memory, as far as NumPy has its dtype."""
    return f"torch.from_numpy({name})" + (".bfloat16()" if is_bfloat16(getattr(call, name)) else "")


def cotangent(call: Call) -> str:
    """The upstream gradient of `loss`."""
    return "torch.ones_like(loss)" if call.upstream is None else f"{tensor('upstream', call)}.to(loss.dtype)"


def inputs(call: Call) -> str:
    """The line that binds `x` and `y`."""
    wanted = ".requires_grad_()"
    return f"x, y = {tensor('logits', call)}{wanted}, {tensor('labels', call)}{wanted if call.want_grad_labels else ''}"


def autograd(loss: LossText) -> Recipe:
    """The loss and what autograd makes of it. Raises NoRecipe for procedures that take more lines."""
    call = loss.call
    refuse_procedures(call, _PROCEDURES)
    wanted, results = ("(x, y)", "grad, grad_labels") if call.want_grad_labels else ("x", "(grad,)")
    upstream, graph = cotangent(call), "" if call.vector is None else ", create_graph=True"
    if call.procedure == "strided upstream":
        upstream = f"torch.stack([{upstream}, torch.full_like(loss, 64.0)], -1)[..., 0]"
    setup, text = list(loss.setup), loss.text
    if call.procedure == "compiled":
        setup.append(f'compiled = torch.compile(lambda x, y: {text}, backend="aot_eager")')
        text = "compiled(x, y)"
    forward, backward = f"{loss.mode}loss = {text}", f"torch.autograd.grad(loss, {wanted}, {upstream}"
    between = {
        "twice": [f"{backward}, retain_graph=True)"],
        "freed": [f"{backward})"],
        "overwritten logits": ["with torch.no_grad(): x.zero_()"],
        "overwritten labels": ["with torch.no_grad(): y.zero_()"],
    }
    lines = [*setup, inputs(call), forward, *between.get(call.procedure, []), f"{results} = {backward}{graph})"]
    if call.vector is not None:
        lines.append(f"(hvp,) = torch.autograd.grad(grad, x, {tensor('vector', call)})")
    if call.procedure == "no-grad":
        lines += ["with torch.no_grad():", f"    {forward}"]
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
