"""Tables that people write in TOML, and what is wrong with one that a model does not take, in one line."""

from __future__ import annotations

import tomllib
from typing import TypeVar

from pydantic import BaseModel, ValidationError

Entry = TypeVar("Entry", bound=BaseModel)


class LedgerError(ValueError):
    """A table beside an adapter that cannot be read; names the file, the entry and the cause."""


def first_problem(error: ValidationError) -> str:
    """The first problem, with the field that has it: "dtype: Input should be a valid string"."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg'].removeprefix('Value error, ')}"


def entries_of(name: str, text: str, table: str, model: type[Entry]) -> tuple[Entry, ...]:
    """The [[table]] entries of a TOML file that holds nothing else. Raises LedgerError."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise LedgerError(f"{name}: not TOML: {error}") from None
    if unknown := sorted(set(document) - {table}):
        raise LedgerError(f"{name}: unknown table {unknown[0]!r}, expected only [[{table}]]")
    entries = document.get(table, [])
    if not isinstance(entries, list):
        raise LedgerError(f"{name}: {table}: expected [[{table}]] tables, got {type(entries).__name__}")
    found = []
    for number, entry in enumerate(entries, start=1):
        try:
            found.append(model.model_validate(entry))
        except ValidationError as error:
            raise LedgerError(f"{name}: {table} {number}: {first_problem(error)}") from None
    return tuple(found)
