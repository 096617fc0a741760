"""Failures become small: few rows and classes, plain numbers, nothing asked for that is not needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xentcheck.bench import Bench, Target
from xentcheck.build import build_call
from xentcheck.cases import Case, case_from_token
from xentcheck.clauses import CLAUSES
from xentcheck.faults import load_registry
from xentcheck.levels import LEVELS
from xentcheck.minimise import minimise
from xentcheck.minimise.deletion import without_needless
from xentcheck.minimise.pinned import pinned, with_classes, with_rows
from xentcheck.minimise.simpler import CHANGES, simpler
from xentcheck.stored import call_arrays, packed_case, stored_case
from xentcheck.strategies import Scope, cases
from xentcheck.verdict import Deviation
from xentcheck.workers import WorkerPool
from xentcheck_adapters import FLOAT_DTYPES, built_in_subjects
from xentcheck_adapters.numpy_callable import subject_from_spec

FAULTS = {fault.name: fault for fault in load_registry().faults}
KINDS = ("index", "one-hot", "soft", "double", "multi-hot")


@st.composite
def any_case(draw: st.DrawFn) -> Case:
    """Cases of every dtype with everything that a call can have."""
    scope = Scope(built_in_subjects()["numpy"], draw(st.sampled_from(FLOAT_DTYPES)), LEVELS["quick"])
    kind = draw(st.sampled_from(KINDS))
    plain = draw(cases(scope, labels=(kind,), reductions=("none", "mean"), options=True, edits=("nan", "-inf", "huge")))
    fields = {"sample_weighted": draw(st.booleans()), "vector": draw(st.sampled_from(["none", "random"]))}
    if kind == "index":
        fields |= {"ignore_index": draw(st.sampled_from([None, -1, 0])), "ignored": "some"}
    return replace(plain, rows=min(plain.rows, 5), classes=min(plain.classes, 9), **fields)


def wide(array: np.ndarray) -> np.ndarray:
    """In a dtype whose NaN equals itself in NumPy's tests."""
    return array.astype(np.float64)


def same_calls(a: Case, b: Case) -> bool:
    mine, other = build_call(a), build_call(b)
    bits = [{name: array.tobytes() for name, array in call_arrays(call).items()} for call in (mine, other)]
    plain = [{k: v for k, v in vars(call).items() if k not in bits[0]} for call in (mine, other)]
    return bits[0] == bits[1] and plain[0] == plain[1]


@settings(max_examples=25)
@given(case=any_case())
def test_a_pinned_case_is_the_same_call_without_its_seed(case: Case) -> None:
    fixed = pinned(case)
    assert same_calls(fixed, case)
    assert same_calls(replace(fixed, seed=case.seed + 1, regime="integers"), case)
    assert same_calls(case_from_token(fixed.token), case)


@settings(max_examples=25)
@given(case=any_case())
def test_a_file_replays_its_case(case: Case, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("stored") / "case.npz"
    path.write_bytes(packed_case(case))
    assert same_calls(stored_case(path), case)


def test_what_is_no_file_of_a_case_is_a_value_error(tmp_path: Path) -> None:
    (tmp_path / "case.npz").write_bytes(b"no archive")
    for path in (tmp_path / "case.npz", tmp_path / "nowhere.npz"):
        with pytest.raises(ValueError, match="no case in"):
            stored_case(path)


@settings(max_examples=25)
@given(case=any_case(), data=st.data())
def test_rows_and_classes_go_with_all_that_belongs_to_them(case: Case, data: st.DataObject) -> None:
    fixed = pinned(replace(case, layout="contiguous"))
    rows = sorted(data.draw(st.sets(st.integers(0, case.rows - 1), min_size=1)))
    classes = sorted(data.draw(st.sets(st.integers(0, case.classes - 1), min_size=1)))
    call, some_rows, some_classes = build_call(fixed), with_rows(fixed, rows), with_classes(fixed, classes)
    assert some_rows is not None
    np.testing.assert_array_equal(wide(build_call(some_rows).logits), wide(call.logits[rows]))
    np.testing.assert_array_equal(build_call(some_rows).labels, call.labels[rows])
    if some_classes is None:
        return
    fewer = build_call(some_classes)
    np.testing.assert_array_equal(wide(fewer.logits), wide(call.logits[:, classes]))
    if not call.has_dense_labels:
        ignored = call.labels == call.ignore_index
        np.testing.assert_array_equal(fewer.labels == fewer.ignore_index, ignored)
        np.testing.assert_array_equal(np.array(classes)[fewer.labels[~ignored]], call.labels[~ignored])
    elif case.labels != "multi-hot":
        sums = (labels.astype(float).sum(axis=1) for labels in (fewer.labels, call.labels))
        np.testing.assert_array_equal(*sums)


@given(needed=st.sets(st.integers(0, 63)), size=st.integers(64, 5000))
def test_what_is_needed_stays_and_nothing_else(needed: set[int], size: int) -> None:
    assert without_needless(list(range(size)), lambda items: needed <= set(items)) == sorted(needed)


def test_numbers_become_as_simple_as_they_may() -> None:
    found = np.array([[0.3, -7.6, np.inf, 40.2]])

    def works(tried: np.ndarray) -> bool:
        nonlocal found
        fine = tried[0, 1] < -2 and tried[0, 3] > 33
        found = tried if fine else found
        return bool(fine)

    for change in CHANGES:
        simpler(found, change, works)
    np.testing.assert_array_equal(found, [[0.0, -8.0, np.inf, 40.0]])


@pytest.fixture
def minimised(pool: WorkerPool) -> Callable[..., tuple[Case, Bench]]:
    """The smallest case of a fault that a case shows, and the bench that shows it."""

    def run(
        clause: str, fault: str, case: Case, is_known: Callable[[Case, Deviation], bool] = lambda case, deviation: False
    ) -> tuple[Case, Bench]:
        subject = subject_from_spec(FAULTS[fault].spec)
        bench = Bench(Target(subject, "cpu", case.dtype), pool, {subject.name: subject})
        with pytest.raises(Deviation) as first:
            CLAUSES[clause].check(case, bench)
        small, deviation = minimise(CLAUSES[clause], bench, case, first.value, is_known=is_known, seconds=20)
        assert deviation.what == first.value.what
        with pytest.raises(Deviation):
            CLAUSES[clause].check(small, bench)
        honest = subject_from_spec("numpy:xentcheck_adapters.numpy_cross_entropy:cross_entropy")
        CLAUSES[clause].check(small, replace(bench, target=Target(honest, "cpu", case.dtype)))
        return small, bench

    return run


LARGE = Case(rows=65, classes=2049, regime="normal", seed=5, upstream="random", layout="strided")


@pytest.mark.parametrize(
    ("clause", "fault", "case"),
    [
        ("VAL-1", "Gradient.label_off", LARGE),
        ("VAL-1", "Softmax.clipped", replace(LARGE, classes=130, regime="wrong")),
        ("VAL-3", "Mean.over_kept_rows", replace(LARGE, classes=17, reduction="mean", weighted=True)),
        ("IGN-2", "Mean.over_all_rows", replace(LARGE, classes=17, reduction="mean", ignore_index=3, ignored="some")),
        ("SOFT-2", "Dense.renormalised", replace(LARGE, classes=17, labels="double")),
        ("LAB-1", "Labels.wrap", replace(LARGE, classes=17, bad_label=-1, bad_row=40)),
    ],
)
def test_a_failure_of_any_size_becomes_one_that_a_person_can_read(
    minimised: Callable[..., tuple[Case, Bench]], clause: str, fault: str, case: Case
) -> None:
    small, _ = minimised(clause, fault, case)
    assert small.explicit is not None
    assert small.rows <= 4
    assert small.classes <= 8
    assert small.layout == "contiguous"
    assert small.fits_a_token
    numbers = small.explicit.logits.array
    np.testing.assert_array_equal(numbers, np.round(numbers * 64) / 64)


@pytest.mark.parametrize(
    ("fault", "case", "shape"),
    [
        ("Softmax.truncated_1024", replace(LARGE, rows=3), (1, 1025)),
        ("Rows.only_256", replace(LARGE, rows=1025, classes=5), (257, 2)),
    ],
)
def test_where_size_is_the_trigger_it_is_told_exactly(
    minimised: Callable[..., tuple[Case, Bench]], fault: str, case: Case, shape: tuple[int, int]
) -> None:
    small, _ = minimised("VAL-1", fault, case)
    assert (small.rows, small.classes) == shape


def test_what_a_clause_takes_for_granted_stays(minimised: Callable[..., tuple[Case, Bench]]) -> None:
    masked = CLAUSES["MET-5"].always(Scope(built_in_subjects()["numpy"], "float32", LEVELS["standard"]))[0]
    small, bench = minimised("MET-5", "Softmax.masked_is_nan", masked)
    assert np.isneginf(bench.call(small).logits[:, 0]).all()


def test_a_known_divergence_is_not_taken_for_the_failure(minimised: Callable[..., tuple[Case, Bench]]) -> None:
    case = replace(LARGE, rows=4, classes=17)
    small, _ = minimised("VAL-1", "Gradient.label_off", case, is_known=lambda case, _: case.classes < 5)
    assert small.classes == 5


def test_values_past_what_a_token_holds_are_named_and_not_replayed() -> None:
    large = pinned(Case(rows=2, classes=70000))
    assert not large.fits_a_token
    with pytest.raises(ValueError, match="replay the file"):
        case_from_token(large.token)
