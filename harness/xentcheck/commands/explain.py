"""`xentcheck explain`: what a clause is about."""

from __future__ import annotations

import click

from xentcheck.commands.arguments import clause_named, complete_clauses
from xentcheck.explanation import explain_clause
from xentcheck.known import known_subjects, load_ledger


@click.command()
@click.argument("clause", shell_complete=complete_clauses)
def explain(clause: str) -> None:
    """Say what CLAUSE claims, where that is promised, whom it concerns, and which subjects are known to differ."""
    for line in explain_clause(clause_named(clause), known_subjects().values(), load_ledger()):
        click.echo(line)
