"""Softmax cross-entropy with its gradient in one call.

`cross_entropy` here is for NumPy arrays, CPU tensors and whatever else lies in memory; the one of `torch_loss` is for
autograd and torch.compile, the one of `jax_loss` for jax.grad and jax.jit.
"""

from xentcheck_kernels.cpu import cross_entropy, kernels

__all__ = ["cross_entropy", "kernels"]
__version__ = "0.1.0"
