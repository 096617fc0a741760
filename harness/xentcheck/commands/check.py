"""`xentcheck check`: a verdict on each subject."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

import click

from xentcheck.commands.arguments import complete_clauses, complete_subjects, selected
from xentcheck.conclusion import Conclusion, conclude
from xentcheck.contract import CONTRACT
from xentcheck.evidence import record as record_of
from xentcheck.exits import EXIT_TABLE, CannotJudgeError, Exit
from xentcheck.failure_files import FOLDER
from xentcheck.plan import Plan, plan_of
from xentcheck.recorder import Recorder
from xentcheck.run import judged, judged_side_by_side
from xentcheck.run_header import run_header
from xentcheck.selection import SelectionError, split_names
from xentcheck.terminal import version_lines
from xentcheck.text import describe_failure
from xentcheck.validation import LedgerError
from xentcheck.workers import WorkerPool
from xentcheck_adapters import Subject, Unavailable
from xentcheck_reports import Record, Status

_SEED = 0  # the same cases every time: a verdict does not change while the subject does not
_MOST_PROCESSES = 4  # each loads the framework
_MOST_TOLD = 3
_COLOURS = {Exit.HOLDS: "green", Exit.DOES_NOT: "red", Exit.NOT_JUDGED: "yellow"}


@click.command(epilog=EXIT_TABLE)
@click.argument("subjects", nargs=-1, required=True, metavar="SUBJECT...", shell_complete=complete_subjects)
@click.option("--quick", is_flag=True, help="A verdict within a minute: level quick instead of standard.")
@click.option("--device", multiple=True, metavar="NAMES", help="cpu (default), cuda or all.")
@click.option("--dtype", multiple=True, metavar="NAMES", help="float16, bfloat16, float32, float64; all by default.")
@click.option(
    "--clause", multiple=True, metavar="NAMES", shell_complete=complete_clauses, help="Families or ids: IGN, VAL-1."
)
@click.option(
    "--report-dir", default=Path("xentcheck-report"), type=click.Path(path_type=Path), metavar="DIR", show_default=True
)
@click.option("-n", "processes", type=click.IntRange(min=1), help="Processes; by default as many as cores, at most 4.")
def check(
    subjects: tuple[str, ...],
    quick: bool,
    device: tuple[str, ...],
    dtype: tuple[str, ...],
    clause: tuple[str, ...],
    report_dir: Path,
    processes: int | None,
) -> None:
    """Judge each SUBJECT by the contract, and say whether it conforms.

    A subject is a name of `xentcheck list`, or FLAVOUR:FILE:FUNCTION as in torch:my_loss.py:cross_entropy. NAMES are
    separated by commas. Failures are told with a shrunk input; the report folder has a page, and a script for each.
    """
    selected(subjects)  # for the errors that people make
    try:
        plan = plan_of(
            split_names(subjects),
            devices=split_names(device),
            dtypes=split_names(dtype),
            clauses=split_names(clause),
            level="quick" if quick else "standard",
            seed=_SEED,
        )
    except SelectionError as error:
        raise click.UsageError(str(error)) from None
    except LedgerError as error:
        raise CannotJudgeError(str(error)) from None
    if processes is None:
        at_once = all(target.device == "cpu" for target in plan.targets)  # a GPU's memory holds one of them
        processes = min(os.cpu_count() or 1, _MOST_PROCESSES) if at_once else 1
    sys.exit(_carry_out(plan, report_dir, processes))


def _carry_out(plan: Plan, directory: Path, processes: int) -> Exit:
    """Judge, tell failures and verdicts, write the report; the exit status."""
    subjects = {target.subject.name: target.subject for target in plan.targets}
    command = ["xentcheck", *sys.argv[1:]]
    header = run_header(level=plan.level.name, seed=plan.seed, command=command, subjects=subjects.values())
    recorder, stopped, interrupted = Recorder(directory, header), "", False
    for record in plan.absences():
        recorder.add(record)
    try:
        with WorkerPool() as pool:
            closed = _open_strangers(subjects, plan, pool)
            for record in _records(plan, closed, pool, processes):
                recorder.add(record)
    except KeyboardInterrupt:
        stopped, interrupted = "interrupted; this is what there was so far", True
    except BrokenProcessPool:
        stopped = "a process was killed, for its memory most likely: a smaller -n needs less"
    page = recorder.finish(plan)
    conclusions = [conclude(plan, subject, recorder.records) for subject in subjects.values()]
    for conclusion in conclusions:
        _tell_failures(conclusion, directory)
    for problem in filter(None, (stopped, *recorder.problems)):
        click.echo(f"Error: {problem}", err=True)
    for conclusion in conclusions:
        _tell_verdict(conclusion, finished=not stopped)
    for line, markup in version_lines(recorder.run):
        click.secho(line, bold=markup.get("bold"))
    if page:
        click.echo(f"report: {page}")
    if interrupted:
        return Exit.INTERRUPTED
    # Who asks for all there is does not ask for what is not installed.
    exits = {each.exit for each in conclusions if plan.names(each.subject) or each.failures}
    if Exit.DOES_NOT in exits:
        return Exit.DOES_NOT
    return Exit.NOT_JUDGED if stopped or recorder.problems or Exit.NOT_JUDGED in exits else Exit.HOLDS


def _open_strangers(subjects: dict[str, Subject], plan: Plan, pool: WorkerPool) -> dict[str, str]:
    """Put what nobody described in its place among the subjects as it is seen to be, and tell what was found; why
    others cannot be opened."""
    closed = {}
    for target in {target.subject: target for target in reversed(plan.targets)}.values():
        subject = target.subject
        if not subject.described:
            try:
                opened = pool.open(subject, target.device, target.dtype)
            except Unavailable as error:
                closed[subject.name] = str(error)
                continue
            subjects[subject.name] = opened.narrow(subject)
            click.echo(opened.line)
    return closed


def _records(plan: Plan, closed: Mapping[str, str], pool: WorkerPool, processes: int) -> Iterator[Record]:
    """What comes of the plan, with its progress told."""
    for target, clause in itertools.product(plan.targets, plan.clauses):
        if target.subject.name in closed and plan.asks(clause, target):
            yield record_of(CONTRACT[clause], target, Status.NOT_RUN, reason=closed[target.subject.name])
    plan = replace(plan, targets=[target for target in plan.targets if target.subject.name not in closed])
    checks = sum(plan.asks(clause, target) for target in plan.targets for clause in plan.clauses)
    if processes > 1:
        pool.close()
    coming = judged(plan, pool) if processes == 1 else judged_side_by_side(plan, processes)
    with closing(coming), _progress(checks) as tell:
        for record in coming:
            tell(record)
            yield record


@contextmanager
def _progress(checks: int) -> Iterator[Callable[[Record], None]]:
    """A bar on a terminal; elsewhere, as in the log of a job, a line for every tenth and for what does not hold."""
    if sys.stderr.isatty():
        with click.progressbar(
            length=checks, label="check", file=sys.stderr, show_pos=True, item_show_func=_named
        ) as bar:
            yield lambda record: bar.update(1, record)
        return
    numbers, tenth, told = itertools.count(1), max(1, checks // 10), set[tuple[str, str]]()

    def tell(record: Record) -> None:
        number, about = next(numbers), (record.clause, record.subject)
        if record.status.is_failure and about not in told:
            told.add(about)
            click.echo(f"{_named(record)}: {record.status.label}", err=True)
        if number % tenth == 0:
            click.echo(f"[{number}/{checks}] {record.subject}", err=True)

    yield tell


def _named(record: Record | None) -> str:
    return f"{record.clause} {record.subject} {record.device} {record.dtype}" if record else ""


def _tell_failures(conclusion: Conclusion, directory: Path) -> None:
    """The first failures in full, in the dtype that is the plainest to read, and where the others are."""
    for records in islice(conclusion.failures.values(), _MOST_TOLD):
        first, *others = sorted(records, key=_has_no_script)
        also = f"; also {', '.join(dict.fromkeys(record.dtype for record in others))}" if others else ""
        click.secho(f"\n{first.clause} {first.title} [{first.subject} {first.device} {first.dtype}{also}]", bold=True)
        if first.failure:
            click.echo(describe_failure(first.failure, directory / FOLDER / first.file_name))
        else:
            click.echo(f"{first.status.label}: {first.reason}")
    if len(conclusion.failures) > _MOST_TOLD:
        more = ", ".join(islice(conclusion.failures, _MOST_TOLD, None))
        click.echo(f"\nand {more}: see the report")
    if conclusion.failures:
        click.echo()


def _has_no_script(record: Record) -> bool:
    return record.failure is None or record.failure.script is None


def _tell_verdict(conclusion: Conclusion, finished: bool) -> None:
    if finished or conclusion.exit is Exit.DOES_NOT:
        click.secho(conclusion.line(), fg=_COLOURS[conclusion.exit])
    else:
        click.secho(f"{conclusion.subject} so far: {conclusion.counts()}", fg="yellow")
