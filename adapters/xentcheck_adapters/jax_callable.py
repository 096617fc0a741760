"""JAX callables named `jax:MODULE_OR_FILE:QUALNAME`.

    fn(logits, labels, *, axis=-1, weight=None, sample_weight=None, ignore_index=-100, label_smoothing=0.0, z_loss=0.0,
       softcap=None, reduction="mean") -> loss                      # jax.vjp differentiates it

Keyword parameters that a signature lacks are options it does not offer; without `reduction` it returns a loss per row.
The function is called as it is written: what is jitted stays so, and nothing is jitted around it.
"""

from __future__ import annotations

import functools
from typing import Any, Callable

import numpy as np

from xentcheck_adapters import jax_autodiff, jax_procedures, jax_recipe
from xentcheck_adapters.call import REDUCTIONS, Array, Call
from xentcheck_adapters.callables import (
    OPTIONS,
    PRECISION,
    arguments,
    load,
    parameters_of,
    probe,
    rows_of_equal_logits,
    target_of,
)
from xentcheck_adapters.outcome import Returned
from xentcheck_adapters.recipe import Keywords, LossText, Recipe, imported
from xentcheck_adapters.subject import ANY_AXIS, Subject

_AXIS = "axis"
_WEIGHTS = ("weight", "sample_weight")


def subject_from_spec(spec: str) -> Subject:
    """The subject of `jax:MODULE_OR_FILE:QUALNAME`; ValueError if the spec has another form."""
    return Subject(
        name=spec,
        adapter="jax_callable",
        framework="jax",
        api=target_of(spec),
        mode="eager",
        requires=("jax",),
        labels=("index", "dense"),
        precision=PRECISION,
        options=frozenset({*OPTIONS, "hvp", "grad_labels"}),
        procedures=frozenset(jax_procedures.OF_STRANGERS),
        reductions=REDUCTIONS,
        label_dtypes=("int32", "int64"),
        devices=("cpu", "cuda"),
        mean_divides_by={"index": "weights", "dense": "sample_weights"},
        class_axes=ANY_AXIS,
        described=False,
        zero_times_inf="any",
        empty_mean=None,
        retraces=True,
        environment=jax_autodiff.ENVIRONMENT,
        dtype_environment=jax_autodiff.DTYPE_ENVIRONMENT,
    )


def offered_options(subject: str) -> list[str]:
    """The options among the signature's parameters, and the derivatives that JAX can be asked for."""
    return [*(name for name in OPTIONS if name in _accepted(subject)), "hvp", "grad_labels"]


def versions() -> dict[str, str]:
    """Version of jax in the worker."""
    import jax

    return {"jax": jax.__version__}


def found(subject: str, device: str) -> dict[str, list[Any]]:
    """What one call each tells of the labels, the reductions and the class axis; and the options without the gradient
    to the labels, if it is zero where it cannot be."""
    place = jax_autodiff.open_device(device)

    def ask(call: Call) -> Array:
        return jax_autodiff.evaluate(lambda x, y, *_: {"loss": _loss(subject, call, place)(x, y)}, call, place).loss

    taken = probe(subject, ask, _accepted(subject), ANY_AXIS[:1])
    if _AXIS in _accepted(subject) and taken["class_axes"]:
        taken["class_axes"] = list(ANY_AXIS)
    if "dense" not in taken["labels"] or not _has_label_gradient(subject, place):
        taken["options"] = [name for name in offered_options(subject) if name != "grad_labels"]
    return taken


def open_subject(subject: str, device: str) -> Callable[[Call], Returned]:
    """A runner for the named function; Unavailable without the device, or if it is not found."""
    place = jax_autodiff.open_device(device)
    load(subject)

    def run(call: Call) -> Returned:
        return jax_autodiff.evaluate(jax_autodiff.gradient_step(_loss(subject, call, place)), call, place)

    return run


def _accepted(subject: str) -> frozenset[str]:
    return parameters_of(load(subject), (*OPTIONS, "reduction"))


def _loss(subject: str, call: Call, device: Any) -> Callable[[Any, Any], Any]:
    """The function of (logits, labels) that a call's options make."""
    import jax

    accepted = _accepted(subject)
    given = arguments(call, accepted, lambda array: jax.device_put(array, device))
    axis = {_AXIS: call.class_axis} if _AXIS in accepted else {}
    return functools.partial(load(subject), **axis, **given)


def _has_label_gradient(subject: str, device: Any) -> bool:
    """Whether the gradient to labels that are rows is another one than zero, which stands for none in JAX."""
    import jax

    call = rows_of_equal_logits()
    loss = _loss(subject, call, device)
    gradient = jax.grad(lambda labels: loss(jax.device_put(call.logits, device), labels).sum())(call.labels)
    return bool(np.asarray(gradient).any())


def recipe(subject: Subject, call: Call) -> Recipe:
    """A call of the named function as lines."""
    imports, target = imported(target_of(subject.name))
    arrays = {name: None if getattr(call, name) is None else jax_recipe.array(name, call) for name in _WEIGHTS}
    given = {
        **arrays,
        "axis": None if call.class_axis == -1 else call.class_axis,
        "ignore_index": call.ignore_index,
        "label_smoothing": call.label_smoothing or None,
        "z_loss": call.z_loss or None,
        "softcap": call.softcap,
        "reduction": None if subject.reductions == ("none",) else f'"{call.reduction}"',
    }
    return jax_recipe.vjp(LossText(f"{target}(x, y{Keywords(given)})", call, imports=imports))
