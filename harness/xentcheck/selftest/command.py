"""`xentcheck self-test`: the harness on trial."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager, suppress
from difflib import get_close_matches
from fnmatch import fnmatchcase
from os import cpu_count
from pathlib import Path

import click

from xentcheck.bugs import load_bugs
from xentcheck.contract import CONTRACT
from xentcheck.exits import Exit
from xentcheck.faults import Fault, Registry, load_registry
from xentcheck.run_header import run_header
from xentcheck.selection import SelectionError, select_subjects
from xentcheck.selftest.run import TIERS, Result, Tier, results, tasks
from xentcheck.selftest.text import matrix_lines, result_line
from xentcheck_adapters import Subject
from xentcheck_reports import Hearing, KillMatrix, ReportWriteError, RunHeader, Trial, write_kills, write_self_test


@click.command(name="self-test")
@click.option("--full", is_flag=True, help="All laws on all faults in all dtypes, honest functions in depth: hours.")
@click.option("--fault", "names", multiple=True, metavar="NAME", help="Only this fault; Mean.* for all of those.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Other cases for another seed.")
@click.option("--output", default=Path("xentcheck-report"), type=click.Path(path_type=Path), show_default=True)
@click.option("-n", "processes", default=cpu_count() or 1, show_default=True, type=click.IntRange(min=1))
def self_test(full: bool, names: tuple[str, ...], seed: int, output: Path, processes: int) -> None:
    """Try every known fault and hear honest functions: the kill matrix, and a page of it.

    Exits with 1 if a fault survives the clause that is about it, somebody honest is accused, or an example is larger
    than a person can read though size is not the trigger. Ctrl-C shows and writes what there is so far.
    """
    level, registry = "full" if full else "fast", load_registry()
    if names:
        registry = Registry(_named(names, registry.faults), ())
    header = run_header(
        level=level, seed=seed, command=["xentcheck", *sys.argv[1:]], subjects=_installed_subjects(registry)
    )
    seen, trouble = _hold(TIERS[level], registry, seed, processes)
    matrix = _matrix(header, TIERS[level], registry, seen)
    for line, bad in matrix_lines(matrix):
        click.echo(click.style(line, fg="red") if bad else line)
    try:
        write_kills(matrix, output)
        click.echo(f"page: {write_self_test(matrix, output)}")
    except ReportWriteError as error:
        trouble = trouble or str(error)
    if trouble:
        click.echo(f"Error: {trouble}", err=True)
    if trouble == _STOPPED:
        sys.exit(Exit.INTERRUPTED)
    if not matrix.passes:
        sys.exit(Exit.DOES_NOT)
    if trouble:
        sys.exit(Exit.NOT_JUDGED)


_STOPPED = "interrupted; this is what there was so far"


def _named(names: Sequence[str], faults: Sequence[Fault]) -> tuple[Fault, ...]:
    """The faults whose names match one of the patterns. Raises click.UsageError for one that matches none."""
    known = [fault.name for fault in faults]
    for name in names:
        if not any(fnmatchcase(each, name) for each in known):
            close = get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f"; did you mean {', '.join(close)}?" if close else ", expected a name or pattern of faults.toml"
            raise click.UsageError(f"no fault is called {name!r}{hint}")
    return tuple(fault for fault in faults if any(fnmatchcase(fault.name, name) for name in names))


def _installed_subjects(registry: Registry) -> Iterator[Subject]:
    for spec in (*(fault.spec for fault in registry.faults), *registry.honest):
        with suppress(SelectionError):  # a trial will say so
            yield from select_subjects([spec])


def _hold(tier: Tier, registry: Registry, seed: int, processes: int) -> tuple[list[Result], str]:
    """Hold the trials and hearings; what came of them, and what stopped them, if anything did."""
    todo, seen = tasks(tier, registry), list[Result]()
    with _progress(len(todo)) as tell:
        try:
            with closing(results(todo, seed=seed, processes=processes)) as coming:
                for result in coming:
                    seen.append(result)
                    tell(result)
        except KeyboardInterrupt:
            return seen, _STOPPED
        except BrokenProcessPool:
            return seen, "a process was killed, for its memory most likely: a smaller -n needs less"
    return seen, ""


@contextmanager
def _progress(length: int) -> Iterator[Callable[[Result], None]]:
    """A bar on a terminal; a line per result elsewhere, as in the log of a job."""
    if sys.stderr.isatty():
        with click.progressbar(length=length, label="self-test", file=sys.stderr, show_pos=True) as bar:
            yield lambda result: bar.update(1)
        return
    count = iter(range(1, length + 1))
    yield lambda result: click.echo(f"[{next(count)}/{length}] {result_line(result)}", err=True)


def _matrix(header: RunHeader, tier: Tier, registry: Registry, seen: Sequence[Result]) -> KillMatrix:
    """The results in the order of the registry, however they were dealt out."""
    places = {name: place for place, name in enumerate((*(fault.spec for fault in registry.faults), *registry.honest))}
    return KillMatrix(
        header=header,
        clauses={clause.id: clause.title for clause in CONTRACT.values()},
        faults=len(registry.faults),
        hearings_due=len(registry.honest) * len(tier.dtypes),
        known_bugs=len(load_bugs()),
        trials=sorted((one for one in seen if isinstance(one, Trial)), key=lambda one: places[one.fault]),
        hearings=sorted(
            (one for one in seen if isinstance(one, Hearing)),
            key=lambda one: (places[one.function], tier.dtypes.index(one.dtype)),
        ),
    )
