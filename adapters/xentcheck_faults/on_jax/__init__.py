"""JAX functions with one mistake each that only differentiation, an axis or a mode of the framework shows.

Subject names are `jax:xentcheck_faults.on_jax.derivatives:primal_without_maximum`.
"""
