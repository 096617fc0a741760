"""The local kernels as a loss of JAX: xentcheck_kernels.jax_loss, a foreign function with a custom gradient."""

from __future__ import annotations

import functools
from typing import Any, Callable

from xentcheck_adapters import jax_autodiff, jax_recipe, jax_timing, kernels_cpu
from xentcheck_adapters.call import Call
from xentcheck_adapters.outcome import Returned
from xentcheck_adapters.recipe import LossText, Recipe
from xentcheck_adapters.subject import Subject
from xentcheck_adapters.workload import Repeat, Workload

SUBJECTS = (
    kernels_cpu.described(
        "jax",
        "kernels_jax",
        "portable",  # on every processor: the door is judged here, and its bits should not depend on where
        jax_autodiff.ENVIRONMENT,
        api="xentcheck_kernels.jax_loss.cross_entropy",
        requires=("jax", "xentcheck_kernels", "xentcheck_kernels._cpu"),
        procedures=frozenset({"twice", "no-grad", "per-sample", "compiled"}),
        retraces=True,
        dtype_environment=jax_autodiff.DTYPE_ENVIRONMENT,
    ),
)

offered_options = kernels_cpu.offered_options


def versions() -> dict[str, str]:
    """Versions of the kernels and jax."""
    import jax

    return {**kernels_cpu.versions(), "jax": jax.__version__}


def open_subject(subject: str, device: str) -> Callable[[Call], Returned]:
    """A runner for "kernels.jax"; Unavailable without the device."""
    from xentcheck_kernels.jax_loss import cross_entropy

    return runner(cross_entropy, device)


def runner(cross_entropy: Callable[..., Any], device: str) -> Callable[[Call], Returned]:
    """A runner for a loss of the kernels' signature; Unavailable without the device."""
    place = jax_autodiff.open_device(device)

    def run(call: Call) -> Returned:
        given = {name: value for name, value in kernels_cpu.arguments(call).items() if name != "grad_output"}
        step = jax_autodiff.gradient_step(functools.partial(cross_entropy, **given))
        return jax_autodiff.evaluate(step, call, place)

    return run


def timed(subject: str, workload: Workload) -> Repeat:
    """The loss, and its gradient, as one compiled step, by the rows that everybody gets."""
    kernels_cpu.choose_freely()
    from xentcheck_kernels.jax_loss import cross_entropy

    return jax_timing.timed(cross_entropy, workload, jit=True)


def recipe(subject: Subject, call: Call) -> Recipe:
    """A call of "kernels.jax" as lines."""
    imports = (*kernels_cpu.forced(subject), "from xentcheck_kernels.jax_loss import cross_entropy")
    return written(subject, call, imports)


def written(subject: Subject, call: Call, imports: tuple[str, ...]) -> Recipe:
    """A call of a loss of the kernels' signature, imported as `cross_entropy`, as lines."""
    text = f"cross_entropy(x, y{kernels_cpu.keywords(subject, call, jax_recipe.array)})"
    return jax_recipe.vjp(LossText(text, call, imports=imports))
