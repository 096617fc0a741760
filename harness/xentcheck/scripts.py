"""Scripts that prove a defect: run in a fresh process, and judged by how they end.

Such a script prints what came and what is right, and its last line asserts that they agree: it fails with
AssertionError (or by a signal) as long as the defect is there, and passes once it is mended.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MOST_LINES = 15
_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu"}


@dataclass(frozen=True)
class ScriptRun:
    """How a script went: what it printed, and the exception or signal that ended it ("" if none did)."""

    output: str
    ended: str


def shows_the_defect(ended: str) -> bool:
    """Whether a script that ended so failed as a proof does, and not for want of a framework."""
    return ended == "AssertionError" or ended in signal.Signals.__members__


def run_text(
    script: str,
    environment: Mapping[str, str],
    *,
    seconds: float,
    interpreter: str = sys.executable,
    folder: Path | None = None,
) -> ScriptRun:
    """Run a script with the installed frameworks, in a folder if one is given. Raises subprocess.TimeoutExpired."""
    done = subprocess.run(
        [interpreter, "-W", "ignore", "-c", script.strip()],
        env={**os.environ, **_QUIET, **environment},
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=seconds,
    )
    return ScriptRun(done.stdout.rstrip(), _end(done.returncode, done.stderr, script))


def _end(code: int, errors: str, script: str) -> str:
    if code < 0:
        return signal.Signals(-code).name
    if code == 0:
        return ""
    told = errors.strip().splitlines()
    error = told[-1].split(":")[0]
    deepest = [line.strip() for line in told if line.strip().startswith("File ")][-1:]
    # an assertion of the framework's own is another failure than the script's last line
    last_line = f'File "<string>", line {len(script.strip().splitlines())}, in <module>'
    return error if deepest == [last_line] or error != "AssertionError" else "AssertionError elsewhere"
