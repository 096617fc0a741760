"""The guard: whether kernels that are made of vectors still are.

A compiler that takes the scalar way round, or a dispatch that chooses it, computes the same and says nothing; only time
tells. So each is held against the loss as a scalar loop, in turn in one run, where the logits stay in the caches: it
must be faster by a share of as many times as its vectors have lanes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xentcheck.known import known_subjects
from xentcheck.selection import missing_modules
from xentcheck_adapters import Subject, roofline
from xentcheck_adapters.workload import Workload
from xentcheck_reports import Speeds

# Between what is measured (wide dtypes with class indices: 0.75 to 4 of the lanes; rows of labels and bfloat16: 0.25 to
# 1.6, the least where no instruction converts 16 bits) and a fifth of it: so much the cheapest detour has cost.
_WIDE_SHARE, _OTHER_SHARE = 1 / 2, 1 / 5
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
        is_wide = setting.labels == "index" and setting.dtype != "bfloat16"
        share = _WIDE_SHARE if is_wide else _OTHER_SHARE
        for line in lines:
            scalar = line.timings[roofline.SCALAR.name].multiple or 0.0
            for subject in subjects:
                timing, lanes = line.timings.get(subject.name), subject.vector_bytes // _LANE_BYTES[setting.dtype]
                if lanes and timing and timing.multiple and scalar / timing.multiple < share * lanes:
                    told = f"{scalar / timing.multiple:.2g} times as fast as a scalar loop"
                    due = f"expected at least {share * lanes:g} of vectors of {lanes} lanes"
                    yield f"{subject.name}, {line.label}, {setting.dtype}, {setting.labels} labels: {told}, {due}"
