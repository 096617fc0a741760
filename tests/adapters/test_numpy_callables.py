"""`numpy:MODULE_OR_FILE:FUNCTION`: naming a function, its options, and what it may return."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xentcheck_adapters import REDUCTIONS, Call, Unavailable, built_in_subjects
from xentcheck_adapters.numpy_callable import offered_options, open_subject, subject_from_spec
from xentcheck_adapters.numpy_cross_entropy import cross_entropy

REQUIRED = "reduction, grad_output"
BUILT_IN = "numpy:xentcheck_adapters.numpy_cross_entropy:cross_entropy"


@pytest.mark.parametrize("spec", ["numpy:", "numpy:module", "numpy::function", "numpy:module:", "numpy:a:b:c"])
def test_a_malformed_spec_is_shown_the_right_form(spec: str) -> None:
    with pytest.raises(ValueError, match="numpy:MODULE_OR_FILE:FUNCTION, got"):
        subject_from_spec(spec)


def test_a_missing_file_is_unavailable_by_name(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"there is no file .*loss\.py"):
        open_subject(f"numpy:{tmp_path / 'loss.py'}:loss", "cpu")


def test_a_missing_function_is_unavailable_and_the_existing_ones_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "only_one_loss.py"
    path.write_text("def my_loss(logits, labels):\n    return logits, labels\n")
    with pytest.raises(Unavailable, match=r"has no 'your_loss'; it defines my_loss"):
        open_subject(f"numpy:{path}:your_loss", "cpu")


def test_numpy_has_no_gpu() -> None:
    with pytest.raises(Unavailable, match="'cuda'"):
        open_subject(BUILT_IN, "cuda")


def test_a_function_that_takes_no_reduction_or_upstream_gradient_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "bare_loss.py"
    path.write_text("def loss(logits, labels):\n    return logits.sum(1), logits\n")
    with pytest.raises(Unavailable, match="must take the keyword arguments grad_output, reduction"):
        open_subject(f"numpy:{path}:loss", "cpu")


def test_parameters_that_a_function_lacks_are_options_it_does_not_offer(
    tmp_path: Path, call: Callable[..., Call]
) -> None:
    path = tmp_path / "bare_loss.py"
    path.write_text(f"def loss(logits, labels, *, weight=None, {REQUIRED}):\n    return logits.sum(1), logits\n")
    spec = f"numpy:{path}:loss"
    assert offered_options(spec) == ["weight"]
    given = call(label_smoothing=0.1, ignore_index=1)
    np.testing.assert_array_equal(open_subject(spec, "cpu")(given).loss, given.logits.sum(1))


@pytest.mark.parametrize("option", ["z_loss", "softcap"])
def test_a_function_is_given_an_option_it_takes(tmp_path: Path, call: Callable[..., Call], option: str) -> None:
    path = tmp_path / f"takes_{option}.py"
    path.write_text(
        f"def loss(logits, labels, *, {option}, {REQUIRED}):\n    return logits.sum(1) * {option}, logits\n"
    )
    spec = f"numpy:{path}:loss"
    assert offered_options(spec) == [option]
    given = call(z_loss=2.0, softcap=2.0)
    np.testing.assert_array_equal(open_subject(spec, "cpu")(given).loss, 2.0 * given.logits.sum(1))


def test_a_numpy_function_offers_no_second_derivative() -> None:
    assert not subject_from_spec("numpy:a.py:b").offers("hvp")
    assert not built_in_subjects()["numpy"].offers("hvp")


@pytest.mark.parametrize("returned", ["logits", "(logits, logits, logits)", "None"])
def test_a_function_that_returns_no_pair_is_told_what_to_return(
    tmp_path: Path, call: Callable[..., Call], returned: str
) -> None:
    path = tmp_path / f"returns_{abs(hash(returned))}.py"
    path.write_text(f"def loss(logits, labels, *, {REQUIRED}):\n    return {returned}\n")
    with pytest.raises(TypeError, match=r"must return \(loss, grad_logits\), got"):
        open_subject(f"numpy:{path}:loss", "cpu")(call())


@pytest.mark.parametrize("stages", [{}, {"z_loss": 0.01}, {"softcap": 2.0}, {"z_loss": 0.01, "softcap": 2.0}])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_the_built_in_gradient_is_the_slope_of_the_built_in_loss(reduction: str, stages: dict[str, float]) -> None:
    generator = np.random.default_rng(0)
    logits, direction = generator.normal(size=(2, 5, 7))
    labels = np.array([0, 6, 2, 3, 3])
    weights = {"weight": generator.random(7), "sample_weight": generator.random(5)}
    options: dict[str, Any] = {**weights, "ignore_index": 6, "label_smoothing": 0.1, **stages}
    options["reduction"] = reduction

    def total(step: float) -> float:
        return float(np.sum(cross_entropy(logits + step * direction, labels, **options)[0]))

    # Richardson's two central differences leave h**4 of the fifth derivative: 1e-12 for h = 1e-3
    h = 1e-3
    slope = (8 * (total(h) - total(-h)) - (total(2 * h) - total(-2 * h))) / (12 * h)
    gradient = cross_entropy(logits, labels, **options)[1]
    assert slope == pytest.approx(np.sum(gradient * direction), rel=1e-9)
