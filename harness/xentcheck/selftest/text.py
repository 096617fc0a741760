"""A kill matrix as plain text: a line per fault, what must be mended and how to look at it, and the totals."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from xentcheck_reports import Hearing, KillMatrix, Trial, plural, seconds_text
from xentcheck_reports.kills import EXAMPLE_CLASSES, EXAMPLE_ROWS

Line = tuple[str, bool]
"""The text, and whether it is bad news."""


def result_line(result: Trial | Hearing) -> str:
    """What came of one task, for a log."""
    if result.not_judged:
        return f"{_about(result)}: not judged: {result.not_judged}"
    if isinstance(result, Hearing):
        accusers = result.trouble or ", ".join(accusation.clause for accusation in result.accusations)
        return f"{_about(result)}: " + (f"accused by {accusers}" if accusers else "not accused")
    killed = result.killed
    told = f"killed by {killed.clause} in {seconds_text(killed.seconds)}" if killed else f"SURVIVES {result.clause}"
    return f"{_about(result)}: {told}"


def _about(result: Trial | Hearing) -> str:
    return f"{result.function} in {result.dtype}" if isinstance(result, Hearing) else result.name


def matrix_lines(matrix: KillMatrix) -> Iterator[Line]:
    """The whole of it."""
    width = max((len(trial.name) for trial in matrix.trials), default=0)
    yield f"{'fault':{width + 2}} clause  dtype     killed in  example      a conventional test sees", False
    module = ""
    for trial in matrix.trials:
        if trial.module != module:
            module = trial.module
            yield module, False
        yield f"  {_row(trial, width)}", trial.survives or trial.too_large
    yield "", False
    yield from problem_lines(matrix)
    yield from total_lines(matrix)


def _row(trial: Trial, width: int) -> str:
    if trial.not_judged:
        return f"{trial.name:{width}} not judged: {trial.not_judged}"
    killed, shown = trial.killed, trial.example
    time = seconds_text(killed.seconds) if killed else "SURVIVES"
    size = f"{shown.rows} x {shown.classes}" if shown else ""
    others = len(trial.kills) - (1 if killed else 0)
    also = f"; {plural(others, 'other law')} of {len(trial.looked) - 1} see it" if trial.looked[1:] else ""
    return (
        f"{trial.name:{width}} {trial.clause:7} {trial.dtype:9} {time:>9}  {size:11}  {trial.conventional or '-'}{also}"
    )


def problem_lines(matrix: KillMatrix) -> Iterator[Line]:
    """Who survives, who is accused, what nobody can read: each with what to do."""
    for trial in matrix.survivors:
        why = trial.trouble or f"{trial.clause} does not see it ({trial.about})"
        yield f"{trial.name} survives: {why}", True
        yield f"    {_judge_again(trial, matrix.header.seed)}", False
    for hearing in matrix.accused:
        if hearing.trouble:
            yield f"{hearing.function} cannot be heard: {hearing.trouble}", True
        for accusation in hearing.accusations:
            yield f"{hearing.function} is honest, and accused by {accusation.clause}: {accusation.summary}", True
            if accusation.replay:
                yield f"    {accusation.replay}", False
    for trial in matrix.too_large:
        assert trial.example
        size = f"{trial.example.rows} rows x {trial.example.classes} classes"
        most = f"{EXAMPLE_ROWS} x {EXAMPLE_CLASSES}"
        yield f"{trial.name}: an example of {size}, expected at most {most} where size is not the trigger", True
        yield f"    {trial.example.failure.replay}", False


def _judge_again(trial: Trial, seed: int) -> str:
    options = [f"--backend={trial.fault}", f"--dtype={trial.dtype}", f"--case-seed={seed}", f"--clause={trial.clause}"]
    return f"xentcheck explain {trial.clause}; {shlex.join(['pytest', *options])}"


def total_lines(matrix: KillMatrix) -> Iterator[Line]:
    """Rates, times and sizes."""
    judged, survivors = len(matrix.judged), len(matrix.survivors)
    yield f"killed {judged - survivors} of {plural(judged, 'fault')} in the clause that is about them", bool(survivors)
    if matrix.bugs:
        bugs = f"{len(matrix.caught_bugs)} of the {len(matrix.bugs)} that these faults re-create"
        yield f"known bugs caught: {bugs} ({matrix.known_bugs} are listed)", False
    seen, of_bugs = len(matrix.conventional_trials), len(matrix.conventionally_caught_bugs)
    yield f"a conventional test sees {seen} of the faults, {of_bugs} of the bugs{_also_accuses(matrix.hearings)}", False
    if matrix.median_seconds is not None:
        yield f"median time to kill {seconds_text(matrix.median_seconds)}", False
    largest = matrix.largest_example
    if largest and largest.example:
        size = f"{largest.example.rows} x {largest.example.classes}"
        yield f"largest example {size} ({largest.name}), but for faults that size triggers", False
    if matrix.hearings:
        accused = len({hearing.function for hearing in matrix.accused})
        yield f"accused {accused} of {plural(len(matrix.honest), 'honest function')}", bool(accused)
    absent = [trial for trial in matrix.trials if trial.not_judged]
    if absent:
        yield f"not judged: {plural(len(absent), 'fault')}: {absent[0].not_judged}", True
    if not matrix.complete:
        yield f"incomplete: {len(matrix.trials)} of {plural(matrix.faults, 'fault')} tried", True


def _also_accuses(hearings: list[Hearing]) -> str:
    accused = {hearing.function for hearing in hearings if hearing.conventional}
    return f"; it accuses {plural(len(accused), 'honest function')}" if accused else ""
