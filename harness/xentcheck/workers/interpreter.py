"""Other interpreters: what a person names after `@`, and what is installed there."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from xentcheck.installed import spec_of

_OLDEST = "Python 3.9"
# Runs in whatever Python somebody names; imports nothing of what it looks for.
_LOOK = f"""
from __future__ import annotations
import sys
if sys.version_info < (3, 9):
    sys.exit("Python %d.%d" % sys.version_info[:2])
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
{inspect.getsource(spec_of)}
found = [(name, spec_of(name)) for name in sys.argv[1:]]
# one without an origin is a mere folder of that name, as an environment's may be
missing = [name for name, spec in found if spec is None or spec.origin is None]
sys.stdout.write(" ".join(["missing", *missing]))
"""
_SECONDS = 60


class InterpreterError(ValueError):
    """An interpreter in which nothing can run; the message is one line and says what to do."""


def executable(interpreter: str | None) -> str:
    """The absolute path of an interpreter, given as a path or as the folder of a virtual environment; the harness' own
    for None. It is not resolved: a virtual environment's is a link, and is known by its place."""
    if interpreter is None:
        return sys.executable
    path = Path(interpreter).expanduser()
    return os.path.abspath(path / "bin" / "python" if path.is_dir() else path)


def environment(typed: str) -> str:
    """What names an interpreter: the folder of its virtual environment, if it is that one's, or the path as typed.

    Raises InterpreterError if nothing can run there.
    """
    python = executable(typed)
    if not os.path.isfile(python):
        there = f"{typed} holds no bin/python" if Path(typed).expanduser().is_dir() else f"there is no file {typed}"
        raise InterpreterError(f"{there}; after @ goes a Python executable or the folder of a virtual environment")
    if "numpy" in missing_there(typed, ("numpy",)):
        raise InterpreterError(f"{typed} has no NumPy, which every worker needs: {install_command(typed, ['numpy'])}")
    folder, _, name = typed.rpartition("/bin/")
    of_folder = name.startswith("python") and Path(folder).expanduser().joinpath("pyvenv.cfg").is_file()
    return folder if of_folder else typed.rstrip("/")


def missing_there(interpreter: str, modules: tuple[str, ...]) -> tuple[str, ...]:
    """The modules that another interpreter lacks; it imports none to find out. Raises InterpreterError if it does not
    run."""
    return _missing(executable(interpreter), modules)


@cache
def _missing(python: str, modules: tuple[str, ...]) -> tuple[str, ...]:
    try:
        done = subprocess.run([python, "-c", _LOOK, *modules], capture_output=True, text=True, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        cause = getattr(error, "strerror", None) or f"no answer within {_SECONDS} s"
        raise InterpreterError(f"{python} cannot be run as a Python interpreter: {cause}") from None
    if done.returncode or not done.stdout.startswith("missing"):
        told = (done.stderr.strip().splitlines() or ["something else"])[-1]
        raise InterpreterError(f"{python} must be {_OLDEST} or newer, got {told}")
    return tuple(done.stdout.split()[1:])


def install_command(interpreter: str, modules: Sequence[str]) -> str:
    """What to type to get modules into another interpreter."""
    return f"{executable(interpreter)} -m pip install {' '.join(modules)}"
