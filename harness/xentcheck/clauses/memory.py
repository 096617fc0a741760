"""LAY: how the arrays lie in memory, before the call and after it."""

from __future__ import annotations

from dataclasses import replace

from xentcheck.bench import Bench
from xentcheck.cases import Case
from xentcheck.clauses.clause import Clause, has_gradient
from xentcheck.strategies import Scope
from xentcheck.verdict import Deviation, Measurement, conform, returned, with_twin
from xentcheck_adapters import LAYOUTS, Refused, Subject, dtype_name

_FOREIGN = "foreign byte order"
# What costs a subject that compiles for each set of strides no compilation of seconds
_SAME_STRIDES = ("misaligned", "read-only", _FOREIGN)
_NUMPY = "https://numpy.org/doc/stable/reference/arrays.ndarray.html#internal-memory-layout-of-an-ndarray"


def _takes_logits(subject: Subject) -> str | None:
    return None if subject.inputs == "logits" else "takes probabilities, which the same code reads"


def _plain(scope: Scope) -> tuple[Case, ...]:
    return tuple(
        Case(dtype=scope.dtype, rows=4, classes=7, regime="normal", labels=kind, seed=5, upstream="random")
        for kind in (scope.kinds[:1] if scope.subject.retraces else scope.kinds)
    )


def _layouts(scope: Scope) -> tuple[str, ...]:
    if scope.lean:
        return _SAME_STRIDES
    if scope.subject.described or scope.dtype not in ("float16", "bfloat16"):
        return LAYOUTS
    # Along an axis that is not the closest one NumPy adds float16 in float16 (see `strategies.py`).
    return tuple(layout for layout in LAYOUTS if layout not in ("transposed", "broadcast"))


def _in_each_layout(scope: Scope) -> tuple[Case, ...]:
    subject = scope.subject
    plain = _plain(scope)
    weighs = not scope.lean and (subject.offers("weight") or subject.offers("sample_weight"))
    weighted = replace(plain[0], weighted=subject.offers("weight"), sample_weighted=subject.offers("sample_weight"))
    cases = (*plain, weighted) if weighs else plain
    return tuple(replace(case, layout=layout) for case in cases for layout in _layouts(scope) if layout != "contiguous")


def _reads_any_layout(case: Case, bench: Bench) -> Measurement:
    """Within the bounds, as the contiguous call is; only a foreign byte order may be refused."""
    call = bench.call(case)
    outcome = bench.run(call)
    if case.layout == _FOREIGN and isinstance(outcome, Refused):
        return Measurement()
    answer = returned(outcome)
    contiguous = bench.answer(replace(call, layout="contiguous"))
    return with_twin(conform(answer, bench.expect(call), case.token), answer, contiguous)


def _owns_its_results(case: Case, bench: Bench) -> Measurement:
    """The gradient's dtype and memory."""
    call = bench.call(case)
    outcome = returned(bench.run(call))
    answer = bench.answer(call)
    if outcome.shared:
        raise Deviation("shared memory", expected="results in memory of their own", got=", ".join(outcome.shared))
    assert answer.grad_logits is not None
    given = dtype_name(answer.grad_logits.dtype)
    # A function of which nothing is known may return a wider gradient; automatic differentiation does not.
    if bench.subject.described and given != case.dtype:
        raise Deviation("grad_logits dtype", expected=f"grad_logits in {case.dtype}, as the logits are", got=given)
    return conform(answer, bench.expect(call), case.token)


def _survives_reuse(case: Case, bench: Bench) -> Measurement:
    """The call's own arrays are filled with other values and evaluated again before the first answer is read."""
    call = replace(bench.call(case), reused=True)
    return conform(bench.answer(call), bench.expect(call), case.token)


CLAUSES = (
    Clause(
        "LAY-1",
        "logits, labels, weights and upstream gradients may lie in memory as they like: strided, transposed, sliced, "
        "reversed, broadcast, at an odd address, read-only; the foreign byte order is read or refused; inputs stay as "
        "they were",
        (_NUMPY,),
        _takes_logits,
        None,
        _reads_any_layout,
        _in_each_layout,
    ),
    Clause(
        "LAY-2",
        "the gradient has the shape and dtype of the logits and memory of its own",
        ("https://docs.pytorch.org/docs/stable/generated/torch.Tensor.grad.html", "A gradient is updated in place."),
        has_gradient(_takes_logits),
        None,
        _owns_its_results,
        _plain,
    ),
    Clause(
        "LAY-3",
        "once an answer is there, the caller may fill the same arrays anew and call again without changing it",
        ("https://docs.jax.dev/en/latest/async_dispatch.html",),
        _takes_logits,
        None,
        _survives_reuse,
        _plain,
    ),
)
