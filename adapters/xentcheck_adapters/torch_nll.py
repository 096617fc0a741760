"""nll_loss of log_softmax, as models that end in log_softmax call it."""

from __future__ import annotations

from typing import Any, Callable

from xentcheck_adapters import torch_autodiff, torch_cross_entropy, torch_recipe
from xentcheck_adapters.call import REDUCTIONS, Call
from xentcheck_adapters.outcome import Returned
from xentcheck_adapters.recipe import LossText, Recipe
from xentcheck_adapters.subject import Subject

_OPTIONS = ("weight", "ignore_index", "hvp")

SUBJECTS = (
    Subject(
        name="torch.nll.eager",
        adapter="torch_nll",
        framework="torch",
        api="torch.nn.functional.nll_loss(log_softmax(logits))",
        mode="eager",
        requires=("torch",),
        labels=("index",),
        precision=torch_cross_entropy.EAGER,
        options=frozenset(_OPTIONS),
        reductions=REDUCTIONS,
        devices=("cpu", "cuda"),
        variant_of="torch.eager",
        mean_divides_by={"index": "weights"},
        class_axes=(1,),
        environment=torch_cross_entropy.ENVIRONMENT,
    ),
)

versions = torch_cross_entropy.versions


def offered_options(subject: str) -> list[str]:
    """The optional arguments of nll_loss, and its second derivative."""
    return list(_OPTIONS)


def open_subject(subject: str, device: str) -> Callable[[Call], Returned]:
    """A runner for "torch.nll.eager"; Unavailable without the device."""
    place = torch_autodiff.open_device(device)

    def run(call: Call) -> Returned:
        given = torch_cross_entropy.arguments(call, place)
        return torch_autodiff.evaluate(lambda logits, labels: nll_of_log_softmax(logits, labels, **given), call, place)

    return run


def nll_of_log_softmax(logits: Any, labels: Any, **arguments: Any) -> Any:
    """The composition, with the classes where nll_loss expects them: second, or alone."""
    import torch.nn.functional as F

    return F.nll_loss(F.log_softmax(logits, dim=min(1, logits.dim() - 1)), labels, **arguments)


def recipe(subject: Subject, call: Call) -> Recipe:
    """A call of "torch.nll.eager" as lines."""
    return torch_recipe.autograd(LossText(text(call), call, imports=(torch_recipe.FUNCTIONAL,)))


def text(call: Call) -> str:
    """The composition in `x` and `y`."""
    classes = min(1, call.logits.ndim - 1)
    return f"F.nll_loss(F.log_softmax(x, dim={classes}), y{torch_recipe.keywords(call)})"
