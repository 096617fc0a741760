"""The registry of faults and the list of known bugs: each speaks of what is there, and nothing is forgotten."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

from xentcheck.bugs import BugError, load_bugs, parse_bugs
from xentcheck.clauses import CLAUSES
from xentcheck.faults import FaultError, load_registry, parse_registry
from xentcheck_faults import on_numpy
from xentcheck_faults.on_numpy.kernel import Kernel

FAULTS, HONEST, BUGS = load_registry().faults, load_registry().honest, load_bugs()
RECREATED = {bug for fault in FAULTS for bug in fault.bugs}
BUG = """
[CE-1]
repository = "owner/name"
url = "https://example.org/1"
year = 2024
trigger = "two rows"
wrong = "1"
right = "0"
"""


def test_every_known_bug_is_recreated_or_has_a_reason_why_not() -> None:
    assert [bug.id for bug in BUGS.values() if (bug.id in RECREATED) == (bug.outside is not None)] == []


def test_faults_name_bugs_that_are_known() -> None:
    assert BUGS.keys() >= RECREATED


def test_faults_name_laws() -> None:
    assert [fault.name for fault in FAULTS if getattr(CLAUSES.get(fault.clause), "kind", None) != "law"] == []


def written() -> Iterator[str]:
    """Specs of all functions of the faults' modules: the members of their classes."""
    for found in pkgutil.iter_modules(on_numpy.__path__, f"{on_numpy.__name__}."):
        module = importlib.import_module(found.name)
        if found.name != Kernel.__module__:
            for family in vars(module).values():
                if isinstance(family, type) and family.__module__ == found.name:
                    members = (name for name in vars(family) if not name.startswith("_"))
                    yield from (f"numpy:{found.name}:{family.__name__}.{name}" for name in members)


def test_what_is_written_is_registered() -> None:
    assert sorted(written()) == sorted(fault.spec for fault in FAULTS if fault.spec.startswith("numpy:"))


def test_honest_kernels_are_registered() -> None:
    module = importlib.import_module("xentcheck_faults.on_numpy.honest")
    kernels = {f"numpy:{module.__name__}:{name}" for name, value in vars(module).items() if isinstance(value, Kernel)}
    assert kernels <= set(HONEST)


def test_a_bug_is_read() -> None:
    (bug,) = parse_bugs(BUG).values()
    assert (bug.id, bug.year, bug.outside) == ("CE-1", 2024, None)


@pytest.mark.parametrize(("line", "said"), [('right = "0"', "right: Field required"), ("year = 2024", "year: Field")])
def test_a_bug_that_lacks_something_is_named(line: str, said: str) -> None:
    with pytest.raises(BugError, match=f"bug CE-1: {said}"):
        parse_bugs(BUG.replace(line, ""))


def test_a_fault_with_an_unknown_word_is_named() -> None:
    line = '[numpy.options]\n"A.b" = { about = "x", clause = "VAL-1", sized = true }'
    with pytest.raises(FaultError, match=r"fault A\.b: sized: Extra inputs"):
        parse_registry(line)


def test_a_fault_in_an_unknown_dtype_is_named() -> None:
    line = '[numpy.options]\n"A.b" = { about = "x", clause = "VAL-1", dtype = "float8" }'
    with pytest.raises(FaultError, match=r"fault A\.b: dtype: got 'float8', expected one of float16"):
        parse_registry(line)
