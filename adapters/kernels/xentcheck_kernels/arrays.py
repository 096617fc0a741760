"""The arrays of a call: how `_cpu` sees them, and what it is given where it does not take them as they are."""

from __future__ import annotations

import sys
from typing import Any, Callable, NamedTuple

import numpy as np

from xentcheck_kernels import _cpu

try:
    from ml_dtypes import bfloat16

    _BFLOAT16: np.dtype[Any] | None = np.dtype(bfloat16)
except ImportError:  # then no array of NumPy has it
    _BFLOAT16 = None

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]

_LOSS_DTYPES = {"float16": "float32", "bfloat16": "float32", "float32": "float32", "float64": "float64"}
_INDICES = ("int32", "int64")


class Format(NamedTuple):
    """What follows from the dtype of logits, which is NumPy's, ml_dtypes' or PyTorch's.

    loss_dtype  the loss' dtype, of the same library
    empty       makes arrays of that library
    is_viewed   whether `_cpu` takes a `view` of an array only
    """

    loss_dtype: Any
    empty: Callable[..., Any]
    is_viewed: bool


class Given(NamedTuple):
    """The arrays of a call, as they were given."""

    logits: Any
    labels: Any
    weight: Any
    out: Any
    grad: Any
    grad_output: Any


def _formats_of_numpy() -> dict[Any, Format]:
    plain = {np.dtype(name): name for name in _LOSS_DTYPES if name != "bfloat16"}
    formats: dict[Any, Format] = {
        dtype: Format(np.dtype(_LOSS_DTYPES[name]), np.empty, False) for dtype, name in plain.items()
    }
    if _BFLOAT16 is not None:
        formats[_BFLOAT16] = Format(np.dtype(np.float32), np.empty, True)
    return formats


_formats = _formats_of_numpy()  # and PyTorch's, once a tensor is met: it is not imported here


def format_of(logits: Any) -> Format | None:
    """The format of an array; None if its dtype is none of logits, or in another byte order."""
    dtype = getattr(logits, "dtype", None)
    form = _formats.get(dtype)
    if form is None and _is_tensor(logits) and _name_of(dtype) in _LOSS_DTYPES:
        torch = sys.modules["torch"]
        form = _formats[dtype] = Format(getattr(torch, _LOSS_DTYPES[_name_of(dtype)]), torch.empty, True)
    return form


def view(array: Any) -> Any:
    """A NumPy array over the same memory, of bfloat16 its bits as uint16; None of None."""
    if array is None:
        return None
    if _is_tensor(array):
        torch = sys.modules["torch"]
        return array.view(torch.int16).numpy().view(np.uint16) if array.dtype is torch.bfloat16 else array.numpy()
    if type(array) is not np.ndarray:
        array = np.asarray(array) if hasattr(array, "__array__") else np.from_dlpack(array)
    return array.view(np.uint16) if array.dtype == _BFLOAT16 else array


def evaluate(
    given: Given, ignore_index: int, label_smoothing: float, z_loss: float, reduction: str, threads: int | None
) -> Any:
    """As `cpu.cross_entropy`, of any arrays: what they are is checked and told, and what must be copied is copied."""
    dtype = _dtype_name("logits", given.logits)
    if dtype not in _LOSS_DTYPES:
        raise TypeError(f"logits: got {dtype}, expected {', '.join(_LOSS_DTYPES)}")
    wide = _LOSS_DTYPES[dtype]
    logits = view(given.logits)
    if logits.ndim != 2 or not logits.shape[1]:
        raise ValueError(f"logits: got shape {logits.shape}, expected (N, C) and at least one class")
    rows, classes = logits.shape
    of_loss = (rows,) if reduction == "none" else ()
    labels = _labels(given.labels, logits.shape, dtype)
    weight = None if given.weight is None else _widened("weight", given.weight, (classes,), wide)
    upstream = None if given.grad_output is None else _widened("grad_output", given.grad_output, of_loss, "float64")

    out = _new_like(given.logits, of_loss, wide) if given.out is None else given.out
    grad = _new_like(given.logits, logits.shape, dtype) if given.grad is True else given.grad
    loss = _writable("out", out, of_loss, wide)
    gradient = None if grad is None else _writable("grad", grad, logits.shape, dtype)

    def is_taken(loss: Array, gradient: Array | None) -> bool:
        options = (ignore_index, label_smoothing, z_loss, reduction, threads)
        return _cpu.cross_entropy(_readable(logits), _readable(labels), loss, gradient, weight, upstream, *options)

    if not is_taken(loss, gradient):
        plain_loss = np.empty(loss.shape, wide)
        plain_gradient = None if gradient is None else np.empty(gradient.shape, gradient.dtype.newbyteorder("="))
        if not is_taken(plain_loss, plain_gradient):
            raise AssertionError("xentcheck_kernels._cpu declines plain arrays")
        loss[...] = plain_loss
        if gradient is not None:
            gradient[...] = plain_gradient
    return out if grad is None else (out, grad)


def _is_tensor(array: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(array, torch.Tensor)


def _name_of(dtype: Any) -> str:
    return str(getattr(dtype, "name", dtype)).rpartition(".")[2]


def _dtype_name(name: str, array: Any) -> str:
    if not hasattr(array, "dtype"):
        raise TypeError(f"{name}: got {type(array).__name__}, expected an array")
    return _name_of(array.dtype)


def _labels(labels: Any, shape: Shape, dtype: str) -> Array:
    found = _dtype_name("labels", labels)
    if found not in (*_INDICES, dtype):
        raise TypeError(f"labels: got {found}, expected {' or '.join(_INDICES)}, or rows of {dtype} as the logits")
    return _shaped("labels", view(labels), shape if found == dtype else shape[:1])


def _widened(name: str, array: Any, shape: Shape, dtype: str) -> Array:
    """A contiguous array of that dtype."""
    if _is_tensor(array):
        array = array.to(getattr(sys.modules["torch"], dtype)).numpy()
    return _shaped(name, np.require(array, dtype, ["C", "A"]), shape)


def _writable(name: str, array: Any, shape: Shape, dtype: str) -> Array:
    """A view to write to."""
    found = _dtype_name(name, array)
    if found != dtype:
        raise TypeError(f"{name}: got {found}, expected {dtype}")
    found_view = _shaped(name, view(array), shape)
    if not found_view.flags.writeable:
        raise ValueError(f"{name}: got a read-only array, expected one to write to")
    return found_view


def _shaped(name: str, array: Array, shape: Shape) -> Array:
    if array.shape != shape:
        raise ValueError(f"{name}: got shape {array.shape}, expected {shape}")
    return array


def _new_like(array: Any, shape: Shape, dtype: str) -> Any:
    """A tensor or an array, as the given one is."""
    if _is_tensor(array):
        torch = sys.modules["torch"]
        return torch.empty(shape, dtype=getattr(torch, dtype))
    return np.empty(shape, _BFLOAT16 if dtype == "bfloat16" else dtype)


def _readable(array: Array) -> Array:
    """The array itself; a copy if it is misaligned, of another byte order, or its classes do not lie side by side."""
    array = np.require(array, array.dtype.newbyteorder("="), ["A"])
    if array.ndim == 2 and array.shape[1] > 1 and array.strides[1] != array.itemsize:
        return np.ascontiguousarray(array)
    return array
