"""`xentcheck bench`: how fast, as a multiple of what the memory of this machine allows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import click

from xentcheck.commands.arguments import complete_subjects
from xentcheck.exits import EXIT_TABLE, CannotJudgeError, Exit
from xentcheck.installed import spec_of
from xentcheck.run_header import run_header
from xentcheck.selection import NotInstalledError, SelectionError, split_names
from xentcheck.speed import guard
from xentcheck.speed.contenders import LABELS, contenders, parse_shapes, takes, workloads
from xentcheck.speed.race import Race, RulerError
from xentcheck.speed.text import progress_text, table_lines
from xentcheck_adapters import Subject
from xentcheck_adapters.roofline import SCALAR
from xentcheck_adapters.workload import Workload
from xentcheck_reports import ReportWriteError, Speeds, Timing, write_bench, write_speeds

_OUTPUTS = {"warm": True, "fresh": False}


@click.command(epilog=EXIT_TABLE)
@click.argument("subjects", nargs=-1, metavar="[SUBJECT]...", shell_complete=complete_subjects)
@click.option("--shape", "shapes", multiple=True, metavar="N,C", help="Rows and classes; seven shapes by default.")
@click.option("--dtype", "dtypes", multiple=True, default=("float32",), show_default=True, metavar="NAMES")
@click.option("--labels", multiple=True, default=("index",), show_default=True, type=click.Choice(LABELS))
@click.option("--threads", multiple=True, default=(1,), show_default=True, type=click.IntRange(min=1))
@click.option("--outputs", multiple=True, default=(*_OUTPUTS,), show_default=True, type=click.Choice([*_OUTPUTS]))
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(min=1))
@click.option("--seconds", default=0.04, show_default=True, type=float, help="Of each contender in a round, at least.")
@click.option("--guard", "guards", is_flag=True, help="Only: are kernels as fast as their vectors must make them?")
@click.option("--output", default=Path("xentcheck-report"), type=click.Path(path_type=Path), show_default=True)
def bench(
    subjects: tuple[str, ...],
    shapes: tuple[str, ...],
    dtypes: tuple[str, ...],
    labels: tuple[str, ...],
    threads: tuple[int, ...],
    outputs: tuple[str, ...],
    rounds: int,
    seconds: float,
    guards: bool,
    output: Path,
) -> None:
    """Time each SUBJECT beside the others, forward and with gradient; all that are installed by default.

    Each runs in a process of its own, in turn with the others; a time is told as a multiple of the roofline that was
    measured in the same round: of the bytes that a loss must read, and a gradient write. With one thread it is the
    process' own time on one core, so that a busy machine disturbs it less; with more it is the time on the wall.

    Warm outputs are those of the call before, where an API has a place for results, and the allocator keeps its memory;
    fresh ones are as called by default. The options can be repeated. Ctrl-C shows and writes what there is so far.
    """
    if spec_of("xentcheck_kernels._roofline") is None:
        raise CannotJudgeError("the rulers are those of xentcheck-kernels: pip install ./adapters/kernels")
    if guards:
        sys.exit(_stand_guard(rounds, seconds))
    try:
        chosen = contenders(subjects)
        asked = workloads(
            shapes=parse_shapes(shapes),
            dtypes=split_names(dtypes),
            labels=labels,
            threads=threads,
            warm=[_OUTPUTS[name] for name in outputs],
        )
    except NotInstalledError as error:
        raise CannotJudgeError(str(error)) from None
    except SelectionError as error:
        raise click.UsageError(str(error)) from None
    sys.exit(_compare(chosen, asked, rounds, seconds, output))


def _compare(chosen: Sequence[Subject], asked: Sequence[Workload], rounds: int, seconds: float, output: Path) -> Exit:
    """Race, write after each workload, show; the exit status."""
    speeds, status = _nothing_yet(chosen, asked, rounds), Exit.HOLDS
    try:
        with closing(_raced(speeds, chosen, asked, seconds)) as coming:
            for so_far in coming:
                speeds = so_far
                write_speeds(speeds, output)
        if any(one.reason for one in speeds.timings):
            status = Exit.NOT_JUDGED
    except KeyboardInterrupt:
        click.echo("Error: interrupted; this is what there was so far", err=True)
        status = Exit.INTERRUPTED
    except (RulerError, ReportWriteError) as error:
        raise CannotJudgeError(str(error)) from None
    for line in table_lines(speeds):
        click.echo(line)
    if speeds.timings:
        click.echo(f"page: {write_bench(speeds, output)}")
    return status


def _stand_guard(rounds: int, seconds: float) -> Exit:
    """Race the kernels against a scalar loop, show, accuse; the exit status."""
    chosen, asked = guard.guarded(), guard.workloads()
    try:
        *_, speeds = _raced(_nothing_yet(chosen, asked, rounds), chosen, asked, seconds)
    except RulerError as error:
        raise CannotJudgeError(str(error)) from None
    for line in table_lines(speeds):
        click.echo(line)
    accused = list(guard.accusations(speeds, chosen))
    for line in accused:
        click.secho(line, fg="red")
    if accused:
        return Exit.DOES_NOT
    # A kernel that this processor does not have is told, and is no matter if another one was timed.
    return Exit.HOLDS if any(one.seconds and one.subject != SCALAR.name for one in speeds.timings) else Exit.NOT_JUDGED


def _nothing_yet(chosen: Sequence[Subject], asked: Sequence[Workload], rounds: int) -> Speeds:
    header = run_header(level="bench", seed=0, command=["xentcheck", *sys.argv[1:]], subjects=chosen)
    due = sum(takes(subject, workload) for subject in chosen for workload in asked)
    return Speeds(header=header, rounds=rounds, due=due, timings=[])


def _raced(
    speeds: Speeds, chosen: Sequence[Subject], asked: Sequence[Workload], seconds: float
) -> Generator[Speeds, None, None]:
    """What there is after each workload, with its progress told. Raises RulerError."""
    with Race(chosen, rounds=speeds.rounds, seconds=seconds) as race, _progress(len(asked)) as tell:
        for workload in asked:
            timings = list(race.over(workload))
            speeds = speeds.model_copy(update={"timings": [*speeds.timings, *timings]})
            tell(timings)
            yield speeds


@contextmanager
def _progress(length: int) -> Iterator[Callable[[list[Timing]], None]]:
    """A bar on a terminal; elsewhere, as in the log of a job, a line for each workload."""
    if sys.stderr.isatty():
        with click.progressbar(length=length, label="bench", file=sys.stderr, show_pos=True) as bar:
            yield lambda timings: bar.update(1)
        return
    count = iter(range(1, length + 1))

    def tell(timings: list[Timing]) -> None:
        click.echo(f"[{next(count)}/{length}] {progress_text(timings) if timings else 'nobody has this'}", err=True)

    yield tell
