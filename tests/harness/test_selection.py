"""What a person types selects subjects, devices and dtypes; what nobody knows is told in one line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from xentcheck.selection import SelectionError, missing_modules, select_subjects, select_targets, split_names
from xentcheck_adapters import FLOAT_DTYPES, built_in_subjects

KNOWN = built_in_subjects()


@pytest.fixture
def without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # Python's own way to say that a module cannot be imported


def named(*names: str) -> list[str]:
    return [subject.name for subject in select_subjects(names)]


def test_names_are_comma_separated_or_repeated() -> None:
    assert split_names(["torch, numpy", "tf.sparse,", " "]) == ["torch", "numpy", "tf.sparse"]


def test_a_group_of_which_some_are_installed_is_all_of_them(without_torch: None) -> None:
    pytest.importorskip("xentcheck_kernels._cpu")
    assert {"kernels.avx2", "kernels.torch"} <= set(named("kernels"))


def test_all_is_every_known_subject_installed_or_not(without_torch: None) -> None:
    assert named("all") == list(KNOWN)
    assert "torch.eager" in KNOWN


def test_auto_is_what_is_installed(without_torch: None) -> None:
    assert set(named("auto")) == {name for name, subject in KNOWN.items() if not missing_modules(subject)}
    assert "torch.eager" not in named("auto")
    assert "numpy" in named("auto")


@pytest.mark.parametrize("prefix", ["tf", "tf.sparse", "optax", "optax.int", "keras.torch", "jax.log_softmax"])
def test_a_prefix_of_whole_parts_selects_a_group(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xentcheck.selection.missing_modules", lambda subject: [])  # whether or not it is installed
    assert named(prefix) == [name for name in KNOWN if name.startswith(f"{prefix}.")] != []


def test_subjects_come_once_and_in_the_order_of_reports() -> None:
    assert named("numpy", "numpy", "auto") == named("auto")


@pytest.mark.parametrize("names", [["nmupy"], ["numpy", "t"], ["tf.spars"], ["numpy.eager"], ["ALL"], []])
def test_an_unknown_backend_is_told_in_one_line_with_the_known_ones(names: Sequence[str]) -> None:
    with pytest.raises(SelectionError, match=r"; known: all, auto, numpy, .*torch\.compile") as caught:
        select_subjects(names)
    message = str(caught.value)
    assert "\n" not in message
    assert not names or repr(names[-1]) in message


def test_a_near_miss_is_suggested() -> None:
    with pytest.raises(SelectionError, match="did you mean 'numpy'"):
        select_subjects(["nmupy"])


def test_a_subject_named_but_not_installed_is_told_with_what_to_type(without_torch: None) -> None:
    with pytest.raises(SelectionError, match=r"'torch.eager' needs torch: pip install 'xentcheck\[torch\]'"):
        select_subjects(["torch.eager"])


def test_a_malformed_callable_is_a_selection_error() -> None:
    with pytest.raises(SelectionError, match="numpy:MODULE_OR_FILE:FUNCTION"):
        select_subjects(["numpy:loss.py"])


def test_a_callable_joins_the_known_ones() -> None:
    assert named("numpy:loss:mine", "numpy") == ["numpy", "numpy:loss:mine"]


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (
            "pytorch:loss:mine",
            r"unknown flavour 'pytorch' in .* \(did you mean 'torch:loss:mine'\?\); known: numpy, torch",
        ),
        ("tensorflow:loss:mine", r"did you mean 'tf:loss:mine'"),
        ("theano:loss:mine", r"unknown flavour 'theano' in 'theano:loss:mine'; known: numpy, torch, jax, tf, keras$"),
        ("numpy:folder/loss.py:mine", r"no file loss\.py in .*folder: there is no such folder$"),
        ("numpy:los.py:mine", r"no file los\.py in .* \(did you mean 'loss\.py'\?\)$"),
    ],
)
def test_a_mistaken_callable_is_told_in_one_line(
    spec: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loss.py").touch()
    with pytest.raises(SelectionError, match=told):
        select_subjects([spec])


@pytest.mark.parametrize(
    ("spec", "needed"), [("tf:a:b", ["tensorflow"]), ("keras:a:b", ["keras", "jax"]), ("torch:a:b", ["torch"])]
)
def test_a_callable_needs_its_framework_and_keras_its_backend(
    spec: str, needed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    for module in needed:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SelectionError, match=f"needs {', '.join(needed)}: pip install"):
        select_subjects([spec])


def test_an_unknown_backend_of_keras_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    with pytest.raises(
        SelectionError, match="KERAS_BACKEND=theano is none of the known: tensorflow, torch, jax, numpy"
    ):
        select_subjects(["keras:a:b"])


def test_targets_are_every_declared_device_and_dtype() -> None:
    targets = select_targets(select_subjects(["numpy"]), ["cpu"], [])
    assert [target.dtype for target in targets] == list(FLOAT_DTYPES)
    assert [target.id for target in select_targets(select_subjects(["numpy"]), ["cpu"], ["float64"])] == [
        "numpy-cpu-float64"
    ]


def test_a_device_that_a_subject_lacks_is_left_out() -> None:
    assert select_targets([KNOWN["numpy"]], ["cuda"], []) == []
    devices = {target.device for target in select_targets([KNOWN["torch.eager"]], ["all"], ["float32"])}
    assert devices == {"cpu", "cuda"}


@pytest.mark.parametrize(
    ("devices", "dtypes", "what"), [(["tpu"], [], "device 'tpu'"), (["cpu"], ["int8"], "dtype 'int8'")]
)
def test_an_unknown_device_or_dtype_is_told_with_the_known_ones(
    devices: list[str], dtypes: list[str], what: str
) -> None:
    with pytest.raises(SelectionError, match=rf"unknown {what}; known: (cpu, cuda|float16, bfloat16)"):
        select_targets([KNOWN["numpy"]], devices, dtypes)
