"""`xentcheck certify`: the oracle before its referee."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import IO

import click

from xentcheck.exits import CannotJudgeError, Exit

from .rows import Batch, batches, draw_batch


@click.command()
@click.option("--rows", default=1500, show_default=True, type=click.IntRange(min=1), help="Rows to judge, at least.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Other rows for another seed.")
@click.option("--row", "name", metavar="SEED:REGIME:BATCH[.ROW]", help="Judge one row again, or one batch.")
@click.option("--json", "file", type=click.File("w", encoding="utf-8"), help="Write the figures to a file as well.")
def certify(rows: int, seed: int, name: str | None, file: IO[str] | None) -> None:
    """Referee the oracle against ball arithmetic (Arb): errors per regime, and whether it keeps its stated bounds.

    Exits with 1 if a stated bound is exceeded, and names the row. Ctrl-C shows what there is so far.
    """
    try:
        from .certificate import Certificate
        from .referee import referee
        from .text import certificate_lines, describe_problem
    except ModuleNotFoundError as error:
        if error.name != "flint":
            raise
        raise CannotJudgeError("the referee is python-flint: pip install 'xentcheck[certify]'") from None
    certificate, interrupted = Certificate(), False
    if name is not None:
        batch, row = _named(name)
        click.echo(f"{batch.name}: {describe_problem(batch.problem)}\n")
        certificate.add(batch, [comparison.of_row(row) for comparison in referee(batch)])
    else:
        interrupted = _judge(rows, seed, lambda batch: certificate.add(batch, referee(batch)))
    if interrupted:
        click.echo("interrupted; so far:", err=True)
    click.echo("\n".join(certificate_lines(certificate)))
    if file:
        json.dump(certificate.as_json(), file, indent=1)
    if interrupted:
        sys.exit(Exit.INTERRUPTED)
    if certificate.violations:
        sys.exit(Exit.DOES_NOT)


def _judge(rows: int, seed: int, judge: Callable[[Batch], None]) -> bool:
    """Judge batches until there are enough rows; whether that was interrupted."""
    with click.progressbar(length=rows, label="certify", file=sys.stderr, show_pos=True) as bar:
        try:
            for batch in batches(seed, rows):
                judge(batch)
                bar.update(len(batch.columns))
        except KeyboardInterrupt:
            return True
    return False


def _named(name: str) -> tuple[Batch, int | None]:
    """The batch, and the row in it, of a name as the certificate prints it."""
    try:
        seed, regime, place = name.split(":")
        number, _, row = place.partition(".")
        batch = draw_batch(int(seed), regime, int(number))
        if row and not 0 <= int(row) < len(batch.columns):
            raise ValueError(row)
    except (ValueError, LookupError):
        raise click.UsageError(f"no row {name!r}; rows are named as the certificate prints them") from None
    return batch, int(row) if row else None
