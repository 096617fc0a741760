"""Callables of a user's own, named `FLAVOUR:MODULE_OR_FILE:QUALNAME`: what the flavours share.

Nobody described them. What they offer is read off their signature, and, where a signature cannot tell, off one harmless
call each when they are opened; what they are held to is the loosest that an honest function may need.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import sys
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Callable

import numpy as np

from xentcheck_adapters.call import REDUCTIONS, Array, Call
from xentcheck_adapters.outcome import Unavailable
from xentcheck_adapters.subject import Precision

Function = Callable[..., Any]

OPTIONS = ("weight", "sample_weight", "ignore_index", "label_smoothing", "z_loss", "softcap")
PRECISION = {
    "float16": Precision("uniform", "lane", 4, offset=True),
    "bfloat16": Precision("uniform", "lane", 4, offset=True),
    "float32": Precision("stored", "lane", 4, offset=True),
    "float64": Precision("stored", "lane", 4, offset=True),
}
_MOST_NAMES = 12
# As many rows and classes as no broadcast takes for one another; more positions than classes, so that labels of the
# positions are no index along them.
_ROWS, _CLASSES, _POSITIONS = 2, 3, 4


def target_of(spec: str) -> str:
    """`MODULE_OR_FILE:QUALNAME` of a spec; ValueError, with the right form, if it has another one."""
    flavour, _, target = spec.partition(":")
    if target.count(":") != 1 or not all(target.split(":")):
        raise ValueError(f"a callable is named {flavour}:MODULE_OR_FILE:FUNCTION, got {spec!r}")
    return target


@functools.cache
def load(spec: str) -> Any:
    """What a spec names; Unavailable, with what is there, if it is not found."""
    source, qualname = target_of(spec).split(":")
    target: Any = _module_from_file(Path(source)) if source.endswith(".py") else importlib.import_module(source)
    for part in qualname.split("."):
        if not hasattr(target, part):
            raise Unavailable(f"{source} has no {qualname!r}; {_what_there_is(target, part)}")
        target = getattr(target, part)
    return target


def _module_from_file(path: Path) -> Any:
    if not path.is_file():
        raise Unavailable(f"there is no file {path}")
    sys.path.insert(0, str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _what_there_is(module: Any, wanted: str) -> str:
    names = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
    if len(names) <= _MOST_NAMES:
        return f"it defines {', '.join(names) or 'nothing'}"
    close = get_close_matches(wanted, names)
    return f"it defines {', '.join(close)}" if close else f"none of the {len(names)} callables it defines is named so"


def parameters_of(function: Function, any_keyword: tuple[str, ...]) -> frozenset[str]:
    """The names of a function's parameters; those of `any_keyword` too if it takes any."""
    parameters = inspect.signature(function).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    return frozenset(parameters).union(any_keyword if takes_any else ())


def arguments(call: Call, accepted: frozenset[str], convert: Callable[[Array], Any]) -> dict[str, Any]:
    """The options of a call among the accepted ones, by name, arrays converted; None or 0 where the call has none."""
    given: dict[str, Any] = {
        "weight": None if call.weight is None else convert(call.weight),
        "sample_weight": None if call.sample_weight is None else convert(call.sample_weight),
        "label_smoothing": call.label_smoothing,
        "z_loss": call.z_loss,
        "softcap": call.softcap,
        "reduction": call.reduction,
    }
    if call.ignore_index is not None:
        given["ignore_index"] = call.ignore_index
    return {name: value for name, value in given.items() if name in accepted}


def probe(
    spec: str, ask: Callable[[Call], Array], accepted: frozenset[str], class_axes: tuple[int, ...]
) -> dict[str, list[Any]]:
    """Which kinds of labels, reductions and places of the class axis a function takes, by the names of the fields of a
    Subject: those with which a call on equal logits gives a loss for each row.

    ask         loss of a call, an exception if the function raises one
    class_axes  places that are tried, of which the first that answers is taken
    Raises Unavailable if no kind of labels is answered, and if a function that does not reduce by argument does.
    """
    rows = rows_of_equal_logits()
    kinds = {"index": replace(rows, labels=np.arange(_ROWS)), "dense": rows}
    shapes = {kind: _shape_or_refusal(ask, call) for kind, call in kinds.items()}
    answered = [kind for kind, shape in shapes.items() if isinstance(shape, tuple)]
    if not answered:
        raise Unavailable(f"{spec} takes neither class indices ({shapes['index']}) nor rows ({shapes['dense']})")
    per_row = [kind for kind in answered if shapes[kind] == (_ROWS,)]
    if not per_row and "reduction" not in accepted:
        raise Unavailable(
            f"{spec} gave {_ROWS} rows a loss of shape {shapes[answered[0]]}; without a keyword argument reduction, "
            "expected one loss per row"
        )
    labels = per_row or answered  # a wrong shape, whatever is asked for, is for the clauses to tell
    axes = [axis for axis in class_axes if _shape_or_refusal(ask, _positioned(labels[0], axis)) == (_ROWS, _POSITIONS)]
    return {
        "labels": labels,
        "reductions": list(REDUCTIONS) if "reduction" in accepted else ["none"],
        "class_axes": axes[:1],
    }


def rows_of_equal_logits() -> Call:
    """The harmless call: every softmax is uniform, and so are the labels, which are rows."""
    logits = np.zeros((_ROWS, _CLASSES), np.float32)
    return Call(logits, np.full_like(logits, 1 / _CLASSES))


def _shape_or_refusal(ask: Callable[[Call], Array], call: Call) -> tuple[int, ...] | str:
    try:
        return tuple(ask(call).shape)
    except Exception as error:  # whatever a user's function raises
        first_line = (str(error).splitlines() or [""])[0]
        return f"{type(error).__name__}: {first_line}"


def _positioned(kind: str, class_axis: int) -> Call:
    shape = [_ROWS, _POSITIONS]
    labels: Array = np.zeros(shape, np.int64)
    shape.insert(class_axis % 3, _CLASSES)
    logits = np.zeros(shape, np.float32)
    return Call(logits, labels if kind == "index" else np.full_like(logits, 1 / _CLASSES), class_axis=class_axis)
