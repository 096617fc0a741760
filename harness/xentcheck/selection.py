"""Which subjects, devices, dtypes and clauses a run is about, from what a person typed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from importlib.util import find_spec

from xentcheck.bench import Target
from xentcheck.known import known_subjects, registered
from xentcheck_adapters import FLOAT_DTYPES, Subject, is_spec, subject_from_spec
from xentcheck_adapters.registry import CALLABLES

DEVICES = ("cpu", "cuda")
ALL, AUTO = "all", "auto"
# Extras of this project by the module they bring, and those that have a variant of their own for a GPU.
_EXTRAS = {
    "torch": "torch",
    "tensorflow": "tensorflow",
    "keras": "keras",
    "jax": "jax",
    "optax": "jax",
    "autograd": "autograd",
    "mlx": "mlx",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "tinygrad": "tinygrad",
    "triton": "triton",
    "liger_kernel": "triton",
}
_CUDA_VARIANTS = ("tensorflow", "jax")


class SelectionError(ValueError):
    """A name nobody knows; the message is one line and lists the known ones."""


def split_names(values: Iterable[str]) -> list[str]:
    """Names from options that may be repeated and comma-separated."""
    return [name.strip() for value in values for name in value.split(",") if name.strip()]


def select_subjects(names: Sequence[str]) -> list[Subject]:
    """Subjects by name, by a dotted prefix of names, or by `FLAVOUR:FILE:FUNCTION`; "all" and "auto" for many.

    Raises SelectionError for an unknown name, and for a subject named explicitly whose framework is not installed.
    """
    known = known_subjects()
    if not names:
        raise SelectionError(f"no backend named; known: {_listed(known)}")
    chosen: dict[str, Subject] = {}
    for name in names:
        matches = _matching(name, known)
        for subject in matches:
            if name != ALL and name != AUTO and (missing := missing_modules(subject)):
                raise SelectionError(f"backend {name!r} needs {', '.join(missing)}: {install_hint(missing)}")
            chosen[subject.name] = subject
    return [*(s for s in known.values() if s.name in chosen), *(s for s in chosen.values() if s.name not in known)]


def _matching(name: str, known: dict[str, Subject]) -> list[Subject]:
    if name == ALL:
        return list(known.values())
    if name == AUTO:
        return [subject for subject in known.values() if not missing_modules(subject)]
    if is_spec(name):
        try:
            return [subject_from_spec(name)]
        except ValueError as error:
            raise SelectionError(str(error)) from None
    matches = [subject for subject in known.values() if f"{subject.name}.".startswith(f"{name}.")]
    if not matches:
        close = get_close_matches(name, _nameable(known), n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        told = [f"unknown backend {name!r}{hint}", f"known: {_listed(known)}", *registered().problems]
        raise SelectionError("; ".join(told))
    return matches


def _nameable(known: Iterable[str]) -> list[str]:
    return list(dict.fromkeys([ALL, AUTO, *(name.split(".")[0] for name in known), *known]))


def _listed(known: Iterable[str]) -> str:
    return ", ".join([*_nameable(known), *(f"{flavour}:FILE:FUNCTION" for flavour in CALLABLES)])


def framework_count(values: Sequence[str]) -> int:
    """How many installed frameworks the `--backend` options name; 1 if they name something unknown."""
    try:
        subjects = select_subjects(split_names(values))
    except SelectionError:
        return 1
    return len({subject.framework for subject in subjects if not missing_modules(subject)})


def select_clauses(names: Sequence[str], known: Iterable[str]) -> list[str]:
    """Ids of clauses, among the known ones, by whole id or by family; all of them if none is named.

    Raises SelectionError for a name that is neither.
    """
    ids = list(known)
    families = list(dict.fromkeys(id.split("-")[0] for id in ids))
    for name in names:
        if name not in ids and name not in families:
            close = get_close_matches(name, [*families, *ids], n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise SelectionError(f"unknown clause {name!r}{hint}; known: {', '.join([*families, *ids])}")
    return [id for id in ids if not names or id in names or id.split("-")[0] in names]


def select_targets(subjects: Sequence[Subject], devices: Sequence[str], dtypes: Sequence[str]) -> list[Target]:
    """Every subject on every wanted device and dtype it declares. Empty `dtypes` means all of them."""
    for dtype in dtypes:
        if dtype not in FLOAT_DTYPES:
            raise SelectionError(f"unknown dtype {dtype!r}; known: {', '.join(FLOAT_DTYPES)}")
    for device in devices:
        if device not in (*DEVICES, ALL):
            raise SelectionError(f"unknown device {device!r}; known: {', '.join((*DEVICES, ALL))}")
    wanted = DEVICES if ALL in devices else tuple(devices)
    return [
        Target(subject, device, dtype)
        for subject in subjects
        for device in wanted
        if device in subject.devices
        for dtype in subject.dtypes
        if not dtypes or dtype in dtypes
    ]


def missing_modules(subject: Subject) -> list[str]:
    """Modules a subject needs and this interpreter lacks; nothing is imported to find out."""
    return [module for module in subject.requires if find_spec(module) is None]


def extras_of(modules: Sequence[str], device: str) -> list[str]:
    """The extras that bring the modules, for a device; what every installation has needs none."""
    extras = {_EXTRAS[module] for module in modules if module in _EXTRAS}
    return sorted(f"{extra}-cuda" if device == "cuda" and extra in _CUDA_VARIANTS else extra for extra in extras)


def install_hint(missing: Sequence[str]) -> str:
    """What to type to get the missing modules."""
    extras = ",".join(extras_of(missing, "cpu"))
    return f"pip install 'xentcheck[{extras}]'" if extras else f"pip install {' '.join(missing)}"
