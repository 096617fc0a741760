"""What `FLAVOUR:MODULE_OR_FILE:QUALNAME` names, found and imported; what goes wrong on the way is told in one line."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
import sysconfig
import traceback
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from xentcheck_adapters.outcome import Unavailable

_MOST_NAMES = 12
# Not a user's own: importlib, what is installed, and this package.
_FOREIGN = (
    "<frozen",
    *(sysconfig.get_path(kind) for kind in ("stdlib", "platlib", "purelib")),
    str(Path(__file__).parent),
)


def target_of(spec: str) -> str:
    """`MODULE_OR_FILE:QUALNAME` of a spec; ValueError, with the right form, if it has another one."""
    flavour, _, target = spec.partition(":")
    if target.count(":") != 1 or not all(target.split(":")):
        raise ValueError(f"a callable is named {flavour}:MODULE_OR_FILE:FUNCTION, got {spec!r}")
    return target


def missing_file(target: str) -> str | None:
    """Why the file of `FILE:QUALNAME` is not there, and where it was looked for; None if it is, or if none is named."""
    path = Path(target.split(":")[0])
    if path.suffix != ".py" or path.is_file():
        return None
    folder = path.absolute().parent
    if not folder.is_dir():
        return f"there is no file {path.name} in {folder}: there is no such folder"
    close = get_close_matches(path.name, [file.name for file in folder.glob("*.py")], n=1)
    return f"there is no file {path.name} in {folder}{_did_you_mean(close)}"


def folder_and_module(path: Path) -> tuple[Path, str]:
    """The folder that must be in `sys.path`, and the dotted name of a file in it: as pytest has it, the folder is the
    first one upwards that is no package."""
    path = path.resolve()
    folder, names = path.parent, [path.stem]
    while (folder / "__init__.py").is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(names)


@functools.cache
def load(spec: str) -> Any:
    """What a spec names; Unavailable, with what is there, if it is not found or cannot be imported."""
    source, qualname = target_of(spec).split(":")
    target = module = _module_from_file(source) if source.endswith(".py") else _module_from_name(source)
    for part in qualname.split("."):
        if not hasattr(target, part):
            raise Unavailable(f"{source} has no {qualname!r}; {_what_there_is(target, part)}")
        target = getattr(target, part)
    if not callable(target):
        raise Unavailable(f"{qualname!r} of {source} cannot be called: {_what_there_is(module, qualname)}")
    return target


def _module_from_file(source: str) -> Any:
    if missing := missing_file(source):
        raise Unavailable(missing)
    folder, name = folder_and_module(Path(source))
    sys.path.insert(0, str(folder))
    try:
        package = name.rpartition(".")[0]
        if package:
            importlib.import_module(package)
        # Not import_module: another file of that name may have been imported here, or be found before this one.
        spec = importlib.util.spec_from_file_location(name, source)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    except Unavailable:  # it says so itself
        raise
    except Exception as error:  # whatever a user's file raises
        raise Unavailable(_where_and_what(source, error)) from error
    return module


def _module_from_name(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise Unavailable(_where_and_what(name, error)) from error
        part = "" if error.name == name else f" (of {name})"
        raise Unavailable(
            f"there is no module {error.name!r}{part} in {Path.cwd()}, nor in the environment of {sys.executable}"
        ) from error
    except Unavailable:
        raise
    except Exception as error:  # whatever a user's module raises
        raise Unavailable(_where_and_what(name, error)) from error


def _where_and_what(source: str, error: Exception) -> str:
    """File, line and message: the innermost place that is a user's own, or, of an installed module, the first one."""
    message = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}: {type(error).__name__}: {error.msg}"
    places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    own = [place for place in places if not place[0].startswith(_FOREIGN)]
    return f"{own[-1][0]}, line {own[-1][1]}: {message}" if own else f"{source}: {message}"


def _what_there_is(module: Any, wanted: str) -> str:
    """What a module defines that can be called: its own, or, where it has none, what it imports."""
    there = {name: value for name, value in getattr(module, "__dict__", {}).items() if callable(value)}
    names = [name for name in there if not name.startswith("_")]
    own = [name for name in names if getattr(there[name], "__module__", None) == getattr(module, "__name__", "")]
    names = own or names
    close = get_close_matches(wanted, names, n=1)
    if len(names) <= _MOST_NAMES:
        return f"it defines {', '.join(names) or 'nothing'}{_did_you_mean(close)}"
    return f"none of the {len(names)} callables it defines is named so{_did_you_mean(close)}"


def _did_you_mean(close: list[str]) -> str:
    return f" (did you mean {close[0]!r}?)" if close else ""
