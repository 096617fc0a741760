"""`xentcheck bench`: who is timed, beside whom, and what of it is written and shown."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from xentcheck.cli import main
from xentcheck.exits import Exit
from xentcheck.installed import spec_of
from xentcheck.known import known_subjects
from xentcheck.speed.contenders import can_be_timed, contenders, workloads
from xentcheck.speed.guard import accusations
from xentcheck_adapters import Subject
from xentcheck_adapters.roofline import SCALAR
from xentcheck_reports import RunHeader, Speeds, Timing, read_speeds

built = pytest.mark.skipif(spec_of("xentcheck_kernels._roofline") is None, reason="xentcheck-kernels is not built")
NARROW, WIDE, ROUNDS = "4,5", "4,6", 2  # as subjects/timed.py has it
TEXTBOOK = "numpy.textbook"


def bench(*arguments: str) -> Result:
    few = ["--outputs", "warm", "--rounds", str(ROUNDS), "--seconds", "0.0001"]
    return CliRunner().invoke(main, ["bench", *arguments, *few])


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory, spec: Callable[[str], str]) -> tuple[Result, Path]:
    """A benchmark of two honest contenders, and one that fails at the second of two shapes."""
    output = tmp_path_factory.mktemp("bench")
    names = (TEXTBOOK, spec("timed.py:honest"), spec("timed.py:raises_where_wide"))
    return bench(*names, "--shape", NARROW, "--shape", WIDE, "--output", str(output)), output


@built
def test_each_contender_has_a_time_and_a_roofline_of_each_round(raced: tuple[Result, Path]) -> None:
    speeds = read_speeds(raced[1] / "bench.json")
    assert len(speeds.timings) == speeds.due
    assert {len(one.seconds) for one in speeds.timings if not one.reason} == {ROUNDS}
    assert {one.gradient for one in speeds.timings} == {False, True}


@built
def test_the_table_and_the_page_show_all_contenders(raced: tuple[Result, Path]) -> None:
    result, output = raced
    page = (output / "bench.html").read_text(encoding="utf-8")
    for name in {one.subject for one in read_speeds(output / "bench.json").timings}:
        assert name in result.stdout
        assert name in page


@built
def test_a_contender_that_fails_costs_a_line_and_not_the_run(raced: tuple[Result, Path]) -> None:
    result, output = raced
    failed = [one for one in read_speeds(output / "bench.json").timings if one.reason]
    assert {(one.subject.rsplit(":")[-1], one.classes) for one in failed} == {("raises_where_wide", 6)}
    assert result.exit_code == Exit.NOT_JUDGED
    assert "MemoryError: too many classes" in result.stdout
    assert "MemoryError: too many classes" in (output / "bench.html").read_text(encoding="utf-8")


@built
def test_an_interrupted_benchmark_leaves_what_was_measured(tmp_path: Path, spec: Callable[[str], str]) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
    try:
        name = spec("timed.py:interrupts_where_wide")
        result = bench(name, "--shape", NARROW, "--shape", WIDE, "--output", str(tmp_path))
    finally:
        signal.signal(signal.SIGINT, before)
    assert result.exit_code == Exit.INTERRUPTED, result.output
    speeds = read_speeds(tmp_path / "bench.json")
    assert {one.classes for one in speeds.timings} == {5}
    assert "Interrupted: 2 of 4 timings" in (tmp_path / "bench.html").read_text(encoding="utf-8")


@built
@pytest.mark.parametrize("arguments", [("--shape", "4x5"), ("--dtype", "float8"), ("no.such.subject",)], ids=" ".join)
def test_what_nobody_can_time_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    assert bench(*arguments).exit_code == Exit.USAGE


def test_whoever_is_timed_by_default_has_an_adapter_that_knows_how() -> None:
    timed = [subject for subject in known_subjects().values() if subject.timed]
    assert timed
    assert [subject.name for subject in timed if not can_be_timed(subject)] == []


def test_a_group_stands_for_those_that_are_timed_and_a_whole_name_for_itself() -> None:
    assert [subject.name for subject in contenders(["numpy"])] == ["numpy"]
    assert [subject.name for subject in contenders([TEXTBOOK])] == [TEXTBOOK]
    assert TEXTBOOK in [subject.name for subject in contenders([])]


def test_workloads_that_can_share_processes_stand_together() -> None:
    asked = workloads(
        shapes=[(4, 5), (4, 6)], dtypes=["float32", "float64"], labels=["index"], threads=[1], warm=[1, 0]
    )
    assert [one.warm for one in asked] == sorted((one.warm for one in asked), reverse=True)
    assert len(asked) == len(set(asked)) == 2 * 2 * 2 * 2


@pytest.mark.parametrize(("times", "accused"), [(16.0, False), (1.0, True)])
def test_the_guard_accuses_vectors_that_are_no_faster_than_a_scalar_loop(times: float, accused: bool) -> None:
    vectors = Subject("vectors", "", "kernels", "", "eager", (), ("index",), {}, vector_bytes=64)
    of_both = {
        "dtype": "float32",
        "labels": "index",
        "rows": 4,
        "classes": 5,
        "gradient": False,
        "warm": True,
        "threads": 1,
    }
    timings = [
        Timing(**of_both, subject=name, framework=name, seconds=[seconds], first_seconds=1.0, roofline=[1.0])
        for name, seconds in ((SCALAR.name, 32.0), (vectors.name, 32.0 / times))
    ]
    header = RunHeader.model_construct(versions={})
    speeds = Speeds.model_construct(header=header, rounds=1, due=2, timings=timings)
    assert bool([*accusations(speeds, [vectors, SCALAR])]) == accused


@built
@pytest.mark.slow  # a busy machine is no fault of a kernel: the nightly job looks
def test_the_kernels_are_as_fast_as_their_vectors_must_make_them() -> None:
    result = CliRunner().invoke(main, ["bench", "--guard"])
    assert result.exit_code == Exit.HOLDS, result.output
