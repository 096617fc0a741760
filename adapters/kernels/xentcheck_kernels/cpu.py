"""Softmax cross-entropy and its gradient on the CPU, by the extension module `_cpu`."""

from __future__ import annotations

from typing import Any

try:
    import xentcheck_kernels._cpu as _cpu  # whose absence is told as that, and not as a circular import
except ImportError as error:
    _missing: ImportError | None = error
else:
    _missing = None
    from xentcheck_kernels.arrays import Given, evaluate, format_of, view


def kernels() -> tuple[str, ...]:
    """The instruction sets that were compiled and that this processor supports, fastest first; none if the extension
    was not built. The environment variable XENTCHECK_KERNELS_ISA, which the first call reads, forces one of them."""
    return () if _missing else _cpu.kernels()


def cross_entropy(
    logits: Any,
    labels: Any,
    *,
    weight: Any = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    reduction: str = "mean",
    out: Any = None,
    grad: Any = None,
    grad_output: Any = None,
    threads: int | None = None,
) -> Any:
    """The loss, or the loss and its gradient with respect to the logits.

    It means what torch.nn.functional.cross_entropy means, but that nothing cancels: a loss of 1e-30 is 1e-30, not 0.
    Arrays are NumPy's, CPU tensors of PyTorch, or what `numpy.asarray` reads; nothing is copied whose classes lie side
    by side. Results are tensors where the logits are one, and NumPy arrays otherwise. They are bitwise the same for
    any number of threads, and for a row wherever it stands.

    logits           (N, C) float16, bfloat16, float32 or float64
    labels           (N,) int32 or int64 class indices, or (N, C) in the logits' dtype: what each class weighs in a row
    weight           (C,) class weights
    ignore_index     rows with this label do not count: loss 0, gradient 0. Class indices only
    label_smoothing  0 to 1: the part of each row's labels that is spread evenly over the classes
    z_loss           each row that counts gains this times its squared log-sum-exp (PaLM, arXiv 2204.02311)
    reduction        "none": loss (N,); "sum" and "mean": (). Class indices average over the sum of weight[label] of the
                     rows that count, which is NaN if none does; rows of labels over N
    out              where the loss goes, else a new array: float64 for float64 logits, float32 for all others
    grad             True: the gradient in a new array of the logits' shape and dtype; an array: there, which may be the
                     logits themselves. Then (loss, gradient) is returned
    grad_output      the upstream gradient, of the loss' shape; None: ones
    threads          at most so many; None: as many as the process has processors

    The gradient of rows of labels is the true one, sum(labels) softmax - labels, whatever they sum to.

    Raises:
        IndexError: a label outside [0, C) that is not `ignore_index`; nothing has been written then.
        TypeError: a dtype that is none of the above.
        ValueError: a shape or an option that is none of the above.
        RuntimeError: the extension was not built.
    """
    if _missing:
        raise _not_built()
    # What follows costs more than a small batch does: nothing is looked at that `_cpu` looks at as well.
    form = format_of(logits)
    if form is not None and logits.ndim == 2:
        loss, gradient = out, grad
        if out is None:
            loss = form.empty(logits.shape[:1] if reduction == "none" else (), dtype=form.loss_dtype)
        if grad is True:
            gradient = form.empty(logits.shape, dtype=logits.dtype)
        seen: Any = (logits, labels, loss, gradient, weight, grad_output)
        if form.is_viewed:
            seen = map(view, seen)
        options: Any = (ignore_index, label_smoothing, z_loss, reduction, threads)
        if _cpu.cross_entropy(*seen, *options):
            return loss if gradient is None else (loss, gradient)
    given = Given(logits, labels, weight, out, grad, grad_output)
    return evaluate(given, ignore_index, label_smoothing, z_loss, reduction, threads)


def ffi_handler() -> Any:
    """The capsule that jax.ffi registers. RuntimeError if the extension was not built."""
    if _missing:
        raise _not_built()
    return _cpu.ffi_handler()


def _not_built() -> RuntimeError:
    """Its cause is why the extension cannot be imported."""
    error = RuntimeError(
        "xentcheck_kernels._cpu was not built: there was no C++20 compiler when xentcheck-kernels was installed."
        " Where there is one (g++ 11, clang 14, or newer): pip install --force-reinstall --no-cache-dir FOLDER"
    )
    error.__cause__ = _missing
    return error
