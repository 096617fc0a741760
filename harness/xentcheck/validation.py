"""What is wrong with a table that a model does not take, in one line."""

from __future__ import annotations

from pydantic import ValidationError


class LedgerError(ValueError):
    """A table beside an adapter that cannot be read; names the file, the entry and the cause."""


def first_problem(error: ValidationError) -> str:
    """The first problem, with the field that has it: "dtype: Input should be a valid string"."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
