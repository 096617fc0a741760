"""Levels: how much is drawn. Detection grows with examples and sizes; the clauses and the bounds are the same."""

from __future__ import annotations

from dataclasses import dataclass

from xentcheck_adapters import FLOAT_DTYPES, Subject

_SMALL_CLASSES = tuple(range(2, 13))
_EDGE_CLASSES = (1, 16, 17, 31, 33, 64, 65, 100, 127, 128, 129, 255, 257, 513, 1000, 1023, 1024, 1025)
_LONG_CLASSES = (2049, 4095, 4096, 4097)
_VOCABULARY_CLASSES = (32000, 50257)
_LARGEST_CLASSES = (128256, 262144)
_SURVEY_CLASSES = (1, 2, 100, 1023, 1024, 1025, *_LONG_CLASSES[1:], *_VOCABULARY_CLASSES)


@dataclass(frozen=True)
class Level:
    """
    unknown_examples, known_examples, compiled_examples  cases per clause, subject and dtype: for subjects that nobody
                        described, for the others, and for those that compile anew for each shape
    menu                the shapes (N, C) drawn for the latter
    op_by_op_shapes     how many of them for an eager mode, which compiles every operation by itself
    classes, rows       further sizes, beside small ones; cells: the largest N·C
    shrink_seconds      how long a failure is shrunk as it was drawn, and as long again with its arrays in hand
    failures_in_full    how many clauses that fail are shrunk so, and proved by a script, where a verdict is all that a
                        person waits for; None for all of them
    described_dtypes    the dtypes in which a subject is judged that somebody described; a stranger is in all of its own
    survey              the shapes (N, C) in which every regime is surveyed; the first one is calibrated for
    survey_classes, compiled_survey_classes  further C, of a few rows each, for regimes whose errors grow with C
    compiled_dtypes     those of a subject that compiles anew for each shape, or that computes another one's function
    compiled_variant_dtypes  those of a subject that does both
    slow_policy_dtypes  those in which a subject whose compilations take seconds is asked for its choices
    variant_policies    whether a subject that computes another one's function is asked for its choices
    slow_trace_options  whether such a subject is judged with reductions and other arguments
    own_programs, slow_own_programs  whether a subject that compiles, or one whose compilations take seconds, is judged
                        by clauses that need programs of their own
    """

    name: str
    unknown_examples: int
    known_examples: int
    compiled_examples: int
    menu: tuple[tuple[int, int], ...]
    op_by_op_shapes: int
    classes: tuple[int, ...]
    rows: tuple[int, ...]
    cells: int
    shrink_seconds: float
    survey: tuple[tuple[int, int], ...]
    survey_classes: tuple[int, ...] = ()
    compiled_survey_classes: tuple[int, ...] = ()
    failures_in_full: int | None = None
    described_dtypes: tuple[str, ...] = FLOAT_DTYPES
    compiled_dtypes: tuple[str, ...] = FLOAT_DTYPES
    compiled_variant_dtypes: tuple[str, ...] = FLOAT_DTYPES
    slow_policy_dtypes: tuple[str, ...] = ("float32",)
    variant_policies: bool = True
    slow_trace_options: bool = True
    own_programs: bool = True
    slow_own_programs: bool = True

    def examples(self, subject: Subject) -> int:
        """How many cases to draw for a clause."""
        if subject.retraces:
            return self.compiled_examples
        return self.known_examples if subject.described else self.unknown_examples

    def shapes(self, subject: Subject) -> tuple[tuple[int, int], ...]:
        """The shapes drawn for a subject that compiles anew for each."""
        return self.menu[: self.op_by_op_shapes] if subject.mode == "eager" else self.menu

    def sizes(self, subject: Subject) -> tuple[int, ...]:
        """The further numbers of classes surveyed for a subject."""
        return self.compiled_survey_classes if subject.retraces else self.survey_classes

    def dtypes(self, subject: Subject, *, policy: bool = False) -> tuple[str, ...]:
        """The dtypes in which a subject is judged, or asked for a choice, unless a person asks for others."""
        if policy and subject.slow_traces:
            return self.slow_policy_dtypes
        if subject.retraces and subject.variant_of:
            return self.compiled_variant_dtypes
        if subject.retraces or subject.variant_of:
            return self.compiled_dtypes
        return self.described_dtypes if subject.described else FLOAT_DTYPES

    def postpones(self, subject: Subject, *, options: bool, programs: bool, policy: bool) -> str | None:
        """Why a clause that needs options, or programs of its own, or that asks for choices, is left to a deeper level;
        None if it is not."""
        if policy and subject.variant_of and not self.variant_policies:
            return f"{subject.variant_of}, whose function it computes, is asked for its choices"
        own_programs = self.slow_own_programs if subject.slow_traces else self.own_programs
        # What nobody described is one subject among few, and no deeper level is known to be run on it
        costly = subject.described and subject.retraces and programs and not own_programs
        if costly or (subject.slow_traces and options and not self.slow_trace_options):
            return "each shape or argument costs a compilation"
        return None


LEVELS = {
    level.name: level
    for level in (
        Level(
            name="quick",
            unknown_examples=100,
            known_examples=8,
            compiled_examples=5,
            menu=((4, 7), (2, 130)),
            op_by_op_shapes=1,
            classes=_SMALL_CLASSES + _EDGE_CLASSES + _LONG_CLASSES,
            rows=(1, 2, 3, 4, 5, 8, 33, 257),
            cells=1 << 14,
            shrink_seconds=10,
            survey=((256, 10),),
            failures_in_full=3,
            described_dtypes=("float32",),
            compiled_dtypes=("float32",),
            compiled_variant_dtypes=("float32",),
            variant_policies=False,
            slow_trace_options=False,
            own_programs=False,
            slow_own_programs=False,
        ),
        Level(
            name="standard",
            unknown_examples=300,
            known_examples=12,
            compiled_examples=6,
            menu=((4, 7), (33, 10), (3, 130), (2, 4097)),
            op_by_op_shapes=2,
            classes=_SMALL_CLASSES + _EDGE_CLASSES + _LONG_CLASSES + _VOCABULARY_CLASSES,
            rows=(1, 2, 3, 4, 5, 8, 16, 17, 33, 64, 257, 1025),
            cells=1 << 17,
            shrink_seconds=60,
            survey=((256, 10), (64, 1000)),
            survey_classes=(2, 1025, 4097, 50257),
            compiled_survey_classes=(50257,),
            compiled_dtypes=("float32", "bfloat16"),
            compiled_variant_dtypes=("float32",),
            slow_own_programs=False,
        ),
        Level(
            name="nightly",
            unknown_examples=2000,
            known_examples=400,
            compiled_examples=120,
            menu=((4, 7), (1, 2), (33, 10), (3, 130), (5, 1025), (2, 4097), (257, 100), (2, 50257)),
            op_by_op_shapes=8,
            classes=_SMALL_CLASSES + _EDGE_CLASSES + _LONG_CLASSES + _VOCABULARY_CLASSES + _LARGEST_CLASSES,
            rows=(1, 2, 3, 4, 5, 8, 16, 17, 33, 64, 257, 1025, 4097),
            cells=1 << 19,
            shrink_seconds=300,
            # Rows by the ten thousand: a bound that an honest subject exceeds once in a million rows shows.
            survey=((256, 10), (64, 1000), (4096, 10), (8192, 2)),
            survey_classes=_SURVEY_CLASSES + _LARGEST_CLASSES,
            compiled_survey_classes=(50257, 262144),
            slow_policy_dtypes=FLOAT_DTYPES,
        ),
    )
}
