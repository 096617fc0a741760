"""`xentcheck explain`: what a clause is about."""

from __future__ import annotations

import click

from xentcheck.commands.arguments import clause_named, complete_clauses
from xentcheck.divergence import load_ledger
from xentcheck.explanation import explain_clause
from xentcheck_adapters import built_in_subjects


@click.command()
@click.argument("clause", shell_complete=complete_clauses)
def explain(clause: str) -> None:
    """Say what CLAUSE claims, where that is promised, whom it concerns, and which subjects are known to differ."""
    for line in explain_clause(clause_named(clause), built_in_subjects().values(), load_ledger()):
        click.echo(line)
