"""Adapters: how each framework's softmax cross-entropy is called. Knows no oracle and no other room.

This package also runs inside worker interpreters of other environments, so it needs NumPy alone and Python 3.9.
"""

from xentcheck_adapters.call import CALL_ARRAYS, REDUCTIONS, WEIGHTED_MEAN, Array, Call
from xentcheck_adapters.dtypes import BFLOAT16, FLOAT_DTYPES, dtype_name, dtype_named
from xentcheck_adapters.layout import LAYOUTS
from xentcheck_adapters.outcome import (
    Crashed,
    NotInVersion,
    Outcome,
    OutOfMemory,
    Refused,
    Returned,
    TimedOut,
    Unavailable,
)
from xentcheck_adapters.registry import adapter_module, built_in_subjects, is_spec, subject_from_spec
from xentcheck_adapters.subject import Precision, Subject

__all__ = [
    "BFLOAT16",
    "CALL_ARRAYS",
    "FLOAT_DTYPES",
    "LAYOUTS",
    "REDUCTIONS",
    "WEIGHTED_MEAN",
    "Array",
    "Call",
    "Crashed",
    "NotInVersion",
    "OutOfMemory",
    "Outcome",
    "Precision",
    "Refused",
    "Returned",
    "Subject",
    "TimedOut",
    "Unavailable",
    "adapter_module",
    "built_in_subjects",
    "dtype_name",
    "dtype_named",
    "is_spec",
    "subject_from_spec",
]
