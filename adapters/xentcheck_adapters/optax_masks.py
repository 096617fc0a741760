"""Ignored rows with optax, which has no ignore label: by its argument `where`, and by masking the losses afterwards.

Either way the ignored label is replaced before optax sees it, and the mean is over the kept rows.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Callable

import numpy as np

from xentcheck_adapters import jax_autodiff, jax_optax, jax_recipe
from xentcheck_adapters.call import REDUCTIONS, Call
from xentcheck_adapters.dtypes import FLOAT_DTYPES
from xentcheck_adapters.outcome import Returned
from xentcheck_adapters.recipe import LossText, Recipe
from xentcheck_adapters.subject import Precision, Subject

_API = {
    "where": "optax.softmax_cross_entropy_with_integer_labels(where=kept)",
    "masked": "jnp.where(kept, optax.softmax_cross_entropy_with_integer_labels, 0)",
}
_OPTIONS = ("ignore_index", "hvp")
# As optax.int; jnp.sum and jnp.mean add 16-bit rows in float32.
_PRECISION = {dtype: Precision("uniform", "pairwise", offset=True, row_sums="wide") for dtype in FLOAT_DTYPES}


def _subject(form: str, mode: str) -> Subject:
    return Subject(
        name=f"optax.{form}.{mode}",
        adapter="optax_masks",
        framework="jax",
        api=_API[form],
        mode=mode,
        requires=("jax", "optax"),
        labels=("index",),
        precision=_PRECISION,
        options=frozenset(_OPTIONS),
        reductions=REDUCTIONS,
        label_dtypes=("int32", "int64"),
        devices=("cpu", "cuda"),
        form_twin=f"optax.dense.{mode}",
        mode_twin=None if mode == "eager" else f"optax.{form}.eager",
        variant_of=f"optax.int.{mode}",
        mean_divides_by={"index": "kept"},
        retraces=True,
        environment=jax_autodiff.ENVIRONMENT,
        dtype_environment=jax_autodiff.DTYPE_ENVIRONMENT,
    )


SUBJECTS = tuple(_subject(form, mode) for mode in ("eager", "jit") for form in _API)

versions = jax_optax.versions


def offered_options(subject: str) -> list[str]:
    """What the masks make of optax' loss, which JAX differentiates twice."""
    import optax

    # Until then `where` has the shape of the logits: it masks classes, and no rows.
    masks_rows = tuple(map(int, re.findall(r"\d+", optax.__version__)[:3])) >= (0, 2, 6)
    return [name for name in _OPTIONS if name != "ignore_index" or masks_rows or ".masked." in subject]


def open_subject(subject: str, device: str) -> Callable[[Call], Returned]:
    """A runner for "optax.FORM.MODE"; Unavailable without the device."""
    import jax

    place = jax_autodiff.open_device(device)
    _, form, mode = subject.split(".")
    loss = {"where": _by_where, "masked": _masked_afterwards}[form]

    @cache
    def step_for(reduction: str) -> jax_autodiff.Step:
        def function(logits: Any, labelled: Any) -> Any:
            labels, ignored = labelled
            kept = None if ignored is None else labels != ignored
            return _reduced(loss(logits, labels, kept), kept, reduction)

        step = jax_autodiff.gradient_step(function)
        return jax.jit(step, static_argnums=4) if mode == "jit" else step

    def run(call: Call) -> Returned:
        # An operand, so that another ignored label is no other function to compile.
        ignored = None if call.ignore_index is None else np.asarray(call.ignore_index, call.labels.dtype)
        step = step_for(call.reduction)
        return jax_autodiff.evaluate(lambda x, labels, *rest: step(x, (labels, ignored), *rest), call, place)

    return run


def _by_where(logits: Any, labels: Any, kept: Any) -> Any:
    import optax

    return optax.softmax_cross_entropy_with_integer_labels(logits, _replaced(labels, kept), where=kept)


def _masked_afterwards(logits: Any, labels: Any, kept: Any) -> Any:
    import jax.numpy as jnp
    import optax

    losses = optax.softmax_cross_entropy_with_integer_labels(logits, _replaced(labels, kept))
    return losses if kept is None else jnp.where(kept, losses, 0)


def _replaced(labels: Any, kept: Any) -> Any:
    """Labels with a class of their own in ignored rows: without it -1 would be read as the last class."""
    import jax.numpy as jnp

    return labels if kept is None else jnp.where(kept, labels, 0)


def _reduced(losses: Any, kept: Any, reduction: str) -> Any:
    import jax.numpy as jnp

    if reduction == "none":
        return losses
    return jnp.mean(losses, where=kept) if reduction == "mean" else jnp.sum(losses)


def recipe(subject: Subject, call: Call) -> Recipe:
    """A call of "optax.FORM.MODE" as lines."""
    _, form, mode = subject.name.split(".")
    kept = "None" if call.ignore_index is None else f"y != {call.ignore_index}"
    labels = "y" if call.ignore_index is None else f"jnp.where({kept}, y, 0)"
    where = f", where={kept}" if form == "where" else ""
    text = f"optax.softmax_cross_entropy_with_integer_labels(x, {labels}{where})"
    if form == "masked" and call.ignore_index is not None:
        text = f"jnp.where({kept}, {text}, 0)"
    reduced = {"none": text, "sum": f"jnp.sum({text})", "mean": f"jnp.mean({text}, where={kept})"}[call.reduction]
    mode = jax_recipe.JIT if mode == "jit" else ""
    return jax_recipe.vjp(LossText(reduced, call, imports=("import optax",), mode=mode))
