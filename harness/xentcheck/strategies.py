"""Hypothesis strategies for cases. Scalars with the field's names are drawn one by one, simplest first, so that a
failure shrinks to few rows, few classes, small integers and no options, and the explanation names what matters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from xentcheck.build import UPSTREAMS
from xentcheck.cases import Case, Edit
from xentcheck.levels import Level
from xentcheck.regimes import REGIMES
from xentcheck_adapters import Subject

_SEEDS = st.integers(0, 2**32 - 1)
_FOCUS = ("anywhere", "first", "last", "edge")
_LAYOUTS = ("contiguous", "transposed", "strided", "read-only")  # LAY goes through all of them
_HONEST_LABELS = {"index": "index", "dense": "soft", "multi-hot": "multi-hot"}
_SMOOTHING = (0.0, 0.1, 0.5, 0.125, 0.01)


@dataclass(frozen=True)
class Scope:
    """What a strategy draws for."""

    subject: Subject
    dtype: str
    level: Level

    @property
    def kinds(self) -> tuple[str, ...]:
        """One kind of honest labels, as a Case names them, for each that the subject takes."""
        return tuple(_HONEST_LABELS[kind] for kind in self.subject.labels)

    @property
    def lean(self) -> bool:
        """Whether to leave out what costs a compilation of seconds: reductions and other arguments."""
        return self.subject.slow_traces and not self.level.slow_trace_options

    @property
    def brief(self) -> bool:
        """Whether the fixed cases of a law are enough: its subject is described, and so are its shapes and options."""
        return self.subject.described and self.level.name == "quick"

    def allows(self, rows: int, classes: int) -> bool:
        """Whether the subject is asked about so many rows and classes."""
        most_rows, most_classes = self.subject.largest_rows, self.subject.largest_classes
        return (most_rows is None or rows <= most_rows) and (most_classes is None or classes <= most_classes)


def cases(
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
    layouts: Sequence[str] = _LAYOUTS,
    upstreams: Sequence[str] = UPSTREAMS,
    few_shapes: bool = False,
    **fixed: Any,
) -> SearchStrategy[Case]:
    """Cases for a subject: labels, regimes, reductions, edits to choose from, and whether its options are used.

    `few_shapes` is for clauses that make a compiling subject, or its eager twin, compile something of their own.
    One static strategy per clause and target: Hypothesis examines a strategy anew each time it is made.
    """
    subject = scope.subject
    offered = [r for r in reductions if r in subject.reductions and not scope.lean] or ["none"]
    fields: dict[str, SearchStrategy[Any]] = {
        "shape": _shapes(scope, min_rows, min_classes, few_shapes),
        "labels": st.sampled_from(labels),
        "regime": st.sampled_from(regimes),
        "upstream": st.sampled_from(upstreams),
        "focus": st.sampled_from(_FOCUS),
        "seed": _SEEDS,
        # What follows costs a subject that compiles another compilation per value.
        "reduction": st.sampled_from([r for r in offered if r != "sum"] or offered if subject.retraces else offered),
        "label_dtype": st.sampled_from(subject.label_dtypes[:1] if subject.retraces else subject.label_dtypes),
        "layout": st.sampled_from(("contiguous",) if subject.retraces else _honest_layouts(scope, layouts)),
    }
    if options and not scope.lean:
        fields["weighted"] = st.booleans() if subject.offers("weight") and not subject.retraces else st.just(False)
        smoothing = _SMOOTHING[:2] if subject.retraces else _SMOOTHING
        fields["label_smoothing"] = st.sampled_from(smoothing if subject.offers("label_smoothing") else (0.0,))
    if edits:
        edit = st.builds(Edit, st.integers(0, 7), st.integers(0, 4096), st.sampled_from(edits))
        fields["edits"] = st.lists(edit, max_size=max_edits).map(tuple)

    def case(values: dict[str, Any]) -> Case:
        rows, classes = values.pop("shape")
        return Case(dtype=scope.dtype, rows=rows, classes=classes, **values | fixed)

    return st.fixed_dictionaries(fields).map(case)


# What a case has of each argument that a subject may have beside logits and labels
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "weight": {"weighted": True},
    "sample_weight": {"sample_weighted": True},
    "ignore_index": {"ignore_index": -100, "ignored": "some"},
    "label_smoothing": {"label_smoothing": 0.1},
    "z_loss": {"z_loss": 0.125},
    "softcap": {"softcap": 2.0},
}


def with_options(case: Case, scope: Scope) -> Case:
    """The case with class weights and with smoothed labels, as far as the subject has arguments for them."""
    offers = scope.subject.offers
    return replace(case, weighted=offers("weight"), label_smoothing=0.5 if offers("label_smoothing") else 0.0)


def with_ignored_rows(case: Case, ignored: str) -> Case:
    """The case with "some" or "none" of its rows ignored, by label -100; rows of soft labels never are."""
    return case if ignored == "none" or case.labels != "index" else replace(case, ignore_index=-100, ignored=ignored)


def _honest_layouts(scope: Scope, layouts: Sequence[str]) -> Sequence[str]:
    """Along a strided axis NumPy adds float16 in float16, which no declared precision covers and a plain function
    cannot help; along a contiguous one it adds in float32."""
    if scope.subject.described or scope.dtype not in ("float16", "bfloat16"):
        return layouts
    return [layout for layout in layouts if layout != "transposed"]


def _shapes(scope: Scope, min_rows: int, min_classes: int, few: bool) -> SearchStrategy[tuple[int, int]]:
    level = scope.level
    if scope.subject.retraces:
        menu = level.menu[: level.op_by_op_shapes] if few else level.shapes(scope.subject)
        return st.sampled_from([(n, c) for n, c in menu if n >= min_rows and c >= min_classes and scope.allows(n, c)])
    # Mostly small: a structural fault shows there, and a small failure is one a person can read.
    rows = st.one_of(
        st.integers(min_rows, max(5, min_rows)), st.sampled_from([n for n in level.rows if scope.allows(n, 1)])
    )
    small = st.integers(min_classes, max(12, min_classes))
    classes = st.one_of(small, st.sampled_from([c for c in level.classes if c >= min_classes and scope.allows(1, c)]))

    def within(shape: tuple[int, int]) -> tuple[int, int]:
        most = max(min_rows, level.cells // shape[1])
        return max(min_rows, min(shape[0], most)), shape[1]

    return st.tuples(rows, classes).map(within)
