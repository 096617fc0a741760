"""`xentcheck calibrate`: thresholds and grades, learned from honest subjects."""

from __future__ import annotations

import sys

import click

from xentcheck.aggregate import Thresholds, thresholds
from xentcheck.calibrate import (
    calibration_targets,
    learn_from,
    learned_thresholds,
    merged_grades,
    threshold_changes,
    write_data,
)
from xentcheck.commands.arguments import backend_option, selected
from xentcheck.exits import Exit
from xentcheck.grades import recorded_grades
from xentcheck.known import known_subjects, load_ledger
from xentcheck.selection import ALL, split_names
from xentcheck.workers import WorkerPool


@click.command()
@backend_option
@click.option("--allow-drops", is_flag=True, help="Record grades that are worse than those on record.")
def calibrate(backend: tuple[str, ...], allow_drops: bool) -> None:
    """Learn the thresholds of ACC-3 and the grades of ACC-2 from honest subjects, and write the data files.

    numpy:FILE:FUNCTION teaches what unknown kernels reach. Without "all" no threshold is lowered. Exits with 1, and
    writes nothing, if a grade dropped.
    """
    chosen = selected(backend)
    if any(subject.interpreter for subject in chosen):
        raise click.UsageError("what is on record is learned from what is installed here, not in another interpreter")
    subjects, ledger, taught = {**known_subjects(), **{s.name: s for s in chosen}}, load_ledger(), {}
    targets = calibration_targets(chosen)
    with WorkerPool() as pool:
        for number, target in enumerate(targets, start=1):
            learned = learn_from(target, pool, subjects, ledger)
            told = (learned.grade or "no record") if learned else "does not load"
            click.echo(f"[{number}/{len(targets)}] {target.id}: {told}", err=True)
            if learned:
                taught[target.subject.name, target.dtype] = learned
    limits = learned_thresholds(taught.values(), Thresholds() if ALL in split_names(backend) else thresholds())
    grades, changes, drops = merged_grades(recorded_grades(), {key: learned.grade for key, learned in taught.items()})
    for line in (*threshold_changes(limits), *changes):
        click.echo(line)
    if drops and not allow_drops:
        click.echo(f"Error: grades dropped, nothing written (--allow-drops records them): {'; '.join(drops)}", err=True)
        sys.exit(Exit.DOES_NOT)
    write_data(limits, grades)
    click.echo(f"learned from {len(taught)} targets")
