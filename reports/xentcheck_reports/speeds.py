"""The schema of a benchmark: how long each contender took in each round, beside the roofline of the same round."""

from contextlib import suppress
from math import inf
from pathlib import Path
from statistics import median
from typing import Literal, NamedTuple, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from xentcheck_reports.files import RecordFileError, read_document, write_atomically
from xentcheck_reports.numbers import multiple_text, plural, time_text
from xentcheck_reports.records import RunHeader

SPEEDS = "bench.json"
NOT_TIMED = "✗"
_OVERHEAD = 1e-6
"""Seconds. To call a function from Python takes as long: where the roofline is lower, a multiple of it says nothing."""


class Setting(NamedTuple):
    """What the rows of one table have in common."""

    threads: int
    dtype: str
    labels: str
    warm: bool

    @property
    def title(self) -> str:
        """`float32, index labels, 1 thread, warm outputs`"""
        threads = f"{self.threads} thread{'' if self.threads == 1 else 's'}"
        return f"{self.dtype}, {self.labels} labels, {threads}, {'warm' if self.warm else 'fresh'} outputs"


class Shape(NamedTuple):
    """N and C of the logits."""

    rows: int
    classes: int

    def __str__(self) -> str:
        return f"{self.rows} × {self.classes}"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Timing(_Model):
    """One contender at one shape."""

    subject: str
    framework: str
    dtype: str
    labels: Literal["index", "dense"]
    rows: PositiveInt
    classes: PositiveInt
    gradient: bool
    """Loss and gradient; the loss alone otherwise."""
    warm: bool
    """Results went into memory that was in use before: given by the caller where the API has a place for them, else
    kept by the allocator. Otherwise as called by default."""
    threads: PositiveInt
    seconds: list[PositiveFloat] = []
    """Of the fastest call of each round: the process' own time with one thread, by the clock on the wall with more."""
    roofline: list[PositiveFloat] = []
    """The same of the fastest ruler in the same rounds."""
    first_seconds: NonNegativeFloat | None = None
    """Of the first call, with what the API compiles for it."""
    reason: str | None = None
    """Why it was not timed."""

    @property
    def setting(self) -> Setting:
        """The table it belongs to."""
        return Setting(self.threads, self.dtype, self.labels, self.warm)

    @property
    def shape(self) -> Shape:
        """The row of the table."""
        return Shape(self.rows, self.classes)

    @property
    def multiple(self) -> float | None:
        """Median over the rounds of the time as a multiple of the roofline; None if it was not timed."""
        return median(a / b for a, b in zip(self.seconds, self.roofline, strict=True)) if self.seconds else None

    @model_validator(mode="after")
    def _is_measured_or_says_why(self) -> Self:
        if len(self.seconds) != len(self.roofline):
            raise ValueError(f"{len(self.seconds)} rounds of the contender, {len(self.roofline)} of the roofline")
        if len({not self.seconds, self.first_seconds is None, bool(self.reason)}) != 1:
            raise ValueError("a timing has either seconds, with those of the first call, or a reason why not")
        return self


class Line(NamedTuple):
    """One shape with or without gradient in one setting: what stands beside each other."""

    shape: Shape
    gradient: bool
    timings: dict[str, Timing]
    """By subject."""

    @property
    def label(self) -> str:
        """`8192 × 1000, loss and gradient`"""
        return f"{self.shape}, {'loss and gradient' if self.gradient else 'forward'}"

    @property
    def measured(self) -> list[Timing]:
        """Those with a time, the fastest first."""
        return sorted((one for one in self.timings.values() if one.seconds), key=lambda one: one.multiple or 0)

    @property
    def roofline_seconds(self) -> float:
        """The best of all rounds; infinite if nobody was timed."""
        return min((min(one.roofline) for one in self.measured), default=inf)

    @property
    def is_overhead(self) -> bool:
        """Whether it is about the cost of a call rather than that of memory."""
        return self.roofline_seconds < _OVERHEAD

    @property
    def elements_per_second(self) -> float | None:
        """Of the fastest contender in its best round."""
        fastest = self.measured[:1]
        return self.shape.rows * self.shape.classes / min(fastest[0].seconds) if fastest else None

    @property
    def lead(self) -> tuple[Timing, Timing, float] | None:
        """The fastest contender, the fastest one of another framework, and how many times as long that takes; None if
        there are not two frameworks."""
        for first in self.measured[:1]:
            for second in self.measured:
                if second.framework != first.framework and first.multiple and second.multiple:
                    return first, second, second.multiple / first.multiple
        return None

    def text_of(self, subject: str) -> str:
        """The multiple of a subject, or its time where the roofline is none to compare with; empty if none was due."""
        timing = self.timings.get(subject)
        if timing is None:
            return ""
        if timing.multiple is None:
            return NOT_TIMED
        return time_text(min(timing.seconds)) if self.is_overhead else multiple_text(timing.multiple)

    @property
    def lead_text(self) -> str:
        """`kernels.avx512: 2.30 times as fast as optax.int.jit`"""
        if not self.lead:
            return ""
        first, second, times = self.lead
        return f"{first.subject}: {multiple_text(times)} times as fast as {second.subject}"


class Speeds(_Model):
    """A benchmark, whole or as far as it came."""

    header: RunHeader
    """Its level is `bench`, and it has no seed."""
    rounds: PositiveInt
    due: int
    """How many timings were to be made."""
    timings: list[Timing]

    @property
    def summary(self) -> str:
        """`3 contenders in 84 timings; the closest to the roofline is kernels.avx512, at 1.12 times it`"""
        lines = [line for of_setting in self.tables.values() for line in of_setting if not line.is_overhead]
        contenders = {one.subject for one in self.timings if one.seconds}
        told = f"{plural(len(contenders), 'contender')} in {plural(len(self.timings), 'timing')}"
        best = min((one for line in lines for one in line.measured), key=lambda one: one.multiple or inf, default=None)
        if not best or not best.multiple:
            return told
        return f"{told}; the closest to the roofline is {best.subject}, at {multiple_text(best.multiple)} times it"

    @property
    def tables(self) -> dict[Setting, list[Line]]:
        """Lines by setting, both in the order of the timings."""
        tables: dict[Setting, dict[tuple[Shape, bool], Line]] = {}
        for one in self.timings:
            lines = tables.setdefault(one.setting, {})
            line = lines.setdefault((one.shape, one.gradient), Line(one.shape, one.gradient, {}))
            line.timings[one.subject] = one
        return {setting: list(lines.values()) for setting, lines in tables.items()}


def subjects_of(lines: list[Line]) -> list[str]:
    """The contenders of a table, each once."""
    return list(dict.fromkeys(name for line in lines for name in line.timings))


def write_speeds(speeds: Speeds, directory: Path | str) -> Path:
    """Write `bench.json` into `directory` and return its path. Raises ReportWriteError."""
    path = Path(directory) / SPEEDS
    write_atomically(path, speeds.model_dump_json(indent=1, exclude_defaults=True) + "\n")
    return path


def read_speeds(path: Path | str) -> Speeds:
    """Read a benchmark; RecordFileError, with the file and the cause, if it is none."""
    return read_document(path, Speeds, "benchmark")


def speeds_in(directory: Path | str) -> Speeds | None:
    """The benchmark that `xentcheck bench` of this version left in a directory; None if there is none."""
    with suppress(RecordFileError):
        return read_speeds(Path(directory) / SPEEDS)
    return None
