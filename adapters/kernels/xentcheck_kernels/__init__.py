"""Softmax cross-entropy with its gradient in one call.

    from xentcheck_kernels import cross_entropy           # NumPy arrays, CPU tensors of PyTorch, whatever lies in memory
    from xentcheck_kernels.torch_loss import cross_entropy  # for autograd and torch.compile
    from xentcheck_kernels.jax_loss import cross_entropy    # for jax.grad and jax.jit
"""

from xentcheck_kernels.cpu import cross_entropy, kernels

__all__ = ["cross_entropy", "kernels"]
__version__ = "0.1.0"
