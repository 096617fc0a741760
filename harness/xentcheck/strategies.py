"""Hypothesis strategies for cases. Scalars with the field's names are drawn one by one, simplest first, so that a
failure shrinks to few rows, few classes, small integers and no options, and the explanation names what matters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from hypothesis import strategies as st

from xentcheck.build import UPSTREAMS
from xentcheck.cases import Case, Edit
from xentcheck.levels import Level
from xentcheck.regimes import REGIMES
from xentcheck_adapters import LAYOUTS, Subject

T = TypeVar("T")

_SEEDS = st.integers(0, 2**32 - 1)
_FOCUS = ("anywhere", "first", "last", "edge")
_SMOOTHING = (0.0, 0.1, 0.5, 0.125, 0.01)


@dataclass(frozen=True)
class Scope:
    """What a strategy draws for."""

    subject: Subject
    dtype: str
    level: Level

    @property
    def lean(self) -> bool:
        """Whether to leave out what costs a compilation of seconds: reductions and other arguments."""
        return self.subject.slow_traces and not self.level.slow_trace_options


@st.composite
def cases(
    draw: st.DrawFn,
    /,
    scope: Scope,
    *,
    labels: Sequence[str] = ("index",),
    regimes: Sequence[str] = REGIMES,
    reductions: Sequence[str] = ("none",),
    edits: Sequence[str] = (),
    max_edits: int = 4,
    options: bool = False,
    min_rows: int = 1,
    min_classes: int = 1,
    layouts: Sequence[str] = LAYOUTS,
    upstreams: Sequence[str] = UPSTREAMS,
    **fixed: Any,
) -> Case:
    """Cases for a subject: labels, regimes, reductions, edits to choose from, and whether its options are used."""
    subject = scope.subject

    def pick(values: Sequence[T]) -> T:
        return draw(st.sampled_from(values))

    rows, classes = draw(_shapes(scope, min_rows, min_classes))
    offered = ["none"] if scope.lean else [r for r in reductions if r in subject.reductions] or ["none"]
    values: dict[str, Any] = {
        "dtype": scope.dtype,
        "rows": rows,
        "classes": classes,
        "labels": pick(labels),
        "regime": pick(regimes),
        "upstream": pick(upstreams),
        "focus": pick(_FOCUS),
        "seed": draw(_SEEDS),
        # What follows costs a subject that compiles another compilation per value.
        "reduction": pick([r for r in offered if r != "sum"] or offered if subject.retraces else offered),
        "label_dtype": subject.label_dtypes[0] if subject.retraces else pick(subject.label_dtypes),
        "layout": "contiguous" if subject.retraces else pick(layouts),
    }
    if options and not scope.lean:
        values["weighted"] = subject.offers("weight") and not subject.retraces and draw(st.booleans())
        smoothing = _SMOOTHING[:2] if subject.retraces else _SMOOTHING
        values["label_smoothing"] = pick(smoothing) if subject.offers("label_smoothing") else 0.0
    if edits:
        edit = st.builds(Edit, st.integers(0, rows - 1), st.integers(0, classes - 1), st.sampled_from(list(edits)))
        values["edits"] = tuple(draw(st.lists(edit, min_size=0, max_size=max_edits)))
    return Case(**values | fixed)


@st.composite
def _shapes(draw: st.DrawFn, scope: Scope, min_rows: int, min_classes: int) -> tuple[int, int]:
    level = scope.level
    if scope.subject.retraces:
        menu = [(n, c) for n, c in level.shapes(scope.subject) if n >= min_rows and c >= min_classes]
        return draw(st.sampled_from(menu))
    # Mostly small: a structural fault shows there, and a small failure is one a person can read.
    few = st.integers(min_classes, max(12, min_classes))
    classes = draw(st.one_of(few, st.sampled_from([c for c in level.classes if c >= min_classes])))
    most = max(min_rows, level.cells // classes)
    rows = draw(st.one_of(st.integers(min_rows, max(5, min_rows)), st.sampled_from(level.rows)))
    return max(min_rows, min(rows, most)), classes
