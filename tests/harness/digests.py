"""Prints the digests of a fixed set of built cases as JSON. `python digests.py > digests.json` renews the golden file,
which is right only where a change of the drawn values is intended: it makes old tokens replay other cases."""

from __future__ import annotations

import hashlib
import json

from xentcheck.build import EXTREME_UPSTREAMS, UPSTREAMS, VECTORS, build_call
from xentcheck.cases import EDITS, Case, Edit
from xentcheck.malformed import SOFT, WRONG_DTYPES, WRONG_SHAPES
from xentcheck.regimes import HORIZON, PROBABILITY_REGIMES, REGIMES, TILED
from xentcheck.soft_labels import DISTRIBUTIONS, NOT_DISTRIBUTIONS, SURVEYED
from xentcheck_adapters import FLOAT_DTYPES

PLAIN = Case(rows=5, classes=37, seed=2**32 - 5)


def fixed_cases() -> dict[str, list[Case]]:
    """Cases by what they vary."""
    regimes = (*REGIMES, HORIZON, TILED, *PROBABILITY_REGIMES)
    kinds = dict.fromkeys((*DISTRIBUTIONS, *NOT_DISTRIBUTIONS, *SURVEYED))
    return {
        **{f"regime {name}": [_case(regime=name, dtype=dtype) for dtype in FLOAT_DTYPES] for name in regimes},
        **{f"labels {kind}": [_case(labels=kind, dtype=dtype) for dtype in FLOAT_DTYPES] for kind in kinds},
        **{f"upstream {kind}": [_case(upstream=kind), _case(upstream=kind, reduction="mean")] for kind in UPSTREAMS},
        **{
            f"upstream {kind}": [_case(upstream=kind, dtype=dtype) for dtype in FLOAT_DTYPES]
            for kind in EXTREME_UPSTREAMS
        },
        **{f"vector {kind}": [_case(vector=kind)] for kind in VECTORS},
        **{f"focus {focus}": [_case(focus=focus)] for focus in ("anywhere", "first", "last", "edge", "sweep")},
        **{f"edit {value}": [_case(edits=(Edit(1, 40, value),))] for value in EDITS},
        **{f"malformed {kind}": [_case(malformed=kind)] for kind in (*SOFT, *WRONG_DTYPES, *WRONG_SHAPES)},
        "weights": [_case(weighted=True, seed=seed) for seed in range(4)],
        "ignored": [_case(ignore_index=3, ignored=some, poison="nan") for some in ("none", "some", "all")],
    }


def _case(**fields: object) -> Case:
    return Case(**{**vars(PLAIN), **fields})


def digest(cases: list[Case]) -> str:
    """SHA-256 over dtype, shape and bytes of every array of the cases' calls."""
    total = hashlib.sha256()
    for case in cases:
        call = build_call(case)
        for array in (call.logits, call.labels, call.weight, call.upstream, call.vector):
            if array is not None:
                total.update(f"{array.dtype.name}{array.shape}".encode() + array.tobytes())
    return total.hexdigest()


if __name__ == "__main__":
    print(json.dumps({name: digest(cases) for name, cases in fixed_cases().items()}, indent=1))
