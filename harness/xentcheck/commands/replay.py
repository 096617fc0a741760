"""`xentcheck replay`: one case again."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from xentcheck.bench import Bench, Target
from xentcheck.build import build_call
from xentcheck.cases import Case, case_from_token
from xentcheck.commands.arguments import clause_named, complete_clauses, complete_subjects, selected
from xentcheck.corpus import triggers_of
from xentcheck.evidence import describe_case, failure
from xentcheck.exits import CannotJudgeError, Exit
from xentcheck.known import known_subjects
from xentcheck.selection import DEVICES
from xentcheck.stored import stored_case
from xentcheck.text import describe_failure
from xentcheck.verdict import Deviation
from xentcheck.workers import WorkerPool
from xentcheck_adapters import Unavailable


@click.command()
@click.argument("clause", shell_complete=complete_clauses)
@click.argument("subject", shell_complete=complete_subjects)
@click.argument("token")
@click.option("--device", default="cpu", type=click.Choice(DEVICES), show_default=True)
def replay(clause: str, subject: str, token: str, device: str) -> None:
    """Check one case of CLAUSE on SUBJECT again; TOKEN is what a failure printed, the .npz file that it names, or the
    id of a known bug whose trigger it is. Exits with 1 if it still fails."""
    asked, case = clause_named(clause), _trigger(clause, token) or _replayable(token)
    subjects = selected((subject,))
    if len(subjects) != 1:
        raise click.UsageError(f"name one subject, got {', '.join(s.name for s in subjects)}")
    (chosen,) = subjects
    with WorkerPool() as pool:
        try:
            opened = pool.open(chosen, device, case.dtype).narrow(chosen)
            bench = Bench(Target(opened, device, case.dtype), pool, {**known_subjects(), chosen.name: opened})
            click.echo(describe_case(case, bench.call(case)))
            seen = asked.check(case, bench)
        except Deviation as deviation:
            click.echo("\n" + describe_failure(failure(asked, bench, case, deviation)))
            sys.exit(Exit.DOES_NOT)
        except Unavailable as error:
            raise CannotJudgeError(str(error)) from None
    click.echo(f"\n{clause} holds" + (f": worst error is {seen.worst.ratio:.3g} of its bound" if seen.worst else ""))


def _trigger(clause: str, bug: str) -> Case | None:
    """The case by which a bug of the replay corpus breaks the clause."""
    return next((trigger.case for trigger in triggers_of(clause) if trigger.bug.id == bug), None)


def _replayable(token: str) -> Case:
    try:
        case = stored_case(Path(token)) if token.endswith(".npz") else case_from_token(token)
        build_call(case)
    except (ValueError, TypeError, LookupError) as error:
        raise click.UsageError(f"this version cannot build the case {token}: {error}") from None
    return case
