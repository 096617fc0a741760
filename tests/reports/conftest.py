"""Builders: a record or a run header with every field filled in, of which a test names only what it is about."""

from collections.abc import Callable
from itertools import product

import pytest

from xentcheck_reports import Accuracy, Failure, Grade, Horizon, Record, Run, RunHeader, Worst


@pytest.fixture
def record() -> Callable[..., Record]:
    def build(**fields: object) -> Record:
        given = {
            "clause": "IGN-1",
            "title": "Ignored rows have exactly zero loss",
            "family": "ignore label",
            "subject": "numpy.plain",
            "framework": "numpy",
            "device": "cpu",
            "dtype": "float32",
            "status": "pass",
            "examples": 40,
            "values": 4000,
        } | fields
        if given["status"] != "pass":
            given.setdefault("reason", "the test says so")
        return Record.model_validate(given)

    return build


@pytest.fixture
def header() -> Callable[..., RunHeader]:
    def build(**fields: object) -> RunHeader:
        given = {
            "id": "run-1",
            "started": 1_700_000_000,
            "level": "quick",
            "seed": 7,
            "command": "pytest --backend=numpy",
            "harness_version": "0.1.0",
            "python": "3.11.2",
            "platform": "Linux",
            "processor": "a processor",
            "versions": {"numpy": {"numpy": "2.4.6"}},
        } | fields
        return RunHeader.model_validate(given)

    return build


@pytest.fixture
def run(header: Callable[..., RunHeader]) -> Callable[..., Run]:
    def build(*records: Record, **header_fields: object) -> Run:
        return Run(header(**header_fields), records)

    return build


@pytest.fixture
def worst() -> Callable[..., Worst]:
    def build(**fields: object) -> Worst:
        given = {"ratio": 0.5, "what": "loss", "row": 3, "got": 1.0, "expected": 1.0, "bound": 1e-6, "token": "x1.abc"}
        return Worst.model_validate(given | fields)

    return build


@pytest.fixture
def failure() -> Callable[..., Failure]:
    def build(**fields: object) -> Failure:
        given = {
            "summary": "the loss of an ignored row is not zero",
            "case": "logits = [[0.0, 1.0]]\nlabels = [-1]",
            "expected": "0 exactly",
            "got": "1.3132617",
            "replay": "xentcheck replay x1.abc",
        }
        return Failure.model_validate(given | fields)

    return build


@pytest.fixture
def accuracy() -> Callable[..., Accuracy]:
    def build(**fields: object) -> Accuracy:
        given = {
            "regime": "normal",
            "what": "loss",
            "rows": 200,
            "max_ulp": 3.0,
            "p99_ulp": 2.0,
            "max_ratio": 0.5,
            "p99_ratio": 0.25,
            "zeros": 0,
            "row": 3,
            "got": 1.0,
            "expected": 1.0,
            "token": "x1.abc",
        }
        return Accuracy.model_validate(given | fields)

    return build


@pytest.fixture
def horizon() -> Callable[..., Horizon]:
    def build(**fields: object) -> Horizon:
        given = {"zero_below": 5e-7, "accurate_above": 5e-5, "tolerance": 0.01, "token": "x1.horizon"}
        return Horizon.model_validate(given | fields)

    return build


@pytest.fixture
def contrast() -> Callable[[str, str], float]:
    """Contrast ratio of two colours in hexadecimal digits, WCAG 2.2."""

    def luminance(colour: str) -> float:
        digits = colour if len(colour) == 6 else "".join(digit * 2 for digit in colour)
        channels = (int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
        red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    def ratio(one: str, other: str) -> float:
        darker, lighter = sorted((luminance(one), luminance(other)))
        return (lighter + 0.05) / (darker + 0.05)

    return ratio


@pytest.fixture
def surveyed(
    record: Callable[..., Record], accuracy: Callable[..., Accuracy], horizon: Callable[..., Horizon]
) -> Callable[..., list[Record]]:
    """Records of a survey: every regime in both results, a horizon and a grade, for every subject in four dtypes."""

    def build(subjects: int = 3, regimes: int = 4) -> list[Record]:
        records = []
        for subject, dtype in product(range(subjects), ("bfloat16", "float16", "float32", "float64")):
            errors = [
                accuracy(
                    regime=f"regime {regime}",
                    what=what,
                    max_ulp=1.7 ** (subject + regime),
                    zeros=regime == 1,
                    token=f"x1.{subject}{regime}{what}" + "a" * 40,
                )
                for regime, what in product(range(regimes), ("loss", "grad_logits"))
            ]
            of = {"subject": f"framework.function.{subject}", "framework": f"framework {subject // 8}", "dtype": dtype}
            seen = horizon(zero_below=2.0 ** -(subject + 3), accurate_above=2.0**-subject)
            records.append(record(**of, clause="ACC-1", accuracy=errors, horizon=seen))
            records.append(record(**of, clause="ACC-2", grade=Grade(recorded="B-L", measured="B-L")))
        return records

    return build
