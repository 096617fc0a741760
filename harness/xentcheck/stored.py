"""Failing cases as files of arrays: exact whatever becomes of the random streams, and however large.

An .npz file holds the arrays of the case's call by their names, bfloat16 as float32, and under `case` the token of all
that is no array.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from xentcheck.build import build_call
from xentcheck.cases import Case, Explicit, case_from_token
from xentcheck.randomness import Array
from xentcheck.values import Values
from xentcheck_adapters import BFLOAT16, Call


def call_arrays(call: Call) -> dict[str, Array]:
    """The arrays of a call, by name, in dtypes of NumPy's own."""
    given = call.arrays.items()
    return {name: array.astype(np.float32) if array.dtype == BFLOAT16 else array for name, array in given}


def packed_case(case: Case) -> bytes:
    """The contents of the file. Labels are those before a malformation, which is made anew."""
    buffer, call = io.BytesIO(), build_call(replace(case, malformed=None))
    token = replace(case, explicit=None, edits=()).token
    np.savez_compressed(buffer, allow_pickle=False, case=np.array(token), **call_arrays(call))
    return buffer.getvalue()


def stored_case(path: Path) -> Case:
    """The case in a file; ValueError if there is none."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: Values.of(file[name].astype(_wide(file[name]))) for name in file.files if name != "case"}
            case = case_from_token(str(file["case"]))
            return replace(case, explicit=Explicit(**arrays))
    except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"no case in {path}: {error}") from None


def _wide(array: Array) -> type:
    return np.int64 if array.dtype.kind in "iub" else np.float64
