"""How the commands end: one table for all of them."""

from __future__ import annotations

from enum import IntEnum

import click


class Exit(IntEnum):
    """Exit status of every command."""

    HOLDS = 0
    DOES_NOT = 1
    USAGE = 2
    NOT_JUDGED = 3
    INTERRUPTED = 130


EXIT_TABLE = """\b
Exit status, of every command:
    0  what was asked about holds: the subject conforms
    1  it does not: a clause fails, a bound is exceeded, a fault survives, a comparison cannot fail
    2  usage error
    3  it could not be judged: not installed, not to be loaded, not to be read or written
  130  interrupted (Ctrl-C); what there was so far is shown and written"""


class CannotJudgeError(click.ClickException):
    """What stands in the way of a verdict, for people."""

    exit_code = Exit.NOT_JUDGED


class Commands(click.Group):
    """A group whose commands end as the table says when they are interrupted; click itself would say 1."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(Exit.INTERRUPTED)
