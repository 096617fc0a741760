"""NumPy functions: the built-in one, and any callable of the same signature named `numpy:MODULE_OR_FILE:QUALNAME`.

    fn(logits, labels, *, weight=None, sample_weight=None, ignore_index=-100, label_smoothing=0.0, z_loss=0.0,
       softcap=None, reduction="mean", grad_output=None) -> (loss, grad_logits)

Keyword parameters that a function lacks are options it does not offer.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from typing import Any, Callable

import numpy as np

from xentcheck_adapters.call import REDUCTIONS, Array, Call
from xentcheck_adapters.dtypes import FLOAT_DTYPES
from xentcheck_adapters.outcome import Returned, Unavailable
from xentcheck_adapters.recipe import Keywords, Recipe, imported, is_bfloat16
from xentcheck_adapters.subject import Precision, Subject

PREFIX = "numpy:"
BUILT_IN = "numpy"
_PARAMETERS = ("weight", "sample_weight", "ignore_index", "label_smoothing", "z_loss", "softcap")

Function = Callable[..., Any]


def _subject(name: str, api: str, precision: dict[str, Precision], described: bool) -> Subject:
    return Subject(
        name=name,
        adapter="numpy_callable",
        framework="numpy",
        api=api,
        mode="eager",
        requires=("numpy", "ml_dtypes"),
        labels=("index", "dense"),
        precision=precision,
        options=frozenset(_PARAMETERS),
        reductions=REDUCTIONS,
        label_dtypes=("int64", "int32"),
        mean_divides_by={"index": "weights", "dense": "sample_weights"},
        described=described,
        zero_times_inf="zero" if described else "any",
        empty_mean=float("nan") if described else None,
    )


SUBJECTS = (
    _subject(
        BUILT_IN,
        "xentcheck_adapters.numpy_cross_entropy.cross_entropy",
        {dtype: Precision("wide", "pairwise", row_sums="wide") for dtype in FLOAT_DTYPES},
        described=True,
    ),
)

_UNKNOWN = {
    # Nothing is known of a user's function, so it gets the loosest bound that an honest one may need.
    "float16": Precision("uniform", "lane", 4, offset=True),
    "bfloat16": Precision("uniform", "lane", 4, offset=True),
    "float32": Precision("stored", "lane", 4, offset=True),
    "float64": Precision("stored", "lane", 4, offset=True),
}


def subject_from_spec(spec: str) -> Subject:
    """The subject of `numpy:MODULE_OR_FILE:QUALNAME`; ValueError if the spec has another form."""
    target = spec[len(PREFIX) :]
    if target.count(":") != 1 or not all(target.split(":")):
        raise ValueError(f"a NumPy callable is named numpy:MODULE_OR_FILE:FUNCTION, got {spec!r}")
    return _subject(spec, target, _UNKNOWN, described=False)


def load_function(subject: str) -> Function:
    """The function that a subject names; Unavailable, with what is there, if it is not found."""
    if subject == BUILT_IN:
        from xentcheck_adapters.numpy_cross_entropy import cross_entropy

        return cross_entropy
    source, qualname = subject[len(PREFIX) :].split(":")
    target: Any = _module_from_file(Path(source)) if source.endswith(".py") else importlib.import_module(source)
    for part in qualname.split("."):
        if not hasattr(target, part):
            raise Unavailable(f"{source} has no {qualname!r}; it defines {', '.join(_functions(target)) or 'nothing'}")
        target = getattr(target, part)
    return target  # type: ignore[no-any-return]


def _module_from_file(path: Path) -> Any:
    if not path.is_file():
        raise Unavailable(f"there is no file {path}")
    sys.path.insert(0, str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _functions(module: Any) -> list[str]:
    return [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]


def _accepted(function: Function) -> set[str]:
    parameters = inspect.signature(function).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return {*_PARAMETERS, "reduction", "grad_output"}
    return set(parameters)


def offered_options(subject: str) -> list[str]:
    """The options among the signature's keyword parameters."""
    return [name for name in _PARAMETERS if name in _accepted(load_function(subject))]


def versions() -> dict[str, str]:
    """Version of NumPy in the worker."""
    return {"numpy": np.__version__}


def open_subject(subject: str, device: str) -> Callable[[Call], Returned]:
    """A runner for the named function."""
    if device != "cpu":
        raise Unavailable(f"NumPy runs on cpu, got device {device!r}")
    function = load_function(subject)
    accepted = _accepted(function)
    missing = sorted({"reduction", "grad_output"} - accepted)
    if missing:
        raise Unavailable(f"{subject} must take the keyword arguments {', '.join(missing)}; others are optional")

    def run(call: Call) -> Returned:
        keywords: dict[str, Any | None] = {
            "weight": call.weight,
            "sample_weight": call.sample_weight,
            "label_smoothing": call.label_smoothing,
            "z_loss": call.z_loss,
            "softcap": call.softcap,
            "reduction": call.reduction,
            "grad_output": call.upstream,
        }
        if call.ignore_index is not None:
            keywords["ignore_index"] = call.ignore_index
        answer = function(call.logits, call.labels, **{k: v for k, v in keywords.items() if k in accepted})
        return Returned(*_loss_and_gradient(answer))

    return run


def _loss_and_gradient(answer: Any) -> tuple[Array, Array]:
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise TypeError(f"the function must return (loss, grad_logits), got {type(answer).__name__}")
    loss, gradient = answer
    return np.asarray(loss), np.asarray(gradient)


def recipe(subject: Subject, call: Call) -> Recipe:
    """A call of the named function as lines."""
    api = subject.api if ":" in subject.api else ":".join(subject.api.rsplit(".", 1))
    imports, function = imported(api)
    arrays = ("weight", "sample_weight")
    given = {name: None if getattr(call, name) is None else in_its_dtype(name, call) for name in arrays}
    scalars = {
        "ignore_index": call.ignore_index,
        "label_smoothing": call.label_smoothing or None,
        "z_loss": call.z_loss or None,
        "softcap": call.softcap,
        "reduction": repr(call.reduction),
        "grad_output": None if call.upstream is None else in_its_dtype("upstream", call),
    }
    if is_bfloat16(call.logits):
        imports = ("import ml_dtypes", *imports)
    text = f"{function}({in_its_dtype('logits', call)}, {in_its_dtype('labels', call)}{Keywords({**given, **scalars})})"
    return Recipe(imports, (f"loss, grad = {text}",))


def in_its_dtype(name: str, call: Call) -> str:
    """The call's array of that name, in its dtype."""
    return f"{name}.astype(ml_dtypes.bfloat16)" if is_bfloat16(getattr(call, name)) else name
