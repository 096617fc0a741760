"""The guard: whether kernels that are made of vectors still are.

A compiler that takes the scalar way round, or a dispatch that chooses it, computes the same and says nothing; only time
tells. So each is held against the loss as a scalar loop, in turn in one run, where the logits stay in the caches: it
must be faster by a quarter as many times as its vectors have lanes. Measured, it is so by a third of them, with rows of
labels and the vectors of any processor, to twice all of them, with class indices and AVX-512.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xentcheck.known import known_subjects
from xentcheck.selection import missing_modules
from xentcheck_adapters import Subject, roofline
from xentcheck_adapters.workload import Workload
from xentcheck_reports import Speeds

_SHARE = 1 / 4
_LANE_BYTES = {"bfloat16": 4, "float32": 4, "float64": 8}  # of the arithmetic
_ROWS, _CLASSES = 256, 1000


def guarded() -> list[Subject]:
    """Every installed subject whose vectors are known, and the scalar loop."""
    everybody = known_subjects().values()
    return [*(one for one in everybody if one.vector_bytes and not missing_modules(one)), roofline.SCALAR]


def workloads() -> list[Workload]:
    """Both kinds of labels, forward and with gradient, in every dtype that the scalar loop has."""
    return [
        Workload(_ROWS, _CLASSES, dtype, labels, gradient, warm=True)
        for dtype in roofline.SCALAR.dtypes
        for labels in roofline.SCALAR.labels
        for gradient in (False, True)
    ]


def accusations(speeds: Speeds, subjects: Sequence[Subject]) -> Iterator[str]:
    """A line for each subject that is too slow for its vectors."""
    for setting, lines in speeds.tables.items():
        for line in lines:
            scalar = line.timings[roofline.SCALAR.name].multiple or 0.0
            for subject in subjects:
                timing, lanes = line.timings.get(subject.name), subject.vector_bytes // _LANE_BYTES[setting.dtype]
                if lanes and timing and timing.multiple and scalar / timing.multiple < _SHARE * lanes:
                    told = f"{scalar / timing.multiple:.2g} times as fast as a scalar loop"
                    due = f"expected at least {_SHARE * lanes:g} of vectors of {lanes} lanes"
                    yield f"{subject.name}, {line.label}, {setting.dtype}, {setting.labels} labels: {told}, {due}"
