"""The audit of a tolerance tells what a test with it accepts, and the linter what a test never looks at."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from xentcheck.audit.absolutes import Absolutes, absolutes
from xentcheck.audit.audit import Audit, Audited, Sight
from xentcheck.audit.tolerance import ASSERT_CLOSE, Tolerance
from xentcheck.cli import main
from xentcheck.faults import load_registry
from xentcheck.lint.rules import findings
from xentcheck.randomness import Array
from xentcheck.workers import WorkerPool

OK, FOUND, USAGE, NOT_JUDGED = 0, 1, 2, 3
ROWS, CLASSES = 8, 10
EXACT, TIGHT, WIDE, BLIND = Tolerance(0, 0), ASSERT_CLOSE["float32"], Tolerance(1e-2, 0.2), Tolerance(10, 10)
FAULTS = {fault.name: fault for fault in load_registry().faults}
SAMPLE = ("Gradient.negated", "Softmax.last_class_dropped", "Mean.over_all_rows", "Labels.wrap", "Form.column")

values = arrays(np.float64, 3, elements=st.sampled_from((0.0, 1.0, 1.001, -1.0, 1e300, np.inf, -np.inf, np.nan)))


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool() as workers:
        yield workers


def audit(pool: WorkerPool, tolerance: Tolerance, upstream: float = 1.0) -> Audit:
    return Audit(Audited("float32", tolerance, ROWS, CLASSES, upstream), pool)


def plainly(pool: WorkerPool, tolerance: Tolerance, upstream: float = 1.0) -> Absolutes:
    return absolutes(audit(pool, tolerance, upstream))


def sights(pool: WorkerPool, tolerance: Tolerance) -> dict[str, Sight]:
    return {sight.fault.name: sight for sight in audit(pool, tolerance).sights(FAULTS[name] for name in SAMPLE)}


@given(values, values, st.sampled_from((EXACT, TIGHT, WIDE)))
def test_a_tolerance_accepts_what_numpy_accepts(got: Array, want: Array, tolerance: Tolerance) -> None:
    with np.errstate(invalid="ignore"):
        assert (tolerance.share(got, want) <= 1) == np.allclose(got, want, tolerance.rtol, tolerance.atol)


@pytest.mark.frameworks
@pytest.mark.parametrize("dtype", ASSERT_CLOSE)
def test_the_defaults_are_those_of_the_installed_torch(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    default = ASSERT_CLOSE[dtype]
    at_zero, far = torch.zeros(1, dtype=getattr(torch, dtype)), torch.full((1,), 1024, dtype=getattr(torch, dtype))
    for want, allowed in ((at_zero, default.atol), (far, default.atol + 1024 * default.rtol)):
        torch.testing.assert_close(want + 0.5 * allowed, want)
        with pytest.raises(AssertionError):
            torch.testing.assert_close(want + 1.5 * allowed, want)


def test_zeros_pass_for_the_gradient_of_a_mean_before_they_pass_for_that_of_a_sum(pool: WorkerPool) -> None:
    one, mean = plainly(pool, WIDE).zeros
    assert (one.upstream, mean.upstream) == (1, 1 / ROWS)
    assert not one.accepted
    assert mean.accepted
    assert plainly(pool, WIDE, upstream=1 / ROWS).zeros == (mean,)
    assert not any(zeros.accepted for zeros in plainly(pool, TIGHT).zeros)


def test_the_wider_the_tolerance_the_more_is_accepted(pool: WorkerPool) -> None:
    tight, wide = plainly(pool, TIGHT), plainly(pool, WIDE)
    assert tight.loss_by < wide.loss_by
    assert tight.gradient.times < wide.gradient.times
    assert (tight.tail, tight.tail_of_bound) == (0, 0)
    assert plainly(pool, BLIND).tail == CLASSES - 1
    assert tight.gradient.bound == wide.gradient.bound


def test_a_fault_is_rejected_accepted_or_not_provoked(pool: WorkerPool) -> None:
    tight, wide = sights(pool, TIGHT), sights(pool, BLIND)
    assert {name for name in SAMPLE if tight[name].seen} == {*SAMPLE} - {"Labels.wrap"}
    assert not tight["Labels.wrap"].provoked
    assert {name for name in SAMPLE if wide[name].seen} == {"Form.column"}  # a shape is no matter of tolerance
    assert {name for name in SAMPLE if wide[name].provoked} == {*SAMPLE} - {"Labels.wrap"}


def test_the_command_names_the_faults_that_pass_and_says_whose_tolerance_it_audits() -> None:
    told = command("audit", "--shape", f"{ROWS},{CLASSES}", "--rtol", 0.1, "--atol", 0.5, "--upstream", 0.1)
    assert told.exit_code == FOUND, told.output
    assert "zeros     for a gradient are accepted" in told.output
    assert re.search(r"Gradient\.negated: q - softmax \(\S+ tolerances, \S+ derived bounds", told.output)
    assert "assert_close" not in told.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--rtol", 1), "both --rtol and --atol"),
        (("--rtol", -1, "--atol", 0), "-1.0 is not in the range"),
        (("--shape", "3"), "expected rows,classes"),
        (("--shape", "3,1"), "at least 1 row and 2 classes"),
        (("--shape", "4096,32000"), "--shape 32,32000 --upstream 0.00024"),
        (("--upstream", 0), "not 0"),
        (("--dtype", "int8"), "bfloat16"),
    ],
)
def test_what_cannot_be_audited_is_a_usage_error(arguments: tuple[object, ...], told: str) -> None:
    result = command("audit", *arguments)
    assert result.exit_code == USAGE
    assert told in result.output


VACUOUS = (
    "torch.allclose(got, want)",
    "got.equal(want)",
    "np.array_equal(got, want)",
    "got == want",
    "(got == want).all()",
    "np.all(np.isclose(got, want))",
    "all(abs(a - b) < 1e-6 for a, b in zip(got, want))",
    "not jnp.allclose(got, want)",
    "with warnings.catch_warnings():\n    torch.equal(got, want)",
    "assert (np.allclose(got, want), 'they differ')",
    "assert (got == want).all",
    "assert torch.allclose(got, want, rtol=1.0)",
    "np.testing.assert_allclose(got, want, 3)",
    "self.assertAllClose(want, got, 3)",
    "self.assertTrue(got, 3)",
)
HONEST = (
    "assert torch.allclose(got, want)",
    "self.assertTrue(np.array_equal(got, want))",
    "same = got == want",
    "np.testing.assert_allclose(got, want, 1e-3)",
    "np.testing.assert_allclose(got, 0, rtol=1, atol=1e-5)",
    "self.assertAllClose(got, want, atol=3)",
    "assert (got == want).all()",
    "assert not (got,) == (want,)",
    "with pytest.raises(TypeError):\n    got == want",
    "try:\n    got == want\nexcept TypeError:\n    pass",
    "np.equal(got, want, out=same)",
    "self.allclose(got, want)",
    "def allclose(a, b):\n    assert (a == b).all()\nallclose(got, want)",
    "self.assertTrue(got, 'nothing came')",
    "got.all()",
)


@pytest.mark.parametrize("source", VACUOUS)
def test_a_comparison_that_cannot_fail_is_found(source: str) -> None:
    assert [finding for finding in findings(source) if finding.certain]


@pytest.mark.parametrize("source", HONEST)
def test_an_honest_comparison_is_left_alone(source: str) -> None:
    assert findings(source) == []


def test_places_are_named_and_notes_do_not_count(tmp_path: Path) -> None:
    noted, vacuous = tmp_path / "test_noted.py", tmp_path / "test_vacuous.py"
    noted.write_text("assert np.allclose(got, want, equal_nan=True)\n")
    assert (result := command("lint", noted)).exit_code == OK
    assert f"{noted}:1: note: equal_nan=True" in result.output
    vacuous.write_text("import torch\n\ntorch.allclose(got, want)\n")
    assert (result := command("lint", tmp_path)).exit_code == FOUND
    assert f"{vacuous}:3: `torch.allclose(got, want)` is discarded" in result.output


@pytest.mark.parametrize("content", [b"assert (", b"# \xff"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "test_it.py"
    path.write_bytes(content)
    result = command("lint", path)
    assert result.exit_code == NOT_JUDGED
    assert f"{path}:1: not " in result.output


def test_these_tests_pass_their_own_linter() -> None:
    assert command("lint", Path(__file__).parents[1]).exit_code == OK
