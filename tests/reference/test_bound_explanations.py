"""A bound says what it is made of, and when infinity is an honest answer."""

from __future__ import annotations

import numpy as np

from xentcheck_reference import Problem, Profile, cross_entropy, dominant_term, error_bound


def test_the_dominant_term_says_what_the_bound_is_made_of() -> None:
    huge = Problem(logits=np.zeros((1, 50_257)), labels=np.array([0]))
    assert dominant_term(huge, cross_entropy(huge), Profile("float32"), 0).startswith("sum over classes")
    far = Problem(logits=np.array([[0.0, -1e6]]), labels=np.array([1]))
    assert dominant_term(far, cross_entropy(far), Profile("bfloat16", "wide"), 0).startswith("output")


def test_a_float16_mean_of_large_losses_may_honestly_be_infinite() -> None:
    problem = Problem(logits=np.tile([[40_000.0, 0.0]], (2, 1)), labels=np.array([1, 1]), reduction="mean")
    reference = cross_entropy(problem)
    assert error_bound(problem, reference, Profile("float16")).loss_may_be_infinite
    assert not error_bound(problem, reference, Profile("float16", row_sums="wide")).loss_may_be_infinite
    assert not error_bound(problem, reference, Profile("bfloat16")).loss_may_be_infinite
