"""The list of subjects: coherent data, listed without importing a framework."""

from __future__ import annotations

import subprocess
import sys

import pytest

from xentcheck_adapters import FLOAT_DTYPES, REDUCTIONS, WEIGHTED_MEAN, Subject, adapter_module, built_in_subjects
from xentcheck_adapters.registry import ADAPTERS

SUBJECTS = built_in_subjects()
each_subject = pytest.mark.parametrize("subject", SUBJECTS.values(), ids=SUBJECTS)


def test_listing_the_subjects_imports_no_framework() -> None:
    script = (
        "import sys; from xentcheck_adapters import built_in_subjects; built_in_subjects(); "
        "print(*sorted({'torch', 'tensorflow', 'keras', 'jax', 'optax'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_no_two_subjects_share_a_name() -> None:
    assert len(SUBJECTS) == sum(len(adapter_module(name).SUBJECTS) for name in ADAPTERS)


@each_subject
def test_a_subject_declares_known_words_only(subject: Subject) -> None:
    assert subject.adapter in ADAPTERS
    assert subject.inputs in ("logits", "probabilities", "scores")
    assert subject.zero_times_inf in ("zero", "nan", "any")
    assert set(subject.labels) <= {"index", "dense", "multi-hot"}
    assert set(subject.reductions) <= {*REDUCTIONS, WEIGHTED_MEAN}
    options = {"weight", "sample_weight", "ignore_index", "label_smoothing", "grad_labels", "z_loss", "softcap", "hvp"}
    assert subject.options <= options
    assert set(subject.devices) <= {"cpu", "cuda"}
    assert set(subject.mean_divides_by.values()) <= {"weights", "sample_weights", "kept", "rows"}


@each_subject
def test_a_subject_declares_its_precision_in_every_dtype(subject: Subject) -> None:
    assert set(subject.dtypes) <= set(FLOAT_DTYPES)
    assert set(subject.precision) == set(subject.dtypes)
    for precision in subject.precision.values():
        assert precision.storage in ("wide", "stored", "uniform")
        assert precision.sums in ("pairwise", "block", "lane")
        assert precision.width > 0


@each_subject
def test_a_subject_that_averages_says_what_it_divides_by(subject: Subject) -> None:
    if "mean" in subject.reductions:
        assert set(subject.mean_divides_by) == set(subject.labels)


@each_subject
def test_a_subject_without_gradients_offers_no_derivative(subject: Subject) -> None:
    assert subject.differentiable or not subject.options & {"hvp", "grad_labels"}


@each_subject
def test_a_variant_answers_what_the_subject_it_varies_answers(subject: Subject) -> None:
    if subject.variant_of is not None:
        main = SUBJECTS[subject.variant_of]
        assert main.variant_of is None
        assert (main.framework, main.inputs) == (subject.framework, subject.inputs)
        assert set(subject.labels) <= set(main.labels)


@each_subject
def test_a_mode_twin_is_the_same_thing_run_eagerly(subject: Subject) -> None:
    if subject.mode == "eager":
        assert subject.mode_twin is None
    else:
        assert subject.mode_twin is not None
        twin = SUBJECTS[subject.mode_twin]
        assert twin.mode == "eager"
        assert (twin.framework, twin.api) == (subject.framework, subject.api)
        assert set(subject.labels) <= set(twin.labels)


@each_subject
def test_a_form_twin_takes_the_other_labels_in_the_same_mode(subject: Subject) -> None:
    if subject.form_twin is not None:
        twin = SUBJECTS[subject.form_twin]
        assert (twin.framework, twin.mode, twin.inputs) == (subject.framework, subject.mode, subject.inputs)
        assert {*subject.labels, *twin.labels} == {"index", "dense"}


@each_subject
def test_an_adapter_offers_the_options_of_its_subject(subject: Subject) -> None:
    assert set(adapter_module(subject.adapter).offered_options(subject.name)) == subject.options
