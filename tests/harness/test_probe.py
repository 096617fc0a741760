"""The probe says in one line what a function takes and whether its arguments arrive; the clauses judge what it says."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from xentcheck.workers import Limits, Opened, WorkerPool
from xentcheck_adapters import Subject, Unavailable
from xentcheck_reports import Record, Status

Open = Callable[[str], Opened]


@pytest.fixture
def opened(pool: WorkerPool, subject: Callable[[str], Subject]) -> Open:
    return lambda name: pool.open(subject(f"strangers.py:{name}"), "cpu", "float32")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "honest",
            "class indices and rows; reduction none, sum, mean; (N, C) only; weight, sample_weight, ignore_index",
        ),
        ("honest", "; the upstream gradient arrives; numpy "),
        ("indices_only", ": class indices; reduction none, sum, mean; "),
        ("indices_only", "; no options (weight, sample_weight, ignore_index, label_smoothing, z_loss, softcap not off"),
        ("smoothing_unused", "; label_smoothing is accepted and changes nothing; "),
        ("upstream_unused", "; the upstream gradient changes nothing; "),
        ("sum_for_mean", "; reduction mean gives "),
        ("dies_of_weights", "; weight: the process died, killed by SIGABRT; "),
        ("refuses_softcap", "; softcap: NotImplementedError: softcap is for later; "),
    ],
)
def test_what_is_found_is_told_in_one_line(opened: Open, name: str, told: str) -> None:
    line = opened(name).line or ""
    assert told in line
    assert "\n" not in line


def test_what_works_is_named_apart_from_what_does_not(opened: Open) -> None:
    assert "; no options (" in (opened("smoothing_unused").line or "")
    assert "; sample_weight, ignore_index, label_smoothing, z_loss, softcap; " in (opened("dies_of_weights").line or "")


def test_what_no_signature_tells_is_found(opened: Open, subject: Callable[[str], Subject]) -> None:
    found = opened("indices_only").narrow(subject("strangers.py:indices_only"))
    assert (found.labels, found.options) == (("index",), frozenset())


@pytest.mark.parametrize(("name", "option"), [("smoothing_unused", "label_smoothing"), ("refuses_softcap", "softcap")])
def test_an_option_that_does_not_work_is_offered_all_the_same(opened: Open, name: str, option: str) -> None:
    assert option in opened(name).options


def test_an_option_without_effect_fails_its_clause(judged: Callable[..., Record]) -> None:
    record = judged("VAL-4", "strangers.py:smoothing_unused")
    assert record.status is Status.FAIL
    assert "label_smoothing is accepted and changes nothing" in (record.probe or "")


def test_what_answers_nothing_is_judged_all_the_same(opened: Open) -> None:
    told = "answers no harmless call: class indices (the process died, killed by SIGABRT), rows (the process died"
    assert told in (opened("dies_of_everything").line or "")


def test_what_hangs_is_not_asked_again(subject: Callable[[str], Subject]) -> None:
    hangs = subject("strangers.py:hangs")
    with WorkerPool(limits=Limits(call_seconds=0.2)) as pool:
        with pytest.raises(Unavailable, match=r"class indices \(no answer within 0.2 s\)"):
            pool.open(hangs, "cpu", "float32")
        started = time.monotonic()
        with pytest.raises(Unavailable):
            pool.open(hangs, "cpu", "float64")
        assert time.monotonic() - started < 0.2


def test_a_probe_is_made_once_whatever_happens_to_its_worker(
    opened: Open, pool: WorkerPool, subject: Callable[[str], Subject]
) -> None:
    first = opened("dies_of_weights")
    pool.keep_only(set())
    assert opened("dies_of_weights") is first
