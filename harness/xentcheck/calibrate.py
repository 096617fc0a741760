"""Calibration: what honest subjects reach, learned and written down as the data files that ACC-2 and ACC-3 read."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import xentcheck
from xentcheck.aggregate import BatchStatistics, Knowledge, Limits, Thresholds, batch_statistics, learn, thresholds
from xentcheck.bench import Bench, Target
from xentcheck.cases import Case
from xentcheck.clauses.clause import softmax_of_logits
from xentcheck.divergence import Divergence, Ledger
from xentcheck.expectation import expect_of, softmax_reference
from xentcheck.grades import grade_ratios, grades_of, is_drop, measured_grade
from xentcheck.levels import LEVELS
from xentcheck.selection import missing_modules, select_targets
from xentcheck.strategies import Scope
from xentcheck.survey import SEED, aggregate_cases, grade_cases
from xentcheck.workers import WorkerPool
from xentcheck.workers.pool import state_of
from xentcheck_adapters import Subject, Unavailable
from xentcheck_reference import Profile

# With as many rows of many classes as the deepest level, so that no grade is too good for it.
_LEVEL = replace(LEVELS["standard"], cells=LEVELS["nightly"].cells)
# Far from the survey's own, which are SEED and the few that follow.
_AGGREGATE_SEEDS = range(SEED + 1000, SEED + 1016)
_GRADE_SEEDS = range(SEED + 2000, SEED + 2003)

Cell = tuple[Knowledge, str, str]


@dataclass(frozen=True)
class Learned:
    """What one target taught: the statistics of its batches by cell, and its grade.

    A function that nobody described teaches only what unknown kernels reach; its grade is no business of a record.
    """

    statistics: Mapping[Cell, Sequence[BatchStatistics]]
    grade: str | None


def calibration_targets(subjects: Iterable[Subject]) -> list[Target]:
    """The installed softmax forms of logits in each of their dtypes, by worker."""
    able = [s for s in subjects if not missing_modules(s) and softmax_of_logits(s) is None]
    states: dict[object, list[Target]] = defaultdict(list)
    for target in select_targets(able, ("cpu",), ()):
        states[state_of(target.subject, target.device, target.dtype)].append(target)
    return [target for group in states.values() for target in group]


def learn_from(target: Target, pool: WorkerPool, subjects: Mapping[str, Subject], ledger: Ledger) -> Learned | None:
    """Run a target over its calibration cases; None where its framework does not load.

    Cases of known divergences are left out. Raises Deviation where the target does not answer.
    """
    pool.keep_only({state_of(target.subject, target.device, target.dtype)})
    try:
        versions = pool.open(target.subject, target.device, target.dtype).versions
    except Unavailable:
        return None
    bench = Bench(target, pool, subjects)
    scope = Scope(target.subject, target.dtype, _LEVEL)

    def honest(clause: str, cases: Sequence[Case]) -> Iterator[Case]:
        known: Sequence[Divergence] = ledger.concerning(clause, target.subject.known_as, target.dtype, versions)
        return (case for case in cases if not any(entry.covers(case) for entry in known))

    statistics: dict[Cell, list[BatchStatistics]] = defaultdict(list)
    for seed in _AGGREGATE_SEEDS:
        for case in honest("ACC-3", aggregate_cases(scope, seed)):
            for knowledge, seen in _statistics(case, bench):
                statistics[knowledge, target.dtype, case.regime].append(seen)
    if not target.subject.described:
        return Learned(statistics, None)
    ratios = dict.fromkeys(grades_of(target.dtype), 0.0)
    for seed in _GRADE_SEEDS:
        for case in honest("ACC-2", grade_cases(scope, seed)):
            call = bench.call(case)
            seen_ratios = grade_ratios(call, bench.answer(call), target.subject, target.dtype)
            ratios = {grade: max(ratios[grade], ratio) for grade, ratio in seen_ratios.items()}
    return Learned(statistics, measured_grade(ratios, target.dtype))


def _statistics(case: Case, bench: Bench) -> Iterator[tuple[Knowledge, BatchStatistics]]:
    """Of one answer against the bound that its subject declares, and that of a kernel that nobody knows."""
    call, target = bench.call(case), bench.target
    answer = bench.answer(call)
    problem, reference = softmax_reference(call, target.subject, target.dtype)
    if target.subject.described:
        yield "declared", batch_statistics(answer, bench.expect(call))
    unknown = expect_of(call, problem, reference, Profile.unknown(target.dtype))
    yield "unknown", batch_statistics(answer, unknown)


def learned_thresholds(taught: Iterable[Learned], keep: Thresholds) -> Thresholds:
    """The limits of every cell, none below that of `keep`."""
    cells: dict[Cell, list[BatchStatistics]] = defaultdict(list)
    for one in taught:
        for cell, statistics in one.statistics.items():
            cells[cell] += statistics
    found: dict[str, dict[str, dict[str, Limits]]] = {
        kind: {dtype: dict(regimes) for dtype, regimes in getattr(keep, kind).items()}
        for kind in ("declared", "unknown")
    }
    for (kind, dtype, regime), statistics in cells.items():
        old, new = found[kind].get(dtype, {}).get(regime) or Limits(), learn(statistics)
        loss, grad = (_larger(getattr(old, what), getattr(new, what)) for what in ("loss", "grad_logits"))
        found[kind].setdefault(dtype, {})[regime] = Limits(loss=loss, grad_logits=grad)
    return Thresholds(declared=found["declared"], unknown=found["unknown"])


def _larger(a: tuple[float, float] | None, b: tuple[float, float] | None) -> tuple[float, float] | None:
    if a is None or b is None:
        return a or b
    return max(a[0], b[0]), max(a[1], b[1])


def merged_grades(
    recorded: Mapping[str, Mapping[str, str]], measured: Mapping[tuple[str, str], str | None]
) -> tuple[dict[str, dict[str, str]], list[str], list[str]]:
    """The grades on record with the measured ones, what changed as lines, and which of those changes are drops."""
    grades = {subject: dict(dtypes) for subject, dtypes in recorded.items()}
    changes, drops = [], []
    for (subject, dtype), grade in measured.items():
        if grade is None:
            continue
        old = grades.setdefault(subject, {}).get(dtype)
        grades[subject][dtype] = grade
        if old != grade:
            line = f"{subject} {dtype}: {old or 'none'} -> {grade}"
            changes.append(line)
            if old and is_drop(old, grade, dtype):
                drops.append(line)
    return grades, changes, drops


def threshold_changes(new: Thresholds) -> list[str]:
    """The cells whose limits changed, as lines."""
    lines = []
    for kind in ("declared", "unknown"):
        for dtype, regimes in getattr(new, kind).items():
            for regime, limits in regimes.items():
                old = getattr(thresholds(), kind).get(dtype, {}).get(regime)
                if old != limits:
                    lines.append(f"{kind} {dtype} {regime}: {_shown(old)} -> {_shown(limits)}")
    return lines


def _shown(limits: Limits | None) -> str:
    if limits is None:
        return "none"
    pairs = (f"{what} {pair[0]:.3g}/{pair[1]:.3g}" for what, pair in limits if pair)
    return ", ".join(pairs)


def write_data(limits: Thresholds, grades: Mapping[str, Mapping[str, str]], folder: Path | None = None) -> None:
    """Write both data files, by default into the package."""
    folder = folder or Path(xentcheck.__file__).parent
    document = json.loads(limits.model_dump_json(), parse_float=lambda text: float(f"{float(text):.4g}"))
    (folder / "thresholds.json").write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    (folder / "grades.json").write_text(json.dumps(grades, indent=1) + "\n")
