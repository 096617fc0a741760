"""Callables of a user's own, named `FLAVOUR:MODULE_OR_FILE:QUALNAME`: what the flavours share.

Nobody described them. What they offer is read off their signature, and, where a signature cannot tell, off a few
harmless calls (which the harness makes); what they are held to is the loosest that an honest function may need.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, Callable

from xentcheck_adapters.call import REDUCTIONS, Array, Call
from xentcheck_adapters.loading import target_of
from xentcheck_adapters.subject import Precision, Subject

Function = Callable[..., Any]

OPTIONS = ("weight", "sample_weight", "ignore_index", "label_smoothing", "z_loss", "softcap")
AXIS, REDUCTION = "axis", "reduction"
CLASS = "class"  # in a signature: what is named is made first and called then; no argument has this name
DERIVATIVES = ("hvp", "grad_labels")  # what a framework that differentiates can be asked for beside the gradient
PRECISION = {
    "float16": Precision("uniform", "lane", 4, offset=True),
    "bfloat16": Precision("uniform", "lane", 4, offset=True),
    "float32": Precision("stored", "lane", 4, offset=True),
    "float64": Precision("stored", "lane", 4, offset=True),
}


def stranger(spec: str, *, adapter: str, framework: str, requires: tuple[str, ...], **fields: Any) -> Subject:
    """The subject of a spec, as far as its flavour tells: every option, of which its signature may lack some.
    ValueError if the spec has another form.

    fields  further fields of the Subject, and those that its flavour has otherwise
    """
    described: dict[str, Any] = {
        "labels": ("index", "dense"),
        "precision": PRECISION,
        "options": frozenset({*OPTIONS, *DERIVATIVES}),
        "reductions": REDUCTIONS,
        "mean_divides_by": {"index": "weights", "dense": "sample_weights"},
        "described": False,
        "zero_times_inf": "any",
        "empty_mean": None,
        **fields,
    }
    return Subject(
        name=spec,
        adapter=adapter,
        framework=framework,
        api=target_of(spec),
        mode="eager",
        requires=requires,
        **described,
    )


def parameters_of(function: Function, any_keyword: Iterable[str]) -> frozenset[str]:
    """The names of a function's parameters; those of `any_keyword` too if it takes any."""
    parameters = inspect.signature(function).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    return frozenset(parameters).union(any_keyword if takes_any else ())


def offered_of(accepted: frozenset[str], derivatives: Iterable[str] = DERIVATIVES) -> list[str]:
    """The options among the accepted arguments, and the derivatives that the framework can be asked for."""
    return [*(name for name in OPTIONS if name in accepted), *derivatives]


def signature_of(accepted: frozenset[str], *further: str) -> list[str]:
    """Which of the arguments that say how a call is read and its loss returned are among the accepted ones."""
    return [name for name in (AXIS, REDUCTION, *further) if name in accepted]


def keywords(subject: Subject, call: Call, write: Callable[[str, Call], str]) -> dict[str, Any]:
    """The arguments of a call for a recipe, by name; None where it does not ask for one, or has nothing to tell.

    write  the text of the call's array of that name
    """
    tells = call.positions or call.class_axis != -1
    return {
        **{name: write(name, call) for name in ("weight", "sample_weight") if getattr(call, name) is not None},
        AXIS: call.class_axis if tells and AXIS in subject.signature else None,
        "ignore_index": call.ignore_index,
        "label_smoothing": call.label_smoothing or None,
        "z_loss": call.z_loss or None,
        "softcap": call.softcap,
        REDUCTION: repr(call.reduction) if REDUCTION in subject.signature else None,
    }


def arguments(call: Call, accepted: frozenset[str], convert: Callable[[Array], Any]) -> dict[str, Any]:
    """The arguments of a call among the accepted ones, by name, arrays converted; None or 0 where the call has none."""
    given: dict[str, Any] = {
        "weight": None if call.weight is None else convert(call.weight),
        "sample_weight": None if call.sample_weight is None else convert(call.sample_weight),
        "label_smoothing": call.label_smoothing,
        "z_loss": call.z_loss,
        "softcap": call.softcap,
        REDUCTION: call.reduction,
        AXIS: call.class_axis,
    }
    if call.ignore_index is not None:
        given["ignore_index"] = call.ignore_index
    return {name: value for name, value in given.items() if name in accepted}
