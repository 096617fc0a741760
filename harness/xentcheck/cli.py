"""The command line: subjects, clauses, replays, calibration, certificate, self-test, and pages of merged records."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from xentcheck.aggregate import Thresholds, thresholds
from xentcheck.audit.command import audit
from xentcheck.bench import Bench, Target
from xentcheck.build import build_call
from xentcheck.calibrate import (
    calibration_targets,
    learn_from,
    learned_thresholds,
    merged_grades,
    threshold_changes,
    write_data,
)
from xentcheck.cases import Case, case_from_token
from xentcheck.certify.command import certify
from xentcheck.clauses import Clause
from xentcheck.contract import CONTRACT
from xentcheck.corpus import triggers_of
from xentcheck.evidence import describe_case, failure
from xentcheck.explanation import explain_clause
from xentcheck.grades import recorded_grades
from xentcheck.known import known_subjects, load_ledger, registered
from xentcheck.lint.command import lint
from xentcheck.selection import (
    ALL,
    DEVICES,
    SelectionError,
    extras_of,
    install_hint,
    missing_modules,
    select_subjects,
    split_names,
)
from xentcheck.selftest.command import self_test
from xentcheck.stored import stored_case
from xentcheck.text import describe_failure, port_lines
from xentcheck.verdict import Deviation
from xentcheck.workers import WorkerPool
from xentcheck_adapters import Subject, Unavailable
from xentcheck_reports import RecordFileError, ReportWriteError, merge, port, read_records, write_report

_NOT_CONFORMING, _USAGE = 1, 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="xentcheck")
def main() -> None:
    """Is this softmax cross-entropy right, on this device and dtype? To judge subjects: pytest --backend=NAMES"""


main.add_command(audit)
main.add_command(certify)
main.add_command(lint)
main.add_command(self_test)


@main.command(name="list")
@click.option("--backend", multiple=True, default=("all",), help="Names as pytest --backend takes them.")
@click.option("--device", multiple=True, default=DEVICES, type=click.Choice(DEVICES), help="Only these devices.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array of jobs: a framework on a device each.")
def list_subjects(backend: tuple[str, ...], device: tuple[str, ...], as_json: bool) -> None:
    """Show the known subjects, what they call, where they can run, and what is missing here."""
    subjects = _selected(backend)
    if as_json:
        click.echo(json.dumps(_jobs(subjects, device)))
        return
    width = max(len(subject.name) for subject in subjects)
    for subject in subjects:
        missing = missing_modules(subject)
        state = f"not installed: {install_hint(missing)}" if missing else "installed"
        click.echo(f"{subject.name:{width}}  {'/'.join(subject.devices):8}  {state:12}  {subject.api} ({subject.mode})")
    for problem in registered().problems:
        click.echo(problem, err=True)


def _jobs(subjects: list[Subject], devices: tuple[str, ...]) -> list[dict[str, str]]:
    """A job per group of subjects and device, with what to install for it: what a CI matrix needs."""
    jobs: dict[tuple[str, str], dict[str, str]] = {}
    for subject in subjects:
        parts = subject.name.split(".")
        group = ".".join(parts[:2]) if parts[0] == "keras" else parts[0]
        for device in subject.devices:
            if device in devices:
                extras = ",".join(extras_of(subject.requires, device))
                install = f".[{extras}]" if extras else "."
                jobs[group, device] = {"backend": group, "device": device, "install": install}
    return list(jobs.values())


@main.command()
@click.argument("clause")
def explain(clause: str) -> None:
    """Say what CLAUSE claims, where that is promised, whom it concerns, and which subjects are known to differ."""
    for line in explain_clause(_clause(clause), known_subjects().values(), load_ledger()):
        click.echo(line)


@main.command()
@click.argument("clause")
@click.argument("subject")
@click.argument("token")
@click.option("--device", default="cpu", type=click.Choice(DEVICES), show_default=True)
def replay(clause: str, subject: str, token: str, device: str) -> None:
    """Check one case of CLAUSE on SUBJECT again; TOKEN is what a failure printed, the .npz file that it names, or the
    id of a known bug whose trigger it is. Exits with 1 if it still fails."""
    asked, case = _clause(clause), _trigger(clause, token) or _replayable(token)
    (chosen,) = _selected((subject,), exactly_one=True)
    with WorkerPool() as pool:
        bench = Bench(Target(chosen, device, case.dtype), pool, {**known_subjects(), chosen.name: chosen})
        click.echo(describe_case(case, bench.call(case)))
        try:
            seen = asked.check(case, bench)
        except Deviation as deviation:
            click.echo("\n" + describe_failure(failure(asked, bench, case, deviation)))
            sys.exit(_NOT_CONFORMING)
        except Unavailable as error:
            raise click.ClickException(str(error)) from None
    click.echo(f"\n{clause} holds" + (f": worst error is {seen.worst.ratio:.3g} of its bound" if seen.worst else ""))


def _clause(name: str) -> Clause:
    if name not in CONTRACT:
        raise click.UsageError(f"unknown clause {name!r}; known: {', '.join(CONTRACT)}")
    return CONTRACT[name]


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


def _selected(names: tuple[str, ...], exactly_one: bool = False) -> list[Subject]:
    try:
        subjects = select_subjects(split_names(names))
    except SelectionError as error:
        raise click.UsageError(str(error)) from None
    if exactly_one and len(subjects) != 1:
        raise click.UsageError(f"name one subject, got {', '.join(s.name for s in subjects)}")
    return subjects


@main.command()
@click.option("--backend", multiple=True, default=("all",), help="Names as pytest --backend takes them.")
@click.option("--allow-drops", is_flag=True, help="Record grades that are worse than those on record.")
def calibrate(backend: tuple[str, ...], allow_drops: bool) -> None:
    """Learn the thresholds of ACC-3 and the grades of ACC-2 from honest subjects, and write the data files.

    numpy:FILE:FUNCTION teaches what unknown kernels reach. Without "all" no threshold is lowered. Exits with 1, and
    writes nothing, if a grade dropped.
    """
    chosen = _selected(backend)
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
        raise click.ClickException("grades dropped, nothing written (--allow-drops records them): " + "; ".join(drops))
    write_data(limits, grades)
    click.echo(f"learned from {len(taught)} targets")


@main.group()
def report() -> None:
    """Pages from record files."""


@report.command(name="merge")
@click.argument("records", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--output", default=Path("xentcheck-report"), type=click.Path(path_type=Path), show_default=True)
def merge_records(records: tuple[Path, ...], output: Path) -> None:
    """Merge RECORDS (files, or folders that hold records.jsonl somewhere below) into one report.html.

    A file that cannot be read is named and left out; the exit status is 1 then.
    """
    runs, unreadable = [], 0
    for path in _record_files(records):
        try:
            runs.append(read_records(path))
        except RecordFileError as error:
            click.echo(f"left out: {error}", err=True)
            unreadable += 1
    if not runs:
        raise click.ClickException("no record file could be read")
    try:
        page = write_report(merge(runs), output)
    except ReportWriteError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"report: {page} ({len(runs)} runs)")
    sys.exit(_NOT_CONFORMING if unreadable else 0)


@report.command(name="port")
@click.argument("source")
@click.argument("target")
@click.option(
    "--records",
    default=Path("xentcheck-report/records.jsonl"),
    type=click.Path(path_type=Path),
    show_default=True,
    help="The records of a run that asked both.",
)
def port_between(source: str, target: str, records: Path) -> None:
    """Show what changes for who moves from SOURCE to TARGET: the questions that the two subjects answer differently."""
    try:
        changes = port(read_records(records).records, source, target)
    except (RecordFileError, LookupError) as error:
        raise click.ClickException(str(error.args[0])) from None
    for line in port_lines(changes):
        click.echo(line)


def _record_files(paths: tuple[Path, ...]) -> list[Path]:
    return [file for path in paths for file in (sorted(path.rglob("records.jsonl")) if path.is_dir() else [path])]
