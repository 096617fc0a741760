"""Recipes: how a person writes a call of a framework, as lines of Python that need the framework and NumPy only.

The lines begin with the call's arrays under the names of its fields, as NumPy arrays, and end with `loss`, and `grad`
where the subject has gradients; with `grad_labels` and `hvp` where the call asks for them. They bind no other name of a
field, so that they can be run again. bfloat16, which NumPy does not have, comes as float32.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xentcheck_adapters.call import Array, Call
from xentcheck_adapters.dtypes import BFLOAT16
from xentcheck_adapters.loading import folder_and_module


class NoRecipe(Exception):
    """A call that nobody has written as a few lines; says why."""


@dataclass(frozen=True)
class Recipe:
    """
    imports  imports, and settings of the process
    lines    from arrays to results
    """

    imports: tuple[str, ...]
    lines: tuple[str, ...]


@dataclass(frozen=True)
class LossText:
    """A loss as text, beside the call that it is for.

    text     the expression in `x` and `y`, the framework's own logits and labels
    setup    lines before it
    imports  beside the framework's own
    mode     of a framework that compiles: how a whole step is (as its decorator), or "" if it is not
    """

    text: str
    call: Call
    setup: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    mode: str = ""


def refuse_procedures(call: Call, written: tuple[str, ...] = ("reverse",)) -> None:
    """Raises NoRecipe for derivatives that are asked for in another way than the written ones."""
    if call.procedure not in written:
        raise NoRecipe(f"derivatives asked for as {call.procedure!r} take more lines")


@dataclass(frozen=True)
class Keywords:
    """Keyword arguments as text, those that a call does not ask for left out."""

    given: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """ ", name=value" for each."""
        return "".join(f", {name}={value}" for name, value in self.given.items() if value is not None)


def is_bfloat16(array: Array) -> bool:
    """Whether NumPy has no name for the dtype."""
    return bool(array.dtype == BFLOAT16)


def imported(target: str) -> tuple[tuple[str, ...], str]:
    """The lines that import `MODULE_OR_FILE:QUALNAME`, and what it is called then."""
    source, qualname = target.split(":")
    if not source.endswith(".py"):
        return (f"from {source} import {qualname.partition('.')[0]}",), qualname
    folder, module = folder_and_module(Path(source))
    if not all(part.isidentifier() for part in module.split(".")):
        raise NoRecipe(f"{Path(source).name} is no name of a module")
    return (
        f"import sys; sys.path.insert(0, {str(folder)!r})",
        f"from {module} import {qualname.partition('.')[0]}",
    ), qualname
