"""What the extension module offers; see cpp/bindings.cpp."""

from typing import Any

def cross_entropy(
    logits: Any,
    labels: Any,
    loss: Any,
    grad: Any,
    weight: Any,
    grad_output: Any,
    ignore_index: int,
    label_smoothing: float,
    z_loss: float,
    reduction: str,
    threads: int | None,
    /,
) -> bool: ...
def kernels() -> tuple[str, ...]: ...
def chosen() -> str: ...
def ffi_handler() -> Any: ...
