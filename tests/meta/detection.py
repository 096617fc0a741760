"""The detection study: `python tests/meta/detection.py --save FIGURES.json` measures what each rule sees of injected
faults once it accuses nobody honest, and prints the tables."""

from __future__ import annotations

import argparse
import json
import os
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

# One thread, so that the figures do not depend on the machine's cores; set before a framework reads it.
os.environ |= {"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}

from study.figures import figures
from study.markdown import markdown
from study.run import Plan, observe

LEARNED_ON, HELD_OUT = range(2), range(100, 102)
DTYPES = ("float32", "bfloat16")


def main() -> None:
    """Run the study, save its figures and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--save", type=Path, required=True, help="where the figures go, as JSON")
    path = parser.parse_args().save
    plans = [Plan(dtype, LEARNED_ON, HELD_OUT) for dtype in DTYPES]
    dtypes = {plan.dtype: figures(plan, observe(plan, _say)) for plan in plans}
    found = _rounded({"versions": _versions(), "dtypes": dtypes})
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(markdown(found))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _versions() -> dict[str, str]:
    found = {}
    for name in ("numpy", "torch", "tensorflow-cpu", "tensorflow", "jax", "optax"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _rounded(value: Any) -> Any:
    """Four significant digits are more than another machine would repeat."""
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_rounded(v) for v in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


if __name__ == "__main__":
    main()
