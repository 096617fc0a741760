"""The accuracy atlas as data: errors by subject and regime, horizons and grades, folded from the records by dtype."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from xentcheck_reports.records import Accuracy, Grade, Horizon, Record

Result: TypeAlias = Literal["loss", "grad_logits"]


def mark(accuracy: Accuracy) -> str | None:
    """What a number of ulp does not tell: `NaN`, `∞`, or `→0` for a value that is not zero; None where it tells all.

    `→0` stands even where another row errs by more ulp: that a value vanished is the worse news.
    """
    got, expected = accuracy.got, accuracy.expected
    if math.isnan(accuracy.max_ulp) or (math.isnan(got) and not math.isnan(expected)):
        return "NaN"
    if math.isinf(accuracy.max_ulp) or (math.isinf(got) and not math.isinf(expected)):
        return "∞"  # a survey may count infinity as the first value that overflows, which is a finite number of ulp
    return "→0" if accuracy.zeros else None


@dataclass
class AtlasRow:
    """One subject on one device in one dtype."""

    label: str
    """The subject, with its device where the atlas has several."""
    framework: str
    dtype: str
    replay: str = ""
    """The command that shows a row again, but for its token."""
    cells: dict[tuple[str, Result], Accuracy] = field(default_factory=dict)
    """By regime and result."""
    horizon: Horizon | None = None
    grade: Grade | None = None

    @property
    def grade_text(self) -> str:
        """The measured grade, and the recorded one where it differs: `C-L (recorded B-L)`. A level without long sums
        measures none: there the recorded one, which the cases were held to."""
        measured, recorded = (self.grade.measured, self.grade.recorded) if self.grade else (None, None)
        if not (measured and recorded) or measured == recorded:
            return measured or recorded or ""
        return f"{measured} (recorded {recorded})"

    @property
    def regimes(self) -> list[str]:
        """Those with a measured result, in the order of the records."""
        return list(dict.fromkeys(regime for regime, _ in self.cells))


@dataclass(frozen=True)
class DtypeAtlas:
    """Subjects by regimes in one dtype."""

    dtype: str
    regimes: tuple[str, ...]
    rows: tuple[AtlasRow, ...]


@dataclass(frozen=True)
class Atlas:
    """All dtypes, narrow ones first; the subjects of one framework stand together."""

    dtypes: tuple[DtypeAtlas, ...]
    horizons: tuple[AtlasRow, ...]
    """The rows that have one, of all dtypes."""


_NARROW_FIRST = ("bfloat16", "float16", "float32", "float64")


def accuracy_atlas(records: Iterable[Record]) -> Atlas | None:
    """Fold the accuracy, horizon and grade of `records`; None where no record measured an accuracy or a horizon.

    Frameworks, subjects and regimes keep the order in which the records name them.
    """
    held = [record for record in records if record.accuracy or record.horizon or record.grade]
    several_devices = len({record.device for record in held}) > 1
    rows: dict[tuple[str, str, str], AtlasRow] = {}
    for record in held:
        key = (record.subject, record.device, record.dtype)
        if key not in rows:
            label = f"{record.subject}@{record.device}" if several_devices else record.subject
            rows[key] = AtlasRow(label, record.framework, record.dtype)
        row = rows[key]
        if record.accuracy or record.horizon:
            row.replay = f"xentcheck replay {record.clause} {record.subject} --device={record.device}"
        row.cells |= {(one.regime, one.what): one for one in record.accuracy}
        row.horizon = record.horizon or row.horizon
        row.grade = record.grade or row.grade
    measured = [row for row in rows.values() if row.cells or row.horizon]
    frameworks = list(dict.fromkeys(row.framework for row in measured))
    labels = list(dict.fromkeys(row.label for row in measured))
    measured.sort(key=lambda row: (frameworks.index(row.framework), labels.index(row.label), dtype_place(row.dtype)))
    if not measured:
        return None
    dtypes = sorted({row.dtype for row in measured if row.cells}, key=dtype_place)
    return Atlas(
        dtypes=tuple(_of_dtype(dtype, measured) for dtype in dtypes),
        horizons=tuple(row for row in measured if row.horizon),
    )


def _of_dtype(dtype: str, rows: Iterable[AtlasRow]) -> DtypeAtlas:
    mine = tuple(row for row in rows if row.dtype == dtype and row.cells)
    return DtypeAtlas(dtype, tuple(dict.fromkeys(regime for row in mine for regime in row.regimes)), mine)


def dtype_place(dtype: str) -> tuple[int, str]:
    """Sorts dtypes narrow first, unknown ones last."""
    return (_NARROW_FIRST.index(dtype) if dtype in _NARROW_FIRST else len(_NARROW_FIRST), dtype)
