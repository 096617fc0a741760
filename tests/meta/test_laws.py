"""Each law catches a fault of its own kind, and a function is judged by it as it is by the whole contract."""

from __future__ import annotations

from dataclasses import replace

import pytest

from xentcheck.clauses import CLAUSES
from xentcheck.faults import load_registry
from xentcheck.levels import LEVELS
from xentcheck.selftest.trial import Court
from xentcheck_reports import Status

NOT_SHRUNK = replace(LEVELS["quick"], shrink_seconds=0)
BY_NAME = {fault.name: fault for fault in load_registry().faults}
CAUGHT = (
    ("MET-1", "Softmax.no_maximum", "float32"),
    ("MET-2", "Softmax.last_class_dropped", "float32"),
    ("MET-3", "Softmax.odd_class_dropped", "float32"),
    ("MET-4", "Rows.odd_last_dropped", "float32"),
    ("MET-5", "Softmax.masked_is_nan", "float32"),
    ("MET-6", "Gradient.label_off", "float32"),
    ("MET-6", "ZLoss.not_doubled", "float32"),
    ("MET-7", "Gradient.label_not_subtracted", "float32"),
    ("MET-8", "Gradient.squared_error", "float32"),
    ("LAY-1", "Memory.gaps_read", "float32"),
    ("LAY-1", "Memory.labels_gaps_read", "float32"),
    ("LAY-1", "Memory.foreign_bytes", "float32"),
    ("LAY-1", "Memory.foreign_in_single", "float64"),
    ("LAY-2", "Memory.in_place", "float32"),
    ("LAY-3", "Memory.workspace", "float32"),
    ("DET-2", "Rows.depends_on_batch", "float32"),
    ("DET-3", "Rows.first_repeated", "float32"),
    ("NUM-2", "Softmax.of_magnitudes", "float32"),
    ("NUM-3", "Softmax.empty_tile_is_nan", "float32"),
    ("NUM-4", "Gradient.of_cleaned_logits", "float32"),
    ("NUM-5", "Softmax.subnormals_masked", "float32"),
    ("NUM-6", "Softmax.slightly_negative", "float32"),
    ("NUM-7", "Precision.half_sum", "float16"),
    ("NUM-8", "Mean.in_the_dtype", "float16"),
    ("NUM-9", "Softmax.loss_capped", "float32"),
)


@pytest.mark.parametrize(("clause", "fault", "dtype"), CAUGHT)
def test_a_law_catches_its_fault(court: Court, clause: str, fault: str, dtype: str) -> None:
    subject = court.summon(BY_NAME[fault].spec, dtype)
    record, _ = court.judge(CLAUSES[clause], subject, dtype, NOT_SHRUNK)
    assert record.status is Status.FAIL
