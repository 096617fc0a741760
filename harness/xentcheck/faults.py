"""The registry of faults: implementations with one mistake each, kept in `faults.toml` beside them.

honest = ["numpy:xentcheck_faults.on_numpy.honest:wide", …]         # nobody may accuse these

[numpy.options]                                                     # flavour, and module below on_numpy
"Mean.over_all_rows" = { about = "N instead of kept rows", clause = "VAL-3", bugs = ["CE-024"] }
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from xentcheck.validation import first_problem
from xentcheck_adapters import FLOAT_DTYPES

_PACKAGE = "xentcheck_faults"


class FaultError(ValueError):
    """A line of the registry that cannot be read; names the fault and the cause."""


class Fault(BaseModel):
    """
    spec    what --backend takes: FLAVOUR:MODULE:QUALNAME
    about   the mistake, as a phrase
    clause  the clause that is about what it breaks, and must see it
    dtype   in which it shows
    bugs    ids of the known bugs that it re-creates; none if it is a classic of the trade
    large   whether size is the trigger, so that no example of a few rows and classes shows it
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec: str
    about: str
    clause: str
    dtype: str = "float32"
    bugs: tuple[str, ...] = ()
    large: bool = False

    @property
    def name(self) -> str:
        """The name within its module: Mean.over_all_rows."""
        return self.spec.rsplit(":", 1)[1]


@dataclass(frozen=True)
class Registry:
    """The faults, each of which must be caught, and the specs of functions that may not be accused."""

    faults: tuple[Fault, ...]
    honest: tuple[str, ...]


@cache
def load_registry() -> Registry:
    """Read the registry that is installed with the faults. Raises FaultError."""
    return parse_registry((files(_PACKAGE) / "faults.toml").read_text(encoding="utf-8"))


def parse_registry(text: str) -> Registry:
    """The registry of a TOML text. Raises FaultError."""
    tables: dict[str, Any] = tomllib.loads(text)
    honest = tuple(tables.pop("honest", ()))
    faults = tuple(
        _fault(flavour, module, name, line)
        for flavour, modules in tables.items()
        for module, lines in modules.items()
        for name, line in lines.items()
    )
    return Registry(faults, honest)


def _fault(flavour: str, module: str, name: str, line: dict[str, Any]) -> Fault:
    try:
        fault = Fault(spec=f"{flavour}:{_PACKAGE}.on_{flavour}.{module}:{name}", **line)
    except ValidationError as error:
        raise FaultError(f"fault {name}: {first_problem(error)}") from None
    if fault.dtype not in FLOAT_DTYPES:
        raise FaultError(f"fault {name}: dtype: got {fault.dtype!r}, expected one of {', '.join(FLOAT_DTYPES)}")
    return fault
