"""A case stands for the same arrays on every machine and for ever, and they are what its fields say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xentcheck.build import UPSTREAMS, VECTORS, build_call
from xentcheck.cases import Case, Edit, Explicit
from xentcheck.malformed import SOFT, WRONG_DTYPES, WRONG_SHAPES
from xentcheck.regimes import FINITE_REGIMES, PROBABILITY_REGIMES, REGIMES, landmark_columns
from xentcheck.soft_labels import DISTRIBUTIONS, NOT_DISTRIBUTIONS, SURVEYED
from xentcheck_adapters import FLOAT_DTYPES, dtype_named

HERE = Path(__file__).parent
GOLDEN = json.loads((HERE / "digests.json").read_text())

Shape = dict[str, Any]

seeds = st.integers(0, 2**32 - 1)
dtypes = st.sampled_from(FLOAT_DTYPES)
shapes = st.fixed_dictionaries({"rows": st.integers(1, 9), "classes": st.integers(1, 70)})


def wide(array: Any) -> Any:
    return array.astype(np.float64)


def digests(**environment: str) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, HERE / "digests.py"], env={**os.environ, **environment}, capture_output=True, check=True
    )
    return dict(json.loads(done.stdout))


def simd_features() -> list[str]:
    """What NumPy chooses at run time on this machine."""
    from numpy._core._multiarray_umath import (  # type: ignore[import-not-found]
        __cpu_dispatch__,
        __cpu_features__,
    )

    return [name for name in __cpu_dispatch__ if __cpu_features__[name]]


def test_built_cases_are_what_they_always_were() -> None:
    assert digests() == GOLDEN


@pytest.mark.skipif(not simd_features(), reason="NumPy has nothing to choose on this processor")
def test_built_cases_do_not_depend_on_the_processor() -> None:
    assert digests(NPY_DISABLE_CPU_FEATURES=" ".join(simd_features())) == GOLDEN


@given(shape=shapes, dtype=dtypes, seed=seeds, regime=st.sampled_from(REGIMES + PROBABILITY_REGIMES))
def test_logits_have_the_shape_and_dtype_of_their_case(shape: Shape, dtype: str, seed: int, regime: str) -> None:
    call = build_call(Case(dtype=dtype, **shape, seed=seed, regime=regime))
    assert (call.logits.shape, call.logits.dtype) == ((shape["rows"], shape["classes"]), dtype_named(dtype))
    assert (call.labels.shape, call.labels.dtype) == ((shape["rows"],), np.int64)
    assert ((call.labels >= 0) & (call.labels < shape["classes"])).all()


@given(shape=shapes, dtype=dtypes, seed=seeds, regime=st.sampled_from(FINITE_REGIMES))
def test_finite_regimes_are_finite(shape: Shape, dtype: str, seed: int, regime: str) -> None:
    call = build_call(Case(dtype=dtype, **shape, seed=seed, regime=regime))
    assert np.isfinite(wide(call.logits)).all()


@given(shape=shapes, dtype=dtypes, seed=seeds)
def test_a_masked_row_keeps_its_label(shape: Shape, dtype: str, seed: int) -> None:
    call = build_call(Case(dtype=dtype, **shape, seed=seed, regime="masked"))
    assert np.isfinite(wide(call.logits)[np.arange(shape["rows"]), call.labels]).all()


@given(shape=shapes, dtype=dtypes, seed=seeds)
def test_near_ties_are_a_few_ulps_apart(shape: Shape, dtype: str, seed: int) -> None:
    logits = build_call(Case(dtype=dtype, **shape, seed=seed, regime="near-tie")).logits
    spread = wide(logits).max(axis=1) - wide(logits).min(axis=1)
    # drawn at most 3 ulps of the row's base to either side, with an ulp that doubles past a power of two
    largest = np.frexp(np.abs(wide(logits)).max(axis=1))[1] - ml_dtypes.finfo(logits.dtype).nmant - 1
    assert (spread <= 6 * np.ldexp(1.0, largest)).all()


@pytest.mark.parametrize("regime", ["integers", "landmark", *PROBABILITY_REGIMES])
@given(seed=seeds)
def test_structural_regimes_are_the_same_numbers_in_every_dtype(regime: str, seed: int) -> None:
    logits = [wide(build_call(Case(d, 4, 60, regime, seed)).logits) for d in FLOAT_DTYPES]
    assert all((other == logits[0]).all() for other in logits)


@pytest.mark.parametrize("classes", [2, 3, 4, 10, 1000, 1023, 1024, 1025, 50257, 262144])
def test_a_landmark_row_loses_a_tenth_or_more_without_its_last_class(classes: int) -> None:
    call = build_call(Case(rows=16, classes=classes, regime="landmark", focus="last", seed=classes))
    logits, rows = wide(call.logits), np.arange(16)
    kept = call.labels < classes - 1

    def loss_and_label_share(count: int) -> tuple[Any, Any]:
        relative = logits[:, :count] - logits[rows, call.labels, None]
        total = np.exp(relative).sum(axis=1)
        return np.log(total), 1 / total

    true, without = loss_and_label_share(classes), loss_and_label_share(classes - 1)
    assert kept.any()
    for whole, part in zip(true, without, strict=True):
        assert (np.abs(part - whole)[kept] > 0.1 * whole[kept]).all()


@given(classes=st.integers(1, 5000), seed=seeds)
def test_a_landmark_row_has_its_label_among_one_two_or_four_maxima(classes: int, seed: int) -> None:
    call = build_call(Case(rows=5, classes=classes, regime="landmark", seed=seed))
    maxima = wide(call.logits) == wide(call.logits).max(axis=1, keepdims=True)
    assert set(maxima.sum(axis=1).tolist()) <= ({1} if classes == 1 else {2} if classes < 4 else {2, 4})
    assert maxima[np.arange(5), call.labels].all()


@pytest.mark.parametrize("classes", [1, 2, 10, 1000, 4097])
def test_a_sweep_puts_every_landmark_in_its_turn_and_the_next_seed_goes_on(classes: int) -> None:
    places = landmark_columns(classes)
    rows = 5

    def outstanding(seed: int) -> Any:
        case = Case(rows=rows, classes=classes, regime="wrong", focus="sweep", seed=seed)
        return wide(build_call(case).logits).argmax(axis=1)

    seen = np.concatenate([outstanding(seed) for seed in range(-(-len(places) // rows))])
    assert set(places.tolist()) <= {0} | set(seen.tolist())
    assert {0, classes - 1} <= set(places.tolist())


@given(shape=shapes, dtype=dtypes, seed=seeds)
def test_a_horizon_row_has_its_label_farther_ahead_than_the_row_before(shape: Shape, dtype: str, seed: int) -> None:
    call = build_call(Case(dtype=dtype, **shape, seed=seed, regime="horizon"))
    ahead = wide(call.logits)[np.arange(shape["rows"]), call.labels]
    assert (np.diff(ahead) > 0).all()
    assert (wide(call.logits) > 0).sum() == shape["rows"] - 1


@given(shape=shapes, dtype=dtypes, seed=seeds)
def test_rows_of_probabilities_sum_to_exactly_one(shape: Shape, dtype: str, seed: int) -> None:
    rows = wide(build_call(Case(dtype, **shape, regime="probabilities", seed=seed)).logits)
    assert (rows > 0).all()
    assert (rows.sum(axis=1) == 1).all()


@given(shape=shapes, dtype=dtypes, seed=seeds, kind=st.sampled_from(DISTRIBUTIONS + SURVEYED))
def test_label_rows_that_are_distributions_sum_to_exactly_one(shape: Shape, dtype: str, seed: int, kind: str) -> None:
    labels = wide(build_call(Case(dtype, **shape, seed=seed, labels=kind)).labels)
    assert (labels >= 0).all()
    assert (labels.sum(axis=1) == 1).all()


@given(shape=shapes, dtype=dtypes, seed=seeds)
def test_label_rows_of_other_sums_have_the_sum_of_their_name(shape: Shape, dtype: str, seed: int) -> None:
    for kind, total in (("half", 0.5), ("double", 2.0), ("zero", 0.0)):
        assert (wide(build_call(Case(dtype, **shape, seed=seed, labels=kind)).labels).sum(axis=1) == total).all()


@given(
    seed=seeds, kind=st.sampled_from(DISTRIBUTIONS + NOT_DISTRIBUTIONS + SURVEYED).filter(lambda k: k != "fractions")
)
def test_label_rows_are_the_same_numbers_in_every_dtype(seed: int, kind: str) -> None:
    """But for fractions, which have all the bits that a dtype holds."""
    labels = [wide(build_call(Case(d, 3, 12, seed=seed, labels=kind)).labels) for d in FLOAT_DTYPES]
    assert all((other == labels[0]).all() for other in labels)


@given(shape=shapes, dtype=dtypes, seed=seeds, kind=st.sampled_from(UPSTREAMS[1:]))
def test_upstream_gradients_are_eighths_exact_in_every_dtype(shape: Shape, dtype: str, seed: int, kind: str) -> None:
    for reduction, size in (("none", (shape["rows"],)), ("mean", ())):
        call = build_call(Case(dtype, **shape, seed=seed, upstream=kind, reduction=reduction))
        assert call.upstream is not None
        assert (call.upstream.shape, call.upstream.dtype) == (size, dtype_named(dtype))
        eighths = wide(call.upstream) * 8
        assert (eighths == np.round(eighths)).all()
        assert (np.abs(eighths) <= 32).all()


def test_upstream_gradients_are_what_they_are_called() -> None:
    drawn: dict[str, Any] = {kind: build_call(Case(rows=50, seed=1, upstream=kind)).upstream for kind in UPSTREAMS}
    assert drawn["ones"] is None
    assert not drawn["zero"].any()
    assert (drawn["negative"] < 0).all()
    assert {True, False} == set((drawn["some-zero"] == 0).tolist())
    assert {-1.0, 1.0} <= set(np.sign(drawn["random"]).tolist())


def test_vectors_are_what_they_are_called() -> None:
    drawn: dict[str, Any] = {kind: build_call(Case(rows=50, classes=9, vector=kind)).vector for kind in VECTORS}
    assert build_call(Case()).vector is None
    assert set(np.sign(drawn["random"]).ravel().tolist()) == {-1.0, 0.0, 1.0}
    assert ((drawn["class"] == 1).sum(axis=1) == 1).all()
    assert ((drawn["class"] == 0).sum(axis=1) == 8).all()
    assert (drawn["shift"] == drawn["shift"][:, :1]).all()
    assert len(set(drawn["shift"][:, 0].tolist())) > 1


@given(shape=shapes, dtype=dtypes, seed=seeds, kind=st.sampled_from(VECTORS))
def test_a_vector_changes_nothing_else_and_is_exact_in_every_dtype(
    shape: Shape, dtype: str, seed: int, kind: str
) -> None:
    plain = Case(dtype, **shape, seed=seed, upstream="random", weighted=True)
    call, without = build_call(replace(plain, vector=kind)), build_call(plain)
    for name in ("logits", "labels", "weight", "upstream"):
        np.testing.assert_array_equal(getattr(call, name), getattr(without, name))
    assert call.vector is not None
    assert (call.vector.shape, call.vector.dtype) == (call.logits.shape, dtype_named(dtype))
    assert (wide(call.vector) * 8 == np.round(wide(call.vector) * 8)).all()
    assert (np.abs(wide(call.vector)) <= 4).all()


@given(shape=shapes, seed=seeds)
def test_a_label_never_has_weight_zero(shape: Shape, seed: int) -> None:
    call = build_call(Case(**shape, seed=seed, weighted=True))
    assert call.weight is not None
    assert (call.weight >= 0).all()
    assert (call.weight[call.labels] > 0).all()


@given(shape=shapes, dtype=dtypes, row=st.integers(0, 20), column=st.integers(0, 99))
def test_an_edit_replaces_one_logit_modulo_the_shape(shape: Shape, dtype: str, row: int, column: int) -> None:
    plain = Case(dtype, **shape)
    edited = build_call(Case(dtype, **shape, edits=(Edit(row, column, "+inf"),))).logits
    expected = build_call(plain).logits.copy()
    expected[row % shape["rows"], column % shape["classes"]] = np.inf
    np.testing.assert_array_equal(edited, expected)


def test_an_edit_never_masks_the_last_finite_class() -> None:
    edits = tuple(Edit(0, column, "-inf") for column in range(3))
    assert np.isfinite(wide(build_call(Case(rows=1, classes=3, edits=edits)).logits)).sum() == 1


@pytest.mark.parametrize("dtype", FLOAT_DTYPES)
def test_edits_are_what_they_are_called(dtype: str) -> None:
    values: dict[str, Callable[[Any], Any]] = {"nan": np.isnan, "+inf": np.isposinf, "-inf": np.isneginf}
    for value, holds in values.items():
        assert holds(wide(build_call(Case(dtype, edits=(Edit(0, 0, value),))).logits)[0, 0])
    plain = wide(build_call(Case(dtype, 1, 9, regime="normal")).logits)[0]
    other = int(plain.argmin())
    tied = wide(build_call(Case(dtype, 1, 9, edits=(Edit(0, other, "tie"),), regime="normal")).logits)[0]
    assert tied[other] == tied[plain.argmax()] == plain.max()
    info = ml_dtypes.finfo(dtype_named(dtype))
    huge = wide(build_call(Case(dtype, edits=(Edit(0, 0, "huge"),))).logits)[0, 0]
    assert huge == float(info.max) / 4
    assert build_call(Case(dtype, edits=(Edit(0, 0, "subnormal"),))).logits[0, 0] == info.smallest_subnormal


@pytest.mark.parametrize("poison", ["nan", "+inf", "-inf"])
def test_poison_fills_ignored_rows_only(poison: str) -> None:
    plain = Case(rows=40, classes=5, ignore_index=-100, ignored="some", seed=3)
    clean = build_call(plain)
    call = build_call(Case(**{**vars(plain), "poison": poison}))
    ignored = call.labels == -100
    assert set(ignored.tolist()) == {True, False}
    assert not np.isfinite(call.logits[ignored]).any()
    np.testing.assert_array_equal(call.logits[~ignored], clean.logits[~ignored])


@pytest.mark.parametrize(("ignored", "shares"), [("none", {False}), ("some", {True, False}), ("all", {True})])
def test_ignored_rows_are_none_some_or_all(ignored: str, shares: set[bool]) -> None:
    call = build_call(Case(rows=40, ignore_index=-7, ignored=ignored))
    assert set((call.labels == -7).tolist()) == shares


@pytest.mark.parametrize("kind", [*SOFT, *WRONG_DTYPES, *WRONG_SHAPES])
def test_malformed_labels_are_no_class_indices(kind: str) -> None:
    labels = build_call(Case(rows=4, classes=7, malformed=kind)).labels
    assert labels.dtype.kind not in "iu" or labels.shape != (4,)


@pytest.mark.parametrize(("focus", "columns"), [("first", {0}), ("last", {99}), ("edge", {0, 1, 3, 7, 63, 64, 31, 32})])
def test_a_focus_is_a_label_in_half_of_the_rows(focus: str, columns: set[int]) -> None:
    labels = build_call(Case(rows=400, classes=100, focus=focus)).labels
    # each row takes the focus with probability 1/2: five standard deviations below 200
    assert np.isin(labels, [*columns, *(c + d for c in columns for d in (-1, 1))]).sum() > 200 - 5 * 10


def test_explicit_values_are_taken_as_they_are() -> None:
    values = Explicit.of(((0.5, -np.inf), (3.0, 1.0)), (1, 0))
    call = build_call(Case("bfloat16", 2, 2, explicit=values, label_dtype="int32", upstream="negative"))
    np.testing.assert_array_equal(wide(call.logits), values.logits.array)
    np.testing.assert_array_equal(call.labels, np.array([1, 0], np.int32), strict=True)
    assert call.upstream is not None


def test_explicit_rows_of_labels_are_in_the_dtype_of_the_logits() -> None:
    labels = build_call(Case("float16", explicit=Explicit.of(((0.0, 1.0),), ((0.25, 0.75),)))).labels
    np.testing.assert_array_equal(labels, np.array([[0.25, 0.75]], np.float16), strict=True)
