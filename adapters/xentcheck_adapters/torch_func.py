"""torch.func: cross_entropy differentiated by `vjp`, and row by row by `vmap`, as for per-sample gradients."""

from __future__ import annotations

from typing import Any, Callable

from xentcheck_adapters import torch_autodiff, torch_cross_entropy, torch_recipe
from xentcheck_adapters.call import REDUCTIONS, Call
from xentcheck_adapters.outcome import Returned
from xentcheck_adapters.recipe import Recipe, refuse_procedures
from xentcheck_adapters.subject import Subject

_OPTIONS = ("weight", "ignore_index", "label_smoothing", "grad_labels", "hvp")


def _subject(name: str, api: str, **details: Any) -> Subject:
    return Subject(
        name=f"torch.func.{name}",
        adapter="torch_func",
        framework="torch",
        api=api,
        mode="eager",
        requires=("torch",),
        labels=("index", "dense"),
        precision=torch_cross_entropy.EAGER,
        options=frozenset(_OPTIONS),
        devices=("cpu", "cuda"),
        variant_of="torch.eager",
        environment=torch_cross_entropy.ENVIRONMENT,
        **details,
    )


SUBJECTS = (
    _subject(
        "vjp",
        "torch.func.vjp(cross_entropy)",
        reductions=REDUCTIONS,
        mean_divides_by={"index": "weights", "dense": "rows"},
        class_axes=(1,),
    ),
    # A function of one row has no batch to reduce.
    _subject("vmap", "torch.func.vmap(vjp(cross_entropy of one row))"),
)

versions = torch_cross_entropy.versions


def offered_options(subject: str) -> list[str]:
    """The optional arguments of cross_entropy, and its derivatives."""
    return list(_OPTIONS)


def open_subject(subject: str, device: str) -> Callable[[Call], Returned]:
    """A runner for "torch.func.vjp" or "torch.func.vmap"; Unavailable without the device."""
    import torch

    place = torch_autodiff.open_device(device)
    per_row = subject.endswith(".vmap")

    def run(call: Call) -> Returned:
        step = _step(torch_cross_entropy.arguments(call, place), call.want_grad_labels)
        step = torch.func.vmap(step) if per_row else step
        logits, labels = (torch_autodiff.to_tensor(array, place) for array in (call.logits, call.labels))
        cotangent = torch_autodiff.to_tensor(call.cotangent(), place)
        hvp = None
        if call.vector is None:
            loss, gradients = step(logits, labels, cotangent)
        else:
            vector = torch_autodiff.to_tensor(call.vector, place)
            (loss, gradients), (_, (hvp, *_)) = torch.func.jvp(
                lambda x: step(x, labels, cotangent), (logits,), (vector,)
            )
        arrays = [torch_autodiff.to_array(tensor) for tensor in (loss, *gradients)]
        return Returned(
            arrays[0],
            arrays[1],
            arrays[2] if call.want_grad_labels else None,
            None if hvp is None else torch_autodiff.to_array(hvp),
        )

    return run


def _step(arguments: dict[str, Any], want_grad_labels: bool) -> Callable[[Any, Any, Any], Any]:
    """A step from logits, labels and the loss' upstream gradient to the loss and a tuple of its gradients."""
    import torch

    def loss_of(logits: Any, labels: Any) -> Any:
        return torch.nn.functional.cross_entropy(logits, labels, **arguments)

    def step(logits: Any, labels: Any, cotangent: Any) -> Any:
        if want_grad_labels:
            loss, pull_back = torch.func.vjp(loss_of, logits, labels)
        else:
            loss, pull_back = torch.func.vjp(lambda x: loss_of(x, labels), logits)
        return loss, pull_back(cotangent.to(loss.dtype))

    return step


def recipe(subject: Subject, call: Call) -> Recipe:
    """A call of "torch.func.vjp" or "torch.func.vmap" as lines."""
    refuse_procedures(call)
    function, at = ("lambda x, y", "x, y") if call.want_grad_labels else ("lambda x", "x")
    loss = f"F.cross_entropy(x, y{torch_recipe.keywords(call)})"
    lines = [
        "def step(x, y, upstream):",
        f"    loss, pull_back = torch.func.vjp({function}: {loss}, {at})",
        "    return loss, *pull_back(upstream)",
    ]
    step = "torch.func.vmap(step)" if subject.name.endswith(".vmap") else "step"
    results = "loss, grad, grad_labels" if call.want_grad_labels else "loss, grad"
    shape = call.logits.shape[:1] if call.reduction == "none" else ()
    ones = f"torch.ones({shape}, dtype=x.dtype)"
    upstream = ones if call.upstream is None else "torch.tensor(upstream).to(x.dtype)"
    lines += [
        f"x, y = {torch_recipe.tensor('logits', call)}, {torch_recipe.tensor('labels', call)}",
        f"{results} = {step}(x, y, {upstream})",
    ]
    if call.vector is not None:
        gradient = f"lambda x: {step}(x, y, {upstream})[1]"
        lines.append(f"hvp = torch.func.jvp({gradient}, (x,), ({torch_recipe.tensor('vector', call)},))[1]")
    return Recipe(("import torch", torch_recipe.FUNCTIONAL), tuple(lines))
