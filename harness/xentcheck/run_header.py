"""The header of a run: what ran, when, where and with which versions."""

from __future__ import annotations

import platform
import shlex
import sys
import time
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from uuid import uuid4

from xentcheck.installed import versions_of
from xentcheck_adapters import Subject
from xentcheck_reports import SCHEMA_VERSION, RunHeader


def run_header(*, level: str, seed: int, command: Sequence[str], subjects: Iterable[Subject]) -> RunHeader:
    """The header of a run on the subjects that starts now, on this machine."""
    return RunHeader(
        schema_version=SCHEMA_VERSION,
        id=uuid4().hex[:12],
        started=int(time.time()),
        level=level,
        seed=seed,
        command=shlex.join(command),
        harness_version=metadata.version("xentcheck"),
        python=platform.python_version(),
        platform=platform.platform(),
        processor=_processor(),
        versions=_versions(subjects),
    )


def _versions(subjects: Iterable[Subject]) -> dict[str, dict[str, str]]:
    """Versions of what is installed here; another interpreter's are those that its worker says."""
    found: dict[str, dict[str, str]] = {}
    for subject in (subject for subject in subjects if subject.interpreter is None):
        versions = versions_of(subject.requires)
        if versions.keys() == {module.partition(".")[0] for module in subject.requires}:
            found.setdefault(subject.framework, {}).update(versions)
    return found


def _processor() -> str:
    """The processor's name: `platform.processor()` is empty on most Linux systems."""
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
