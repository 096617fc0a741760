"""tinygrad's Tensor.cross_entropy and Tensor.sparse_categorical_crossentropy, on its device PYTHON.

That device interprets the kernels which the others compile, in the dtypes asked for, and needs nothing but Python.
"""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from xentcheck_adapters.call import REDUCTIONS, Array, Call
from xentcheck_adapters.outcome import Returned, Unavailable
from xentcheck_adapters.recipe import Keywords, Recipe, refuse_procedures
from xentcheck_adapters.subject import Precision, Subject

_OPTIONS = {
    "tinygrad.dense": ("label_smoothing", "grad_labels"),
    "tinygrad.sparse": ("label_smoothing", "ignore_index"),
}
_METHODS = {"tinygrad.dense": "cross_entropy", "tinygrad.sparse": "sparse_categorical_crossentropy"}
_PRECISION = {dtype: Precision("uniform", "lane", 1) for dtype in ("float32", "float64")}
_LARGEST_ROWS, _LARGEST_CLASSES = 1025, 257  # each number takes microseconds in each of a dozen kernels


def _subject(name: str, labels: tuple[str, ...], **details: Any) -> Subject:
    return Subject(
        name=name,
        adapter="tinygrad_losses",
        framework="tinygrad",
        api=f"tinygrad.Tensor.{_METHODS[name]}",
        mode="eager",
        requires=("tinygrad",),
        labels=labels,
        precision=_PRECISION,
        dtypes=tuple(_PRECISION),
        options=frozenset(_OPTIONS[name]),
        reductions=REDUCTIONS,
        label_dtypes=("int64", "int32"),
        largest_rows=_LARGEST_ROWS,
        largest_classes=_LARGEST_CLASSES,
        retraces=True,
        environment={"DEV": "PYTHON", "CACHELEVEL": "0"},  # no cache on disk
        **details,
    )


SUBJECTS = (
    _subject("tinygrad.dense", ("index", "dense"), mean_divides_by={"index": "rows", "dense": "rows"}, class_axes=(1,)),
    _subject("tinygrad.sparse", ("index",), mean_divides_by={"index": "kept"}, class_axes=(-1,)),
)


def offered_options(subject: str) -> list[str]:
    """The arguments of the method, and its derivative to the labels that are numbers."""
    return list(_OPTIONS[subject])


def versions() -> dict[str, str]:
    """Version of tinygrad in the worker."""
    import importlib.metadata

    return {"tinygrad": importlib.metadata.version("tinygrad")}


def open_subject(subject: str, device: str) -> Callable[[Call], Returned]:
    """A runner for "tinygrad.dense" or "tinygrad.sparse"."""
    if device != "cpu":
        raise Unavailable(f"this adapter runs tinygrad in Python, got device {device!r}")
    from tinygrad import Tensor

    method = getattr(Tensor, _METHODS[subject])

    def run(call: Call) -> Returned:
        given: dict[str, Any] = {"reduction": call.reduction, "label_smoothing": call.label_smoothing}
        if call.ignore_index is not None:
            given["ignore_index"] = call.ignore_index
        logits, labels = _tensor(call.logits), _tensor(call.labels)
        loss = method(logits, labels, **given)
        wanted = [logits, labels] if call.want_grad_labels else [logits]
        gradients = loss.gradient(*wanted, gradient=_tensor(call.cotangent()).cast(loss.dtype))
        return Returned(*(result.numpy() for result in (loss, *gradients)))

    return run


def _tensor(array: Array) -> Any:
    from tinygrad import Tensor

    return Tensor(np.array(array, order="C"))


def recipe(subject: Subject, call: Call) -> Recipe:
    """A call of "tinygrad.dense" or "tinygrad.sparse" as lines."""
    refuse_procedures(call)
    given = {
        "reduction": repr(call.reduction),
        "label_smoothing": call.label_smoothing or None,
        "ignore_index": call.ignore_index,
    }
    upstream = "" if call.upstream is None else ", gradient=Tensor(upstream).cast(loss.dtype)"
    if call.upstream is None and call.reduction == "none":
        upstream = ", gradient=loss.ones_like()"
    wanted, results = ("x, y", ("grad", "grad_labels")) if call.want_grad_labels else ("x", ("grad",))
    lines = (
        "x, y = Tensor(logits), Tensor(labels)",
        f"loss = x.{_METHODS[subject.name]}(y{Keywords(given)})",
        f"{', '.join(results)}, = (g.numpy() for g in loss.gradient({wanted}{upstream}))",
        "loss = loss.numpy()",
    )
    return Recipe(("import os", 'os.environ["DEV"] = "PYTHON"', "from tinygrad import Tensor"), lines)
