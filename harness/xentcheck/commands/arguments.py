"""What several commands take: subjects and clauses by name, with their completion in a shell."""

from __future__ import annotations

from collections.abc import Sequence

import click

from xentcheck.clauses import Clause
from xentcheck.contract import CONTRACT
from xentcheck.exits import CannotJudgeError
from xentcheck.selection import NotInstalledError, SelectionError, nameable, select_subjects, split_names
from xentcheck_adapters import Subject


def selected(names: Sequence[str]) -> list[Subject]:
    """The subjects of the names. Raises click's own errors for unknown names, and for what is not installed."""
    try:
        return select_subjects(split_names(names))
    except NotInstalledError as error:
        raise CannotJudgeError(str(error)) from None
    except SelectionError as error:
        raise click.UsageError(str(error)) from None


def clause_named(name: str) -> Clause:
    """The clause of that id. Raises click.UsageError if there is none."""
    if name not in CONTRACT:
        raise click.UsageError(f"unknown clause {name!r}; known: {', '.join(CONTRACT)}")
    return CONTRACT[name]


def complete_subjects(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Subjects, and the flavours of callables, that begin so."""
    return [name for name in nameable() if name.startswith(incomplete)]


def complete_clauses(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Families and ids of clauses that begin so."""
    families = dict.fromkeys(clause.family for clause in CONTRACT.values())
    return [name for name in (*families, *CONTRACT) if name.startswith(incomplete.upper())]


backend_option = click.option(
    "--backend",
    multiple=True,
    default=("all",),
    shell_complete=complete_subjects,
    help="Names as pytest --backend takes them.",
)
