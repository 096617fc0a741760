"""Every subject the project knows, by name. Adapter modules are imported here; the frameworks are not."""

from __future__ import annotations

import importlib
from types import ModuleType

from xentcheck_adapters.subject import Subject

ADAPTERS = (
    "numpy_callable",
    "torch_cross_entropy",
    "torch_nll",
    "torch_func",
    "torch_linear",
    "torch_autocast",
    "tensorflow_nn",
    "tensorflow_raw",
    "keras_losses",
    "keras_masks",
    "keras_metrics",
    "jax_optax",
    "jax_idioms",
    "optax_masks",
)


# Adapters of whatever a person names, by the flavour that a name starts with: `torch:FILE:FUNCTION`
CALLABLES = {
    "numpy": "numpy_callable",
    "torch": "torch_callable",
    "jax": "jax_callable",
    "tf": "tensorflow_callable",
    "keras": "keras_callable",
}


def adapter_module(name: str) -> ModuleType:
    """The adapter module of that name; importing it does not import its framework."""
    return importlib.import_module(f"xentcheck_adapters.{name}")


def built_in_subjects() -> dict[str, Subject]:
    """All built-in subjects by name, in the order in which reports show them."""
    subjects = (subject for name in ADAPTERS for subject in adapter_module(name).SUBJECTS)
    return {subject.name: subject for subject in subjects}


def is_spec(name: str) -> bool:
    """Whether a name is of the form `FLAVOUR:…`, and no subject of this project."""
    flavour, colon, _ = name.partition(":")
    return bool(colon) and flavour in CALLABLES


def subject_from_spec(spec: str) -> Subject:
    """The subject of `FLAVOUR:MODULE_OR_FILE:QUALNAME`, which is not loaded here. ValueError if it has another form."""
    return adapter_module(CALLABLES[spec.partition(":")[0]]).subject_from_spec(spec)  # type: ignore[no-any-return]
