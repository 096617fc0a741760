"""PyTorch callables named `torch:MODULE_OR_FILE:QUALNAME`: functions called as torch.nn.functional.cross_entropy is, or
modules made and called as torch.nn.CrossEntropyLoss is.

    fn(input, target, *, weight=None, sample_weight=None, ignore_index=-100, label_smoothing=0.0, z_loss=0.0,
       softcap=None, reduction="mean") -> loss                      # autograd differentiates it
    Module(the same options)(input, target) -> loss

Keyword parameters that a signature lacks are options it does not offer; without `reduction` it returns a loss per row.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any, Callable

from xentcheck_adapters import torch_autodiff, torch_cross_entropy, torch_procedures, torch_recipe
from xentcheck_adapters.call import REDUCTIONS, Array, Call
from xentcheck_adapters.callables import (
    OPTIONS,
    PRECISION,
    Function,
    arguments,
    load,
    parameters_of,
    probe,
    rows_of_equal_logits,
    target_of,
)
from xentcheck_adapters.outcome import Returned
from xentcheck_adapters.recipe import Keywords, LossText, Recipe, imported
from xentcheck_adapters.subject import Subject

# What a function hands on that takes any keyword: the arguments of cross_entropy itself.
_ANY_KEYWORD = ("weight", "ignore_index", "label_smoothing", "reduction")
_CLASS_AXES = (1, -1)


def subject_from_spec(spec: str) -> Subject:
    """The subject of `torch:MODULE_OR_FILE:QUALNAME`; ValueError if the spec has another form."""
    return Subject(
        name=spec,
        adapter="torch_callable",
        framework="torch",
        api=target_of(spec),
        mode="eager",
        requires=("torch",),
        labels=("index", "dense"),
        precision=PRECISION,
        options=frozenset({*OPTIONS, "hvp", "grad_labels"}),
        procedures=frozenset(torch_procedures.PROCEDURES),
        reductions=REDUCTIONS,
        devices=("cpu", "cuda"),
        mean_divides_by={"index": "weights", "dense": "sample_weights"},
        class_axes=_CLASS_AXES,
        described=False,
        zero_times_inf="any",
        empty_mean=None,
        environment=torch_cross_entropy.ENVIRONMENT,
    )


versions = torch_cross_entropy.versions


def offered_options(subject: str) -> list[str]:
    """The options among the signature's keyword parameters, and the derivatives that autograd can be asked for."""
    return [*(name for name in OPTIONS if name in _accepted(subject)), "hvp", "grad_labels"]


def found(subject: str, device: str) -> dict[str, list[Any]]:
    """What one call each tells of the labels, the reductions and the class axis; and the options without the gradient
    to the labels, if the loss has none."""
    place = torch_autodiff.open_device(device)

    def ask(call: Call) -> Array:
        logits, labels = (torch_autodiff.to_tensor(array, place) for array in (call.logits, call.labels))
        return torch_autodiff.to_array(_loss(subject, call, place)(logits.requires_grad_(), labels))

    taken = probe(subject, ask, _accepted(subject), _CLASS_AXES)
    if "dense" not in taken["labels"] or not _has_label_gradient(subject, place):
        taken["options"] = [name for name in offered_options(subject) if name != "grad_labels"]
    return taken


def open_subject(subject: str, device: str) -> Callable[[Call], Returned]:
    """A runner for the named function or module; Unavailable without the device, or if it is not found."""
    place = torch_autodiff.open_device(device)
    load(subject)
    return lambda call: torch_autodiff.evaluate(_loss(subject, call, place), call, place)


def _accepted(subject: str) -> frozenset[str]:
    import torch

    target = load(subject)
    if isinstance(target, torch.nn.Module):
        return frozenset()  # its options are what it was made with
    return parameters_of(target, _ANY_KEYWORD)


def _loss(subject: str, call: Call, device: Any) -> Callable[[Any, Any], Any]:
    """The function of (logits, labels) that a call's options make."""
    import torch

    target: Function = load(subject)
    given = arguments(call, _accepted(subject), lambda array: torch_autodiff.to_tensor(array, device))
    if not inspect.isclass(target):
        return functools.partial(target, **given)
    made: Any = target(**given)
    return made.to(device) if isinstance(made, torch.nn.Module) else made  # type: ignore[no-any-return]


def _has_label_gradient(subject: str, device: Any) -> bool:
    """Whether autograd leads from the loss to labels that are rows."""
    import torch

    call = rows_of_equal_logits()
    logits, labels = (torch_autodiff.to_tensor(array, device).requires_grad_() for array in (call.logits, call.labels))
    try:
        torch.autograd.grad(_loss(subject, call, device)(logits, labels).sum(), labels)
    except RuntimeError:  # autograd's own, of a loss that does not depend on them
        return False
    return True


def recipe(subject: Subject, call: Call) -> Recipe:
    """A call of the named function as lines, or of the named module, which by custom has a capital letter."""
    imports, target = imported(target_of(subject.name))
    arrays = {name: torch_recipe.tensor(name, call) for name in ("sample_weight",) if call.sample_weight is not None}
    given = {**torch_recipe.keywords(call).given, **arrays, "z_loss": call.z_loss or None, "softcap": call.softcap}
    if subject.reductions == ("none",):
        given.pop("reduction")  # it has no such argument
    options = str(Keywords(given))
    is_module = target.rpartition(".")[2][0].isupper()
    text = f"{target}({options[2:]})(x, y)" if is_module else f"{target}(x, y{options})"
    return torch_recipe.autograd(LossText(text, call, imports=imports))
