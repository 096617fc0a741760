"""The figures of the study: plain data from observations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from study.batches import NINE
from study.rules import DEFAULTS
from study.run import Observation, Observations, Plan
from xentcheck.aggregate import Limits

Flags = Callable[[Observation], bool]
_NINE = {cell.name for cell in NINE}
OURS = "declared precision: bound, rounding and batch"


def figures(plan: Plan, seen: Observations) -> dict[str, Any]:
    """What the observations in one dtype show, ready for JSON."""
    ours = our_rules(plan, seen)
    rules = {name: {"factor": None, **_rule(flags, seen)} for name, flags in ours.items()}
    scaled = {}
    for name in DEFAULTS:
        gentle, full = scales(name, seen)
        scaled[name] = tolerance(name, gentle)
        for how, factor in ((", as is", 1.0), (", no framework fails", gentle), (", nothing honest fails", full)):
            rules[name + how] = {"factor": factor, **_rule(tolerance(name, factor), seen)}
    return {
        "seeds": {"learned_on": list(plan.learned_on), "held_out": list(plan.held_out)},
        "batches": {
            "learned": sum(map(len, seen.learned.values())),
            "honest": len(seen.honest),
            "faulty": len(seen.faulty),
        },
        "frameworks": sorted({o.who for o in seen.honest if o.framework}),
        "limits": seen.thresholds(plan.dtype).model_dump(mode="json"),
        "rules": rules,
        "faults": [_fault(f.about, seen, ours, list(scaled.values())) for f in plan.faults],
    }


def our_rules(plan: Plan, seen: Observations) -> dict[str, Flags]:
    """Each as a function that tells whether it accuses an answer."""
    thresholds = seen.thresholds(plan.dtype)

    def bound(of: Literal["declared", "unknown"]) -> Flags:
        return lambda o: not getattr(o.reading, of).ratio <= 1

    def rounding(of: Literal["declared", "unknown"]) -> Flags:
        return lambda o: bound(of)(o) or getattr(o.reading, of).misrounded

    def batch(of: Literal["declared", "unknown"]) -> Flags:
        limits = {cell.name: thresholds.limits(of, plan.dtype, cell.name) or Limits() for cell in plan.cells}
        return lambda o: rounding(of)(o) or limits[o.cell].exceeds(getattr(o.reading, of).statistics) is not None

    return {
        "declared precision: bound": bound("declared"),
        "declared precision: bound and rounding": rounding("declared"),
        OURS: batch("declared"),
        "unknown precision: bound": bound("unknown"),
        "unknown precision: bound and common mode": lambda o: bound("unknown")(o) or not o.reading.common_mode <= 1,
        "unknown precision: bound, common mode, rounding and batch": (
            lambda o: batch("unknown")(o) or not o.reading.common_mode <= 1
        ),
    }


def tolerance(name: str, factor: float) -> Flags:
    """A default tolerance, multiplied."""
    return lambda o: not o.reading.excess[name] <= factor


def scales(name: str, seen: Observations) -> tuple[float, float]:
    """What a default must be multiplied by for no framework to fail in the nine regimes, and for nothing honest to."""
    gentle = [o for o in seen.honest if o.framework and o.cell in _NINE] or seen.honest
    return _factor(name, gentle), _factor(name, seen.honest)


def _factor(name: str, honest: Sequence[Observation]) -> float:
    return max([1.0, *(o.reading.excess[name] for o in honest)])


def share(flags: Flags, observations: Sequence[Observation]) -> float:
    """Of the observations that are accused."""
    return sum(map(flags, observations)) / max(len(observations), 1)


def _rule(flags: Flags, seen: Observations) -> dict[str, Any]:
    """False alarms, detection over the nine regimes and over all, and how many faults are always seen somewhere."""
    return {
        "false_alarms": sum(map(flags, seen.honest)),
        "nine": share(flags, [o for o in seen.faulty if o.cell in _NINE]),
        "all": share(flags, seen.faulty),
        "shown": share(flags, [o for o in seen.faulty if o.shows]),
        "faults_always_seen": sum(bool(always(flags, seen, who)) for who in {o.who for o in seen.faulty}),
    }


def always(flags: Flags, seen: Observations, fault: str) -> list[str]:
    """The cells in which a fault is caught in every batch."""
    batches = [o for o in seen.faulty if o.who == fault]
    missed = {o.cell for o in batches if not flags(o)}
    return [cell for cell in dict.fromkeys(o.cell for o in batches) if cell not in missed]


def _fault(about: str, seen: Observations, ours: dict[str, Flags], scaled: Sequence[Flags]) -> dict[str, Any]:
    nine = [o for o in seen.faulty if o.who == about and o.cell in _NINE]
    return {
        "fault": about,
        "shows": share(lambda o: o.shows, nine),
        **{name: share(flags, nine) for name, flags in ours.items()},
        "best scaled default": max(share(flags, nine) for flags in scaled),
        "always": always(ours[OURS], seen, about),
    }
