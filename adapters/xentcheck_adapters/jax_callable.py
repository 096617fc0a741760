"""JAX callables named `jax:MODULE_OR_FILE:QUALNAME`.

    fn(logits, labels, *, axis=-1, weight=None, sample_weight=None, ignore_index=-100, label_smoothing=0.0, z_loss=0.0,
       softcap=None, reduction="mean") -> loss                      # jax.vjp differentiates it

Keyword parameters that a signature lacks are options it does not offer; without `reduction` it returns a loss per row.
The function is called as it is written: what is jitted stays so, and nothing is jitted around it.
"""

from __future__ import annotations

import functools
from typing import Any, Callable

from xentcheck_adapters import jax_autodiff, jax_procedures, jax_recipe, jax_timing
from xentcheck_adapters.call import Call
from xentcheck_adapters.callables import (
    OPTIONS,
    REDUCTION,
    arguments,
    keywords,
    offered_of,
    parameters_of,
    signature_of,
    stranger,
)
from xentcheck_adapters.loading import load
from xentcheck_adapters.outcome import Returned
from xentcheck_adapters.recipe import Keywords, LossText, Recipe, imported
from xentcheck_adapters.subject import ANY_AXIS, Subject
from xentcheck_adapters.workload import Repeat, Workload


def subject_from_spec(spec: str) -> Subject:
    """The subject of `jax:MODULE_OR_FILE:QUALNAME`; ValueError if the spec has another form."""
    return stranger(
        spec,
        adapter="jax_callable",
        framework="jax",
        requires=("jax",),
        procedures=frozenset(jax_procedures.OF_STRANGERS),
        label_dtypes=("int32", "int64"),
        devices=("cpu", "cuda"),
        class_axes=ANY_AXIS,
        retraces=True,
        environment=jax_autodiff.ENVIRONMENT,
        dtype_environment=jax_autodiff.DTYPE_ENVIRONMENT,
    )


def offered_options(subject: str) -> list[str]:
    """The options among the signature's parameters, and the derivatives that JAX can be asked for."""
    return offered_of(_accepted(subject))


def found(subject: str, device: str) -> dict[str, list[str]]:
    """Which arguments it has that say how a call is read and its loss returned."""
    return {"signature": signature_of(_accepted(subject))}


def versions() -> dict[str, str]:
    """Version of jax in the worker."""
    import jax

    return {"jax": jax.__version__}


def open_subject(subject: str, device: str) -> Callable[[Call], Returned]:
    """A runner for the named function; Unavailable without the device, or if it is not found."""
    place = jax_autodiff.open_device(device)
    load(subject)

    def run(call: Call) -> Returned:
        return jax_autodiff.evaluate(jax_autodiff.gradient_step(_loss(subject, call, place)), call, place)

    return run


def timed(subject: str, workload: Workload) -> Repeat:
    """The mean of the named function, as it is written."""
    import jax

    return jax_timing.timed(_loss(subject, workload.call(), jax.devices("cpu")[0]), workload, jit=False)


def _accepted(subject: str) -> frozenset[str]:
    return parameters_of(load(subject), (*OPTIONS, REDUCTION))


def _loss(subject: str, call: Call, device: Any) -> Callable[[Any, Any], Any]:
    """The function of (logits, labels) that a call's options make."""
    import jax

    given = arguments(call, _accepted(subject), lambda array: jax.device_put(array, device))
    return functools.partial(load(subject), **given)


def recipe(subject: Subject, call: Call) -> Recipe:
    """A call of the named function as lines."""
    imports, target = imported(subject.api)
    given = Keywords(keywords(subject, call, jax_recipe.array))
    return jax_recipe.vjp(LossText(f"{target}(x, y{given})", call, imports=imports))
