"""The local kernels as a loss of PyTorch: xentcheck_kernels.torch_loss, a custom operator with autograd."""

from __future__ import annotations

from typing import Any, Callable

from xentcheck_adapters import kernels_cpu, torch_autodiff, torch_cross_entropy, torch_recipe, torch_timing
from xentcheck_adapters.call import Call
from xentcheck_adapters.outcome import Returned
from xentcheck_adapters.recipe import LossText, Recipe
from xentcheck_adapters.subject import Subject
from xentcheck_adapters.workload import Repeat, Workload

# An operator of its own has no rule for torch.func, and its gradient none for a second derivative.
_PROCEDURES = (
    "twice",
    "no-grad",
    "inference mode",
    "constant logits",
    "strided upstream",
    "expanded upstream",
    "overwritten logits",
    "overwritten labels",
    "behind relu",
    "overwritten loss",
    "interleaved",
    "freed",
    "accumulated",
    "compiled",
)

SUBJECTS = (
    kernels_cpu.described(
        "torch",
        "kernels_torch",
        "portable",  # on every processor: the door is judged here, and its bits should not depend on where
        torch_cross_entropy.ENVIRONMENT,
        api="xentcheck_kernels.torch_loss.cross_entropy",
        requires=("torch", "xentcheck_kernels", "xentcheck_kernels._cpu"),
        procedures=frozenset(_PROCEDURES),
    ),
)

offered_options = kernels_cpu.offered_options


def versions() -> dict[str, str]:
    """Versions of the kernels and torch."""
    return {**kernels_cpu.versions(), **torch_cross_entropy.versions()}


def open_subject(subject: str, device: str) -> Callable[[Call], Returned]:
    """A runner for "kernels.torch"."""
    from xentcheck_kernels.torch_loss import cross_entropy

    place = torch_autodiff.open_device(device)

    def run(call: Call) -> Returned:
        given: dict[str, Any] = {**torch_cross_entropy.arguments(call, place), "z_loss": call.z_loss}
        return torch_autodiff.evaluate(lambda logits, labels: cross_entropy(logits, labels, **given), call, place)

    return run


def timed(subject: str, workload: Workload) -> Repeat:
    """The loss, with autograd where the gradient is asked for, by the rows that everybody gets."""
    kernels_cpu.choose_freely()
    from xentcheck_kernels.torch_loss import cross_entropy

    return torch_timing.timed(cross_entropy, workload)


def recipe(subject: Subject, call: Call) -> Recipe:
    """A call of "kernels.torch" as lines."""
    text = f"cross_entropy(x, y{kernels_cpu.keywords(subject, call, torch_recipe.tensor)})"
    imports = (
        *kernels_cpu.forced(subject),
        "from xentcheck_kernels.torch_loss import cross_entropy",
    )
    return torch_recipe.autograd(LossText(text, call, imports=imports))
