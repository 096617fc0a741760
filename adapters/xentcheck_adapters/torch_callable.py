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

from xentcheck_adapters import torch_autodiff, torch_cross_entropy, torch_procedures, torch_recipe, torch_timing
from xentcheck_adapters.call import Call
from xentcheck_adapters.callables import (
    CLASS,
    Function,
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
from xentcheck_adapters.subject import Subject
from xentcheck_adapters.workload import Repeat, Workload

# What a function hands on that takes any keyword: the arguments of cross_entropy itself.
_ANY_KEYWORD = ("weight", "ignore_index", "label_smoothing", "reduction")


def subject_from_spec(spec: str) -> Subject:
    """The subject of `torch:MODULE_OR_FILE:QUALNAME`; ValueError if the spec has another form."""
    return stranger(
        spec,
        adapter="torch_callable",
        framework="torch",
        requires=("torch",),
        procedures=frozenset(torch_procedures.PROCEDURES),
        devices=("cpu", "cuda"),
        class_axes=(1, -1),
        environment=torch_cross_entropy.ENVIRONMENT,
    )


versions = torch_cross_entropy.versions


def offered_options(subject: str) -> list[str]:
    """The options among the signature's keyword parameters, and the derivatives that autograd can be asked for."""
    return offered_of(_accepted(subject))


def found(subject: str, device: str) -> dict[str, list[str]]:
    """Which arguments it has that say how a call is read and its loss returned."""
    return {"signature": [*signature_of(_accepted(subject)), *([CLASS] if inspect.isclass(load(subject)) else [])]}


def open_subject(subject: str, device: str) -> Callable[[Call], Returned]:
    """A runner for the named function or module; Unavailable without the device, or if it is not found."""
    place = torch_autodiff.open_device(device)
    load(subject)
    return lambda call: torch_autodiff.evaluate(_loss(subject, call, place), call, place)


def timed(subject: str, workload: Workload) -> Repeat:
    """The mean of the named function or module, as it is written."""
    import torch

    function = _loss(subject, workload.call(), torch.device("cpu"))

    def mean(logits: Any, labels: Any) -> Any:
        loss = function(logits, labels)
        return loss.mean() if loss.ndim else loss

    return torch_timing.timed(mean, workload)


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


def recipe(subject: Subject, call: Call) -> Recipe:
    """A call of the named function as lines, or of the named module."""
    imports, target = imported(subject.api)
    options = str(Keywords(keywords(subject, call, torch_recipe.tensor)))
    text = f"{target}({options[2:]})(x, y)" if CLASS in subject.signature else f"{target}(x, y{options})"
    return torch_recipe.autograd(LossText(text, call, imports=imports))
