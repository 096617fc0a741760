"""Evidence: records and failures as a person needs them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from xentcheck.bench import Bench, Target
from xentcheck.bugs import Bug
from xentcheck.cases import Case
from xentcheck.clauses import Clause
from xentcheck.divergence import Divergence
from xentcheck.grades import grade_of
from xentcheck.literals import TooLong, assignment
from xentcheck.row_errors import accuracy, horizon
from xentcheck.verdict import Deviation, Measurement
from xentcheck_adapters import Call, NotInVersion, Unavailable
from xentcheck_reports import Bitwise, Failure, Precedent, Record, Standing, Status
from xentcheck_reports import Divergence as DivergenceRecord

_MOST_SHOWN = 48


def record(
    clause: Clause,
    target: Target,
    status: Status,
    *,
    measurement: Measurement | None = None,
    examples: int = 0,
    reason: str | None = None,
    failure: Failure | None = None,
    divergences: Sequence[DivergenceRecord] = (),
    versions: Mapping[str, str] = MappingProxyType({}),
) -> Record:
    """The record of a clause on a target, in the versions that its worker named."""
    seen = measurement or Measurement()
    grade, renewable = grade_of(seen, target)
    bitwise = [Bitwise(equal=seen.bitwise_equal, of=seen.bitwise_of, against=_compared_with(clause, target))]
    return Record(
        clause=clause.id,
        title=clause.title,
        family=clause.family,
        law=clause.kind == "law",
        subject=target.subject.name,
        interpreter=target.subject.interpreter,
        versions=dict(versions),
        framework=target.subject.framework,
        device=target.device,
        dtype=target.dtype,
        status=status,
        examples=examples,
        values=seen.values,
        worst=seen.worst,
        bitwise=bitwise if seen.bitwise_of else [],
        reason=reason or seen.remark or renewable,
        failure=failure,
        divergences=[*divergences, *contradictions(seen)],
        choices=list(seen.choices),
        accuracy=accuracy(seen.errors),
        horizon=horizon(seen.errors),
        grade=grade,
    )


def absence(clause: Clause, target: Target, reason: Unavailable) -> Record:
    """The record of a clause on a target that cannot be opened."""
    status = Status.UNSUPPORTED if isinstance(reason, NotInVersion) else Status.NOT_RUN
    return record(clause, target, status, reason=str(reason))


def _compared_with(clause: Clause, target: Target) -> str:
    """Whose answers the bitwise comparisons of a clause are with."""
    subject = target.subject
    twins = {"EQ-1": subject.form_twin, "EQ-3": subject.mode_twin, "EQ-4": subject.variant_of}
    if twin := twins.get(clause.id):
        return f"{twin}@{subject.interpreter}" if subject.interpreter else twin
    return "its own one-hot form" if clause.id == "EQ-1" else "its own answers"


def failure(clause: Clause, bench: Bench, case: Case, deviation: Deviation, precedents: Sequence[Bug] = ()) -> Failure:
    """A failure with its shrunk input, what was allowed, what came, how to see it again, and who had it before."""
    target = bench.target
    command = ["xentcheck", "replay", clause.id, target.subject.name, case.token]
    if target.device != "cpu":
        command += ["--device", target.device]
    return Failure(
        summary=f"{target.id}: {deviation}",
        case=describe_case(case, bench.call(case)),
        expected=deviation.expected,
        got=deviation.got,
        replay=shlex.join(command),
        detail=deviation.detail,
        precedents=[Precedent(name=bug.name, url=bug.url) for bug in precedents],
        token=case.token,
    )


def harness_failure(error: Exception, stack: str) -> Failure:
    """A fault of the harness, or of Hypothesis, told as one."""
    return Failure(
        summary=f"the harness failed: {type(error).__name__}: {error}",
        case="",
        expected="a verdict",
        got=f"{type(error).__name__}: {error}",
        replay="",
        detail=stack,
    )


def divergence(entry: Divergence) -> DivergenceRecord:
    """A known divergence as records carry it: the same for every dtype that shows it."""
    example = ", ".join(f"{name}={value!r}" for name, value in entry.example.items())
    versions = ", ".join(f"{package} {spec}" for package, spec in entry.versions.items())
    return DivergenceRecord(reason=entry.reason, link=entry.link, example=example, versions=versions or "any")


def contradictions(measurement: Measurement) -> list[DivergenceRecord]:
    """The answers to a policy that are against the subject's own documentation, as divergences."""
    return [
        DivergenceRecord(
            reason=f"{choice.cell}: its documentation promises {choice.promise!r}, it answers {choice.answer!r}",
            link=choice.link or "",
            example=choice.token,
            versions="any",
        )
        for choice in measurement.choices
        if choice.standing is Standing.CONTRADICTS
    ]


def describe_case(case: Case, call: Call) -> str:
    """The input in full where it is small or nearly uniform, in outline where it is not; floats print exactly."""
    drawn = "" if case.explicit else f", regime {case.regime}"
    logits, labels, *others = (_shown(name, array) for name, array in call.arrays.items())
    shape = f"# N={call.logits.shape[0]}, C={call.logits.shape[1]}, {case.dtype}{drawn}"
    lines = [shape, logits, f"{labels}  # {call.labels.dtype}", *others]
    plain = {
        "ignore_index": None,
        "label_smoothing": 0.0,
        "z_loss": 0.0,
        "softcap": None,
        "activation": None,
        "reduction": "none",
        "layout": "contiguous",
        "positions": (),
        "class_axis": -1,
        "single": False,
    }
    lines += [f"{name} = {getattr(call, name)!r}" for name in plain if getattr(call, name) != plain[name]]
    return "\n".join(lines)


def _shown(name: str, array: np.ndarray[Any, Any]) -> str:
    if array.size <= _MOST_SHOWN:
        return f"{name} = {(array if array.dtype.kind in 'iub' else array.astype(np.float64)).tolist()!r}"
    try:
        return assignment(name, array, repr)
    except TooLong:
        first, second, last = (array.ravel()[place] for place in (0, 1, -1))
        return f"{name} = <{array.dtype} {array.shape}: {first!s}, {second!s}, … {last!s}>"
