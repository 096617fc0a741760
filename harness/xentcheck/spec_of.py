"""The spec of a function that somebody has in hand: `FLAVOUR:FILE:QUALNAME`, by which a worker finds it again."""

from __future__ import annotations

import inspect
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from xentcheck_adapters import adapter_module
from xentcheck_adapters.registry import CALLABLES

_NUMPY = "numpy"
_numbers = itertools.count(1)


class NoSpecError(TypeError):
    """A function that no spec names; says why, and what to do."""


def spec_of(function: Any, flavour: str | None = None) -> str:
    """The spec of what is at the top level of a file, or of a class there. Raises NoSpecError."""
    flavour = flavour or flavour_of(function)
    module = _module_of(function)
    file, name = getattr(module, "__file__", None), _name_in(module, function)
    if not file or not name:
        raise NoSpecError(
            f"{_shown(function)} has no import path by which a worker would find it: give it a name at the top level"
            f" of a file, or name it by a string as in '{flavour}:losses.py:NAME', or judge it in this process:"
            " in_process=True"
        )
    path = Path(file).resolve()
    here = Path.cwd()
    return f"{flavour}:{path.relative_to(here) if path.is_relative_to(here) else path}:{name}"


def held_spec(function: Any, flavour: str | None = None) -> str:
    """A spec by which this process finds the very object, and no other one does."""
    name = getattr(function, "__name__", type(function).__name__)
    module = ModuleType(f"in_process_{next(_numbers)}")
    setattr(module, name, function)
    sys.modules[module.__name__] = module
    return f"{flavour or flavour_of(function)}:{module.__name__}:{name}"


def flavour_of(function: Any) -> str:
    """The framework that a function is written for: that of its class, or else the one that it names, or else the one
    that its module imports. Raises NoSpecError if that is none, or one of several."""
    if "grad_output" in _parameters(function):
        return _NUMPY  # the only flavour whose functions are handed an upstream gradient
    frameworks = {_framework(flavour): flavour for flavour in CALLABLES if flavour != _NUMPY}
    for modules in (_classes(function), _named_in_code(function), _globals(function)):
        if found := {frameworks[module] for module in modules if module in frameworks}:
            if len(found) == 1:
                return found.pop()
            break
    else:
        found = set()
    why = f"it may be any of {', '.join(sorted(found))}" if found else "its module imports no framework"
    raise NoSpecError(f"say what {_shown(function)} is written for: {why}; flavour= is one of {', '.join(CALLABLES)}")


def _framework(flavour: str) -> str:
    """The module that a flavour is named after."""
    return str(adapter_module(CALLABLES[flavour]).subject_from_spec(f"{flavour}:m:f").requires[0])


def _classes(function: Any) -> Iterator[str]:
    return (_top(base) for base in (function if inspect.isclass(function) else type(function)).__mro__)


def _named_in_code(function: Any) -> Iterator[str]:
    plain = inspect.unwrap(function)
    code = getattr(plain, "__code__", None)
    there = getattr(plain, "__globals__", {})
    return (_top(there[name]) for name in (_names(code) if code else ()) if name in there)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _globals(function: Any) -> Iterator[str]:
    module = _module_of(function)
    return map(_top, list(vars(module).values()) if module else [])


def _module_of(function: Any) -> ModuleType | None:
    return sys.modules.get(str(getattr(function, "__module__", None)))


def _top(value: Any) -> str:
    """The package that a module is, or that anything else is from."""
    name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    return str(name).partition(".")[0]


def _parameters(function: Any) -> tuple[str, ...]:
    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # some that are written in C have none
        return ()


def _name_in(module: ModuleType | None, function: Any) -> str | None:
    """By which a module knows an object: its own name, or another one, as of what a decorator made."""
    if module is None:
        return None
    target: Any = module
    qualname = str(getattr(function, "__qualname__", ""))
    for part in qualname.split("."):
        target = getattr(target, part, None)
    if target is function:
        return qualname
    return next((name for name, value in vars(module).items() if value is function), None)


def _shown(function: Any) -> str:
    return str(getattr(function, "__qualname__", None) or repr(function))
