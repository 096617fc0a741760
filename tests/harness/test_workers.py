"""Whatever a subject does to its process costs one result; the next call is answered."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from xentcheck.selection import missing_modules
from xentcheck.workers import Limits, WorkerPool
from xentcheck_adapters import (
    Call,
    Crashed,
    Outcome,
    OutOfMemory,
    Refused,
    Returned,
    Subject,
    TimedOut,
    Unavailable,
    built_in_subjects,
    subject_from_spec,
)

TRIGGER = 13.0  # see subjects/misbehaving.py
Ask = Callable[..., Outcome]


def calm() -> Call:
    return Call(np.zeros((3, 4), np.float32), np.zeros(3, np.int64))


def triggering() -> Call:
    call = calm()
    call.logits[0, 0] = TRIGGER
    return call


def running(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until_gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while running(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not running(pid)


def pid_of_worker(ask: Ask, pool: WorkerPool) -> int:
    outcome = ask("tells_its_pid", calm(), pool)
    assert isinstance(outcome, Returned)
    return int(outcome.loss[0])


def kill_worker(ask: Ask, pool: WorkerPool) -> None:
    pid = pid_of_worker(ask, pool)
    os.kill(pid, signal.SIGKILL)
    assert wait_until_gone(pid)


@pytest.fixture
def ask(pool: WorkerPool, subject: Callable[[str], Subject]) -> Ask:
    def run(function: str, call: Call, workers: WorkerPool = pool) -> Outcome:
        return workers.run(subject(f"misbehaving.py:{function}"), "cpu", call, "float32")

    return run


@pytest.mark.parametrize(
    ("function", "cause", "told"),
    [
        ("segfaults", "killed by SIGSEGV", "in segfaults"),
        ("aborts", "killed by SIGABRT", "in aborts"),
        ("is_killed", "killed by SIGKILL", ""),
        ("exits", "exited with status 3", ""),
        ("exits_at_once", "exited with status 5", ""),
        ("is_furious", "exited with status 1", "Furious"),
        ("segfaults_beside_a_child", "killed by SIGSEGV", "in segfaults_beside_a_child"),
    ],
)
def test_a_death_is_a_crash_with_its_cause_and_stack(ask: Ask, function: str, cause: str, told: str) -> None:
    outcome = ask(function, triggering())
    assert isinstance(outcome, Crashed), outcome
    assert outcome.cause == cause
    assert told in outcome.stack
    assert isinstance(ask(function, calm()), Returned)


def test_an_error_that_cannot_be_printed_is_a_refusal(ask: Ask) -> None:
    outcome = ask("raises_the_unprintable", triggering())
    assert isinstance(outcome, Refused), outcome
    assert "cannot be printed" in outcome.message


@pytest.mark.parametrize("function", ["hangs", "hangs_deaf"])
def test_a_hang_is_stopped_on_time(ask: Ask, function: str) -> None:
    with WorkerPool(limits=Limits(call_seconds=0.5)) as workers:
        ask(function, calm(), workers)
        started = time.monotonic()
        outcome = ask(function, triggering(), workers)
        assert time.monotonic() - started < 5
        assert isinstance(outcome, TimedOut), outcome
        assert outcome.seconds == 0.5
        assert isinstance(ask(function, calm(), workers), Returned)


def test_the_stack_of_a_hang_names_the_function(ask: Ask) -> None:
    with WorkerPool(limits=Limits(call_seconds=0.5)) as workers:
        outcome = ask("hangs", triggering(), workers)
    assert isinstance(outcome, TimedOut)
    assert "in hangs" in outcome.stack


@pytest.mark.parametrize(
    ("function", "limits"),
    [
        ("devours_address_space", Limits()),
        ("devours_memory", Limits(memory=256 << 20)),
        ("devours_memory", Limits(address_space=1 << 29)),
    ],
)
def test_an_endless_allocation_is_out_of_memory(ask: Ask, function: str, limits: Limits) -> None:
    with WorkerPool(limits=limits) as workers:
        assert isinstance(ask(function, triggering(), workers), OutOfMemory)
        assert isinstance(ask(function, calm(), workers), Returned)


@pytest.mark.parametrize("function", ["babbles", "leaves_threads"])
def test_noise_and_threads_cost_nothing(ask: Ask, function: str) -> None:
    outcome = ask(function, triggering())
    assert isinstance(outcome, Returned), outcome
    assert isinstance(ask("zeros", calm()), Returned)


def test_a_stack_is_told_after_a_lot_of_noise(ask: Ask) -> None:
    ask("babbles", triggering())
    outcome = ask("segfaults", triggering())
    assert isinstance(outcome, Crashed)
    assert "in segfaults" in outcome.stack


def test_writing_to_inputs_is_told_and_harms_nobody(ask: Ask) -> None:
    call = triggering()
    outcome = ask("writes_to_its_inputs", call)
    assert isinstance(outcome, Returned)
    assert outcome.mutated == ("logits",)
    assert call.logits[0, 0] == TRIGGER


@pytest.mark.parametrize(
    ("function", "error"),
    [
        ("returns_nothing_useful", "TypeError"),
        ("returns_three", "TypeError"),
        ("returns_ragged", "ValueError"),
        ("returns_text", "TypeError"),
        ("returns_objects", "TypeError"),
        ("raises_a_decoding_error", "UnicodeDecodeError"),
    ],
)
def test_an_exception_and_an_answer_of_another_kind_are_refusals(ask: Ask, function: str, error: str) -> None:
    outcome = ask(function, triggering())
    assert isinstance(outcome, Refused), outcome
    assert outcome.error == error
    assert isinstance(ask(function, calm()), Returned)


def test_a_worker_killed_between_calls_costs_one_result(ask: Ask, pool: WorkerPool) -> None:
    kill_worker(ask, pool)
    assert ask("tells_its_pid", calm()) == Crashed("killed by SIGKILL", "")
    assert isinstance(ask("tells_its_pid", calm()), Returned)


def test_a_worker_killed_between_calls_does_not_condemn_the_next_subject(ask: Ask) -> None:
    with WorkerPool() as workers:
        kill_worker(ask, workers)
        assert isinstance(ask("zeros", calm(), workers), Returned)


def test_no_process_outlives_its_pool(ask: Ask) -> None:
    with WorkerPool() as workers:
        outcome = ask("leaves_a_process", triggering(), workers)
        worker = pid_of_worker(ask, workers)
    assert isinstance(outcome, Returned)
    child = int(outcome.loss[0])
    assert wait_until_gone(worker)
    assert wait_until_gone(child)


def test_subjects_of_equal_state_share_one_worker(ask: Ask) -> None:
    with WorkerPool() as workers:
        pid = pid_of_worker(ask, workers)
        workers.open(built_in_subjects()["numpy"], "cpu", "float64")
        assert isinstance(ask("zeros", calm(), workers), Returned)
        assert pid_of_worker(ask, workers) == pid
        workers.keep_only(set())
        assert pid_of_worker(ask, workers) != pid


def test_a_framework_that_is_not_there_is_unavailable_by_name(pool: WorkerPool, elsewhere: Path) -> None:
    with pytest.raises(Unavailable, match="torch"):
        pool.open(built_in_subjects()["torch.eager"].at(str(elsewhere)), "cpu", "float32")


@pytest.mark.parametrize("shape", [(0, 4), (1, 1), (3000, 700)])
def test_arrays_of_any_size_make_the_round_trip(ask: Ask, shape: tuple[int, int]) -> None:
    logits = np.full(shape, 0.5, np.float32)
    outcome = ask("echoes", Call(logits, np.zeros(shape[0], np.int64)))
    assert isinstance(outcome, Returned), outcome
    np.testing.assert_array_equal(outcome.grad_logits, logits, strict=True)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((2, 3), "float32"),
        ((5, 40), "float64"),
        ((300, 40), "float16"),
        ((300, 40), "float32"),
        ((2100, 4100), "float32"),
    ],
)
@pytest.mark.parametrize("function", ["writes_nothing", "computes_nowhere"])
def test_memory_that_nobody_wrote_holds_no_number_that_could_be_right(
    ask: Ask, function: str, shape: tuple[int, int], dtype: str
) -> None:
    call = Call(np.zeros(shape, dtype), np.zeros(shape[0], np.int64))
    ask("zeros", call)  # leaves an answer behind
    outcome = ask(function, call)
    assert isinstance(outcome, Returned)
    for array in outcome.results.values():
        assert not (array < np.sqrt(np.finfo(dtype).max)).any()


@pytest.mark.slow
@pytest.mark.frameworks
@pytest.mark.parametrize("flavour", ["tf", "keras"])
def test_a_function_of_a_framework_costs_one_result_too(flavour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    file = Path(__file__).parent / "subjects" / "misbehaving_anywhere.py"
    ends = {
        "dies": Crashed,
        "hangs": TimedOut,
        "babbles": Returned,
        "leaves_threads": Returned,
        "returns_text": Refused,
    }
    with WorkerPool(limits=Limits(call_seconds=10)) as workers:
        for name, end in ends.items():
            chosen = subject_from_spec(f"{flavour}:{file}:{name}")
            if missing_modules(chosen):
                pytest.skip("not installed")
            assert workers.open(chosen, "cpu", "float32").line
            outcome = workers.run(chosen, "cpu", triggering(), "float32")
            assert isinstance(outcome, end), (name, outcome)
            assert isinstance(workers.run(chosen, "cpu", calm(), "float32"), Returned)
