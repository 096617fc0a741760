"""Every built-in subject, by name. Adapter modules are imported here; the frameworks are not."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
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
    "autograd_logsumexp",
    "mlx_losses",
    "onnx_operator",
    "tinygrad_losses",
    "liger_cross_entropy",
    "kernels_triton",  # before the next, whose file of choices is about all local kernels
    "kernels_pallas",
    "kernels_cpu",
    "kernels_torch",
    "kernels_jax",
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
    """The adapter module of that name, or of that full name where another package holds it; importing it does not
    import its framework."""
    return importlib.import_module(f"{__package__}.{name}" if is_built_in(name) else name)


def is_built_in(name: str) -> bool:
    """Whether an adapter is a module of this package."""
    return name in ADAPTERS or name in CALLABLES.values()


def home_of(name: str) -> str | None:
    """The file of the package that holds an adapter, for a process that would not find it; None for a built-in one."""
    return None if is_built_in(name) else sys.modules[name.partition(".")[0]].__file__


def bring_home(name: str, file: str) -> None:
    """Make the package of an adapter importable from its file. Its folder does not enter `sys.path`, where everything
    that is installed beside it would shadow this interpreter's own packages."""
    package = name.partition(".")[0]
    if package in sys.modules:
        return
    inside = [str(Path(file).parent)] if Path(file).name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(package, file, submodule_search_locations=inside)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[package] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[package]
        raise


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
