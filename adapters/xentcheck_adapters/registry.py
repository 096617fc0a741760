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


def adapter_module(name: str) -> ModuleType:
    """The adapter module of that name; importing it does not import its framework."""
    return importlib.import_module(f"xentcheck_adapters.{name}")


def built_in_subjects() -> dict[str, Subject]:
    """All built-in subjects by name, in the order in which reports show them."""
    subjects = (subject for name in ADAPTERS for subject in adapter_module(name).SUBJECTS)
    return {subject.name: subject for subject in subjects}
