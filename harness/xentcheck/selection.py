"""Which subjects, devices, dtypes and clauses a run is about, from what a person typed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from xentcheck.bench import Target, at
from xentcheck.installed import spec_of
from xentcheck.known import known_subjects, registered
from xentcheck.workers.interpreter import InterpreterError, environment, install_command, missing_there
from xentcheck_adapters import FLOAT_DTYPES, Subject, is_spec, subject_from_spec
from xentcheck_adapters.loading import missing_file
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
KERNELS = "./adapters/kernels"  # a distribution of its own, from a checkout
# What pip is given for them, by what is missing: all of it, or what a compiler makes.
_KERNELS = {
    "xentcheck_kernels": KERNELS,
    "xentcheck_kernels._cpu": f"--force-reinstall {KERNELS} (with a C++20 compiler; it was built without one)",
}
_CUDA_VARIANTS = ("tensorflow", "jax")


class SelectionError(ValueError):
    """A name nobody knows; the message is one line and lists the known ones."""


class NotInstalledError(SelectionError):
    """A name that everybody knows, of what is not installed; the message says what to type."""


def split_names(values: Iterable[str]) -> list[str]:
    """Names from options that may be repeated and comma-separated."""
    return [name.strip() for value in values for name in value.split(",") if name.strip()]


def select_subjects(names: Sequence[str]) -> list[Subject]:
    """Subjects by name, by a dotted prefix of names, or by `FLAVOUR:FILE:FUNCTION`; "all" and "auto" for many; each in
    another interpreter where "@" and its path follow.

    Raises SelectionError for an unknown name or interpreter, and NotInstalledError for a subject named explicitly whose
    framework is not installed.
    """
    known = known_subjects()
    if not names:
        raise SelectionError(f"no backend named; known: {_listed(known)}")
    chosen: dict[str, Subject] = {}
    try:
        for name in names:
            chosen |= {subject.name: subject for subject in _named(name, known)}
    except InterpreterError as error:
        raise SelectionError(f"backend {name!r}: {error}") from None
    places = {name: place for place, name in enumerate(dict.fromkeys([*known, *(s.known_as for s in chosen.values())]))}
    return sorted(chosen.values(), key=lambda subject: places[subject.known_as])


def subject_and_interpreter(name: str) -> tuple[str, str | None]:
    """A name without its interpreter, and that. A file's path may hold an "@" too: the interpreter follows the last
    part of a spec."""
    *before, last = name.split(":", 2)
    subject, sign, interpreter = last.partition("@")
    return ":".join([*before, subject]), interpreter if sign else None


def asks_for_all(name: str) -> bool:
    """Whether a name asks for what there is, rather than for a subject."""
    return subject_and_interpreter(name)[0] in (ALL, AUTO)


def _named(typed: str, known: dict[str, Subject]) -> list[Subject]:
    """What a name stands for. Raises SelectionError and InterpreterError."""
    name, interpreter = subject_and_interpreter(typed)
    place = None if interpreter is None else environment(interpreter)
    subjects = [at(subject, place) for subject in _matching(name, known)]
    if name == ALL:
        return subjects
    missing = {subject: missing_modules(subject) for subject in subjects}
    if name == AUTO:
        return [subject for subject in subjects if not missing[subject]]
    if all(missing.values()):  # a group of which some are installed is told about like "all"
        lacking = next(iter(missing.values()))
        raise NotInstalledError(f"backend {typed!r} needs {', '.join(lacking)}: {install_hint(lacking, place)}")
    return subjects


def _matching(name: str, known: dict[str, Subject]) -> list[Subject]:
    if name in (ALL, AUTO):
        return list(known.values())
    if ":" in name:
        return [_callable(name)]
    matches = [subject for subject in known.values() if f"{subject.name}.".startswith(f"{name}.")]
    if not matches:
        close = get_close_matches(name, _nameable(known), n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        told = [f"unknown backend {name!r}{hint}", f"known: {_listed(known)}", *registered().problems]
        raise SelectionError("; ".join(told))
    return matches


def _callable(spec: str) -> Subject:
    flavour, _, target = spec.partition(":")
    if not is_spec(spec):
        meant = {**{name: name for name in CALLABLES}, "tensorflow": "tf"}
        close = [meant[name] for name in get_close_matches(flavour, meant, n=1)]
        hint = f" (did you mean {f'{close[0]}:{target}'!r}?)" if close else ""
        raise SelectionError(f"unknown flavour {flavour!r} in {spec!r}{hint}; known: {', '.join(CALLABLES)}")
    try:
        subject = subject_from_spec(spec)
    except ValueError as error:
        raise SelectionError(str(error)) from None
    if missing := missing_file(target):
        raise SelectionError(missing)
    return subject


def _nameable(known: Iterable[str]) -> list[str]:
    return list(dict.fromkeys([ALL, AUTO, *(name.split(".")[0] for name in known), *known]))


def nameable() -> list[str]:
    """All that can be named, with what the names of callables begin with."""
    return [*_nameable(known_subjects()), *(f"{flavour}:" for flavour in CALLABLES)]


def _listed(known: Iterable[str]) -> str:
    flavours = [f"{flavour}:FILE:FUNCTION" for flavour in CALLABLES]
    return ", ".join([*_nameable(known), *flavours]) + ", each with @PYTHON for another interpreter"


def framework_count(values: Sequence[str]) -> int:
    """How many installed frameworks the `--backend` options name, those of each interpreter by themselves; 1 if they
    name something unknown."""
    try:
        subjects = select_subjects(split_names(values))
    except SelectionError:
        return 1
    return len({(s.framework, s.interpreter) for s in subjects if not missing_modules(s)})


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
    """Modules that a subject needs and its interpreter lacks; nothing is imported to find out."""
    if subject.interpreter is None:
        return [module for module in subject.requires if spec_of(module) is None]
    return list(missing_there(subject.interpreter, subject.requires))


def extras_of(modules: Sequence[str], device: str) -> list[str]:
    """The extras that bring the modules, for a device; what every installation has needs none."""
    extras = {_EXTRAS[module] for module in modules if module in _EXTRAS}
    return sorted(f"{extra}-cuda" if device == "cuda" and extra in _CUDA_VARIANTS else extra for extra in extras)


def install_hint(missing: Sequence[str], interpreter: str | None = None) -> str:
    """What to type to get the missing modules, into another interpreter if one is named."""
    kernels = [_KERNELS[module] for module in missing if module in _KERNELS][:1]
    if interpreter:
        return install_command(interpreter, kernels or missing)
    if kernels:
        return f"pip install {kernels[0]}"
    extras = ",".join(extras_of(missing, "cpu"))
    return f"pip install 'xentcheck[{extras}]'" if extras else f"pip install {' '.join(missing)}"
