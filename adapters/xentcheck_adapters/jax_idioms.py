"""Cross-entropies that people write from jax.nn.log_softmax: by indexing, and by multiplying with jax.nn.one_hot."""

from __future__ import annotations

from typing import Any, Callable

from xentcheck_adapters import jax_autodiff, jax_recipe
from xentcheck_adapters.call import Call
from xentcheck_adapters.dtypes import FLOAT_DTYPES
from xentcheck_adapters.outcome import Returned
from xentcheck_adapters.recipe import LossText, Recipe
from xentcheck_adapters.subject import Precision, Subject

_API = {
    "index": "-jax.nn.log_softmax(x)[arange(N), y]",
    "onehot": "-(jax.nn.one_hot(y, C) * jax.nn.log_softmax(x)).sum",
}
# Every operation rounds to the logits' dtype, but for the product with a row of ones and zeros: jax.nn.one_hot makes
# those in float32, which sums and returns in it as well.
_PRECISION = {dtype: Precision("uniform", "pairwise") for dtype in FLOAT_DTYPES}


def _subject(form: str, mode: str) -> Subject:
    return Subject(
        name=f"jax.{form}.{mode}",
        adapter="jax_idioms",
        framework="jax",
        api=_API[form],
        mode=mode,
        requires=("jax",),
        labels=("index",),
        precision=_PRECISION,
        options=frozenset({"hvp"}),
        label_dtypes=("int32", "int64"),
        devices=("cpu", "cuda"),
        mode_twin=None if mode == "eager" else f"jax.{form}.eager",
        variant_of=f"jax.log_softmax.{mode}",
        retraces=True,
        environment=jax_autodiff.ENVIRONMENT,
        dtype_environment=jax_autodiff.DTYPE_ENVIRONMENT,
    )


SUBJECTS = tuple(_subject(form, mode) for mode in ("eager", "jit") for form in _API)


def offered_options(subject: str) -> list[str]:
    """Both are ordinary code, which JAX differentiates twice."""
    return ["hvp"]


def versions() -> dict[str, str]:
    """Version of jax in the worker."""
    import jax

    return {"jax": jax.__version__}


def open_subject(subject: str, device: str) -> Callable[[Call], Returned]:
    """A runner for "jax.FORM.MODE"; Unavailable without the device."""
    import jax

    place = jax_autodiff.open_device(device)
    _, form, mode = subject.split(".")
    step = jax_autodiff.gradient_step({"index": _by_index, "onehot": _by_one_hot}[form])
    if mode == "jit":
        step = jax.jit(step, static_argnums=4)
    return lambda call: jax_autodiff.evaluate(step, call, place)


def _by_index(logits: Any, labels: Any) -> Any:
    import jax
    import jax.numpy as jnp

    return -jax.nn.log_softmax(logits)[jnp.arange(len(labels)), labels]


def _by_one_hot(logits: Any, labels: Any) -> Any:
    import jax

    return -(jax.nn.one_hot(labels, logits.shape[-1]) * jax.nn.log_softmax(logits)).sum(-1)


def recipe(subject: Subject, call: Call) -> Recipe:
    """A call of "jax.FORM.MODE" as lines."""
    _, form, mode = subject.name.split(".")
    text = {
        "index": "-jax.nn.log_softmax(x)[jnp.arange(len(y)), y]",
        "onehot": "-(jax.nn.one_hot(y, x.shape[-1]) * jax.nn.log_softmax(x)).sum(-1)",
    }[form]
    return jax_recipe.vjp(LossText(text, call, mode=jax_recipe.JIT if mode == "jit" else ""))
