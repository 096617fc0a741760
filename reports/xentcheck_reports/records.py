"""The schema of a record file: one run header, then one record per clause, subject, device and dtype."""

import re
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, NonNegativeFloat, NonNegativeInt, model_validator

from xentcheck_reports.status import Standing, Status

SCHEMA_VERSION = 5
READABLE_VERSIONS = (1, 2, 3, 4, 5)
"""Version 1 lacks accuracy, horizon and grade, version 2 the kind of clause and the choices, version 3 the scripts of
failures, version 4 versions, interpreters and what was found of callables: all are optional, so their files read as
they are."""

_LONGEST_NAME = 150


class _Model(BaseModel):
    # JSON has no infinities: they travel as the strings "Infinity", "-Infinity" and "NaN".
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


def _number_from_text(value: object) -> object:
    """Undo the string form of non-finite numbers where a plain string would be legal too."""
    return float(value) if value in ("Infinity", "-Infinity", "NaN") else value


RecordKey: TypeAlias = tuple[str, str, str, str]
"""Clause, subject, device, dtype."""


class Worst(_Model):
    """The comparison with the largest error relative to its bound, on a pass too."""

    ratio: float
    """|got − expected| / bound; above 1 the clause fails. May be infinite."""
    what: str
    """Which result: `loss`, `grad_logits` or `grad_labels`."""
    row: int | None = None
    column: int | None = None
    got: Annotated[float | str, BeforeValidator(_number_from_text)]
    expected: float
    bound: float
    """Largest error that an honest implementation may make at this element, in the units of `expected`."""
    term: str | None = None
    """The dominant term of the bound."""
    token: str
    """Replays the case."""


class Bitwise(_Model):
    """How many of the compared values were bit for bit equal to another subject's or another form's."""

    equal: NonNegativeInt
    of: NonNegativeInt
    against: str

    @model_validator(mode="after")
    def _equal_are_among_all(self) -> Self:
        if self.equal > self.of:
            raise ValueError(f"equal ({self.equal}) exceeds of ({self.of})")
        return self


class Precedent(_Model):
    """A known bug of another implementation, or of an earlier version, that the failing case is the trigger of."""

    name: str
    url: str


class Failure(_Model):
    """A failure as a person needs it: the shrunk input, what was allowed, what came, how to see it again."""

    summary: str
    case: str
    expected: str
    got: str
    replay: str
    detail: str | None = None
    precedents: list[Precedent] = []
    token: str | None = None
    """Replays the case; None where there is no case."""
    script: str | None = None
    """Python that shows the failure with the framework alone: it ends in AssertionError, or dies."""
    reproduced: bool | None = None
    """Whether the script, run once in a process of its own, ended so."""
    note: str | None = None
    """Why there is no script, or why the one there is shows nothing."""
    issue: str | None = None
    """The failure as the text of an issue, in Markdown."""


class Divergence(_Model):
    """A documented exception that the subject still shows."""

    reason: str
    link: str
    example: str
    versions: str


class Choice(_Model):
    """A subject's answer to one question of a policy, and what it is worth."""

    cell: str
    """The question."""
    answer: str
    usual: str
    """The answer that a person expects who has read only the contract."""
    standing: Standing
    promise: str | None = None
    """The answer that a document of the subject promises."""
    link: str | None = None
    note: str | None = None
    token: str
    """Replays the question."""


class Accuracy(_Model):
    """Errors of one result in one regime, over the rows of a survey.

    One ulp is the spacing of the dtype at the true value, not below that at its smallest normal number. The figures of
    the gradient are per row: the largest over the columns whose true value is a normal number.
    """

    regime: str
    what: Literal["loss", "grad_logits"]
    rows: NonNegativeInt
    max_ulp: float
    """Largest error in ulp; may be infinite."""
    p99_ulp: float
    max_ratio: float
    """Largest |got − expected| / bound; this and `p99_ratio` leave out cases that differ as a known divergence says."""
    p99_ratio: float
    known_rows: NonNegativeInt = 0
    """Rows of those cases."""
    zeros: NonNegativeInt
    """Rows returned as exactly 0 though the true value is a normal number of the dtype."""
    row: NonNegativeInt
    """The row that attained `max_ulp`, as are `got`, `expected` and `token`."""
    got: float
    expected: float
    token: str


class Horizon(_Model):
    """How small a loss may be and still be told, on rows whose label is the maximum by a growing gap, C = 10."""

    zero_below: NonNegativeFloat
    """Largest true loss returned as exactly 0; 0.0 if there is none."""
    accurate_above: NonNegativeFloat
    """Largest true loss whose relative error exceeds `tolerance`; the losses above it are accurate."""
    tolerance: float
    """Relative error: 1 % for float32 and float64, 5 % for the narrower dtypes."""
    token: str


class Grade(_Model):
    """The accuracy grade, `B-L` and so on: as recorded for this subject, and as measured; None where there is none."""

    recorded: str | None
    measured: str | None


class Record(_Model):
    """The evidence for one clause on one subject, device and dtype.

    Every status but `pass` must say why, by `reason`, `failure` or `divergences`; pydantic.ValidationError otherwise.
    """

    kind: Literal["result"] = "result"
    clause: str
    title: str
    family: str
    law: bool = True
    """Whether the clause binds everybody; a policy asks for a choice."""
    subject: str
    """Its name, with "@" and the interpreter if it ran in another one."""
    framework: str
    interpreter: str | None = None
    """What it ran in, if that was not the harness' own interpreter."""
    versions: dict[str, str] = {}
    """Of NumPy and the framework's packages, as the worker said; empty where none was started."""
    device: str
    dtype: str
    status: Status
    examples: NonNegativeInt = 0
    values: NonNegativeInt = 0
    """Elements compared."""
    worst: Worst | None = None
    bitwise: list[Bitwise] = []
    reason: str | None = None
    failure: Failure | None = None
    divergences: list[Divergence] = []
    choices: list[Choice] = []
    accuracy: list[Accuracy] = []
    horizon: Horizon | None = None
    grade: Grade | None = None
    probe: str | None = None
    """What was found of a callable that nobody described, in one line that begins with its name."""
    seconds: NonNegativeFloat = 0.0

    @property
    def key(self) -> RecordKey:
        """What one record is about; a later record with the same key supersedes it."""
        return (self.clause, self.subject, self.device, self.dtype)

    @property
    def file_name(self) -> str:
        """What files about the record are called, without their ending."""
        about = re.sub(r"[^\w.-]+", "-", "-".join(self.key[1:]))
        return f"{self.clause}-{about[-_LONGEST_NAME:]}"  # a subject's name may hold a whole path

    @model_validator(mode="after")
    def _says_why(self) -> Self:
        if self.status is not Status.PASS and not (self.reason or self.failure or self.divergences):
            raise ValueError(f"status {self.status} needs a reason, a failure or a divergence, got none")
        return self


class RunHeader(_Model):
    """What ran, when and where: the first line of a record file."""

    kind: Literal["run"] = "run"
    schema_version: int = SCHEMA_VERSION
    id: str
    started: int
    """Seconds since the epoch."""
    level: str
    seed: int
    command: str
    harness_version: str
    python: str
    platform: str
    processor: str
    versions: dict[str, dict[str, str]]
    """framework -> {package: version}"""
