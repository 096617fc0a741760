"""`assert_conforms`: a verdict inside somebody's own tests."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Any

from xentcheck.bench import Target
from xentcheck.plan import Plan, plan_of
from xentcheck.run import judged
from xentcheck.selection import split_names
from xentcheck.spec_of import NoSpecError, held_spec, spec_of
from xentcheck.text import describe_failure
from xentcheck.workers import InProcessPool, WorkerPool
from xentcheck_adapters import Subject, Unavailable
from xentcheck_adapters.callables import OPTIONS
from xentcheck_reports import Record, Status

_SEED = 0  # the same cases every time: a test does not change its mind
_IN_A_WORKER = "XENTCHECK_DEVICE"  # what every worker has in its environment


class ConformanceError(AssertionError):
    """A subject does not do what a clause says. `record` holds the evidence."""

    def __init__(self, record: Record) -> None:
        told = describe_failure(record.failure) if record.failure else f"{record.status.label}: {record.reason}"
        super().__init__(f"{record.subject} does not conform to {record.clause}: {record.title}\n{told}")
        self.record = record


def assert_conforms(
    subject: str | Callable[..., Any],
    *,
    options: Collection[str] | None = None,
    clauses: str | Iterable[str] = (),
    level: str = "quick",
    dtypes: str | Iterable[str] = (),
    device: str = "cpu",
    flavour: str | None = None,
    in_process: bool = False,
) -> None:
    """Raise ConformanceError for the first clause that a loss does not conform to, with a shrunk input.

    subject     a function or class, or what `xentcheck check` takes: FLAVOUR:FILE:FUNCTION, or a name
    options     arguments that are to be judged, as {"weight", "ignore_index"}; None for all that the signature has
    clauses     families or ids, as "IGN" or ["IGN", "VAL-1"]; all if empty
    level       quick, standard or nightly
    dtypes      all that the subject has if empty
    device      cpu or cuda
    flavour     what the function is written for, if that cannot be seen: numpy, torch, jax, ...
    in_process  run it here and not in a worker: a debugger can follow, lambdas and local functions can be judged, and
                a crash or a hang is one of this process

    Raises SelectionError (a ValueError) for a name that nobody knows, NoSpecError (a TypeError) for a function that a
    worker could not find, ValueError for an option that the subject does not offer, Unavailable if the subject cannot
    be opened, and RuntimeError for a fault of xentcheck itself.
    """
    __tracebackhide__ = True  # of pytest: the failure is the caller's
    if _IN_A_WORKER in os.environ:
        raise RuntimeError('assert_conforms runs as its file is imported: put it under `if __name__ == "__main__":`')
    if isinstance(subject, str):
        named = subject
    else:
        named = held_spec(subject, flavour) if in_process else spec_of(subject, flavour)
    plan = plan_of(
        [named],
        devices=[device],
        dtypes=_names(dtypes),
        clauses=_names(clauses),
        level=level,
        seed=_SEED,
    )
    with InProcessPool() if in_process else WorkerPool() as pool:
        plan = _narrowed(replace(plan, scripts=False), options, pool)
        failed = _first_failure(plan, pool)
    if failed:
        raise ConformanceError(_replayable(failed, subject, flavour))


def _names(names: str | Iterable[str]) -> list[str]:
    return split_names([names] if isinstance(names, str) else names)


def _narrowed(plan: Plan, options: Collection[str] | None, pool: WorkerPool) -> Plan:
    """The plan for the options that are to be judged, and for what can be opened. Raises ValueError and Unavailable."""
    opened: dict[Target, Subject] = {}
    closed = Unavailable()
    for target in plan.targets:
        try:
            opened[target] = pool.open(target.subject, target.device, target.dtype).narrow(target.subject)
        except Unavailable as error:
            if target.dtype in plan.asked_dtypes:
                raise
            closed = error
    if not opened:
        raise closed
    if options is not None:
        for subject in opened.values():
            if lacking := sorted(set(options) - subject.options):
                offered = ", ".join(name for name in OPTIONS if subject.offers(name)) or "none"
                raise ValueError(f"{subject.name} does not offer {', '.join(lacking)}; its options are: {offered}")
        unasked = frozenset(OPTIONS).difference(options)
        opened = {target: replace(subject, options=subject.options - unasked) for target, subject in opened.items()}
    targets = [replace(target, subject=subject) for target, subject in opened.items()]
    return replace(plan, targets=targets, subjects={**plan.subjects, **{s.name: s for s in opened.values()}})


def _first_failure(plan: Plan, pool: WorkerPool) -> Record | None:
    seen = False
    for record in judged(plan, pool):
        if record.status is Status.HARNESS_ERROR:
            assert record.failure is not None
            raise RuntimeError(f"{record.failure.summary}\n{record.failure.detail}")
        if record.status.is_failure:
            return record
        seen = seen or record.status.is_judged
    if not seen:
        raise ValueError(f"nothing to judge: none of the clauses is about {plan.targets[0].subject.name}")
    return None


def _replayable(record: Record, subject: str | Callable[..., Any], flavour: str | None) -> Record:
    """The record with a command that other processes understand, if there is one."""
    failure = record.failure
    if failure is None or isinstance(subject, str):
        return record
    try:
        named = spec_of(subject, flavour)
    except NoSpecError:
        told = {"replay": f"{failure.token} (by a command, once the function has an import path)"}
    else:
        told = {"replay": failure.replay.replace(shlex.quote(record.subject), shlex.quote(named))}
    return record.model_copy(update={"failure": failure.model_copy(update=told)})
