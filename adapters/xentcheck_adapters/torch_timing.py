"""PyTorch: a loss, and its gradient by autograd, as they are timed."""

from __future__ import annotations

from typing import Any, Callable

from xentcheck_adapters.torch_autodiff import to_tensor
from xentcheck_adapters.workload import Repeat, Workload, repeated


def timed(function: Callable[[Any, Any], Any], workload: Workload) -> Repeat:
    """`function(logits, labels)`, which reduces to a mean: alone without a graph, or with `backward`. Autograd has no
    place for results, so warm ones are the allocator's."""
    import torch

    logits, labels = (to_tensor(array, torch.device("cpu")) for array in workload.arrays())

    def loss() -> Any:
        with torch.no_grad():
            return function(logits, labels)

    def loss_and_gradient() -> Any:
        logits.grad = None
        function(logits, labels).backward()

    if not workload.gradient:
        return repeated(loss)
    logits.requires_grad_()
    return repeated(loss_and_gradient)
