"""optax' three softmax cross-entropies and jax.nn.log_softmax by hand, each eager and under jax.jit."""

from __future__ import annotations

import functools
from typing import Any, Callable

from xentcheck_adapters import jax_autodiff, jax_procedures, jax_recipe, jax_timing
from xentcheck_adapters.call import Call
from xentcheck_adapters.dtypes import FLOAT_DTYPES
from xentcheck_adapters.outcome import Returned
from xentcheck_adapters.recipe import LossText, Recipe
from xentcheck_adapters.subject import ANY_AXIS, Precision, Subject
from xentcheck_adapters.workload import Repeat, Workload

# XLA's CPU client makes as many threads as NPROC says, or the machine has cores
_ONE_THREAD = {"NPROC": "1"}
_MODES = ("eager", "jit")


def _subject(
    form: str, mode: str, api: str, labels: tuple[str, ...], twin: str | None = None, **details: Any
) -> Subject:
    return Subject(
        name=f"{form}.{mode}",
        adapter="jax_optax",
        framework="jax",
        api=api,
        mode=mode,
        requires=("jax", "optax"),
        labels=labels,
        options=frozenset({"hvp", "grad_labels"} if "dense" in labels else {"hvp"}),
        procedures=frozenset(jax_procedures.OP_BY_OP if mode == "eager" else jax_procedures.OF_GRAPHS),
        label_dtypes=("int32", "int64"),
        devices=("cpu", "cuda"),
        form_twin=f"{twin}.{mode}" if twin else None,
        mode_twin=None if mode == "eager" else f"{form}.eager",
        retraces=True,
        environment=jax_autodiff.ENVIRONMENT,
        other_threads=_ONE_THREAD if mode == "eager" and form != "optax.safe" else {},
        dtype_environment=jax_autodiff.DTYPE_ENVIRONMENT,
        class_axes=(-1,) if form == "optax.safe" else ANY_AXIS,
        timed=f"{form}.{mode}" in ("optax.int.jit", "optax.dense.jit"),
        **details,
    )


# Every operation of these compositions rounds to the logits' dtype; XLA sums as a tree.
_UNIFORM = {dtype: Precision("uniform", "pairwise") for dtype in FLOAT_DTYPES}
# softmax_cross_entropy_with_integer_labels subtracts the label's logit from the log-sum-exp.
_OFFSET = {dtype: Precision("uniform", "pairwise", offset=True) for dtype in FLOAT_DTYPES}

SUBJECTS = tuple(
    subject
    for mode in _MODES
    for subject in (
        _subject("jax.log_softmax", mode, "jax.nn.log_softmax", ("index", "dense"), precision=_UNIFORM),
        _subject(
            "optax.int",
            mode,
            "optax.softmax_cross_entropy_with_integer_labels",
            ("index",),
            "optax.dense",
            precision=_OFFSET,
        ),
        _subject("optax.dense", mode, "optax.softmax_cross_entropy", ("dense",), "optax.int", precision=_UNIFORM),
        _subject(
            "optax.safe",
            mode,
            "optax.safe_softmax_cross_entropy",
            ("dense",),
            "optax.int",
            precision=_UNIFORM,
            zero_times_inf="zero",
        ),
    )
)


def offered_options(subject: str) -> list[str]:
    """All differentiate twice; all but the integer-label form also with respect to dense labels."""
    return ["hvp"] if subject.startswith("optax.int.") else ["hvp", "grad_labels"]


def versions() -> dict[str, str]:
    """Versions of jax and optax in the worker."""
    import jax
    import optax

    return {"jax": jax.__version__, "optax": optax.__version__}


def open_subject(subject: str, device: str) -> Callable[[Call], Returned]:
    """A runner for "FORM.MODE"; Unavailable without the device."""
    import jax

    place = jax_autodiff.open_device(device)
    form, _, mode = subject.rpartition(".")

    @functools.cache
    def step(class_axis: int) -> jax_autodiff.Step:
        once = jax_autodiff.gradient_step(_loss(form, class_axis))
        return jax.jit(once, static_argnums=4) if mode == "jit" else once

    return lambda call: jax_autodiff.evaluate(step(call.class_axis), call, place)


def timed(subject: str, workload: Workload) -> Repeat:
    """The mean of the same functions."""
    form, _, mode = subject.rpartition(".")
    return jax_timing.timed(_loss(form, -1), workload, jit=mode == "jit")


def _loss(form: str, class_axis: int) -> Callable[[Any, Any], Any]:
    import optax

    functions: dict[str, Callable[..., Any]] = {
        "jax.log_softmax": _by_hand,
        "optax.int": optax.softmax_cross_entropy_with_integer_labels,
        "optax.dense": optax.softmax_cross_entropy,
        "optax.safe": optax.safe_softmax_cross_entropy,
    }
    has_axis = form != "optax.safe"
    return functools.partial(functions[form], axis=class_axis) if has_axis else functions[form]


def _by_hand(logits: Any, labels: Any, axis: int) -> Any:
    """What a person writes who has no loss function at hand."""
    import jax
    import jax.numpy as jnp

    log_softmax = jax.nn.log_softmax(logits, axis=axis)
    if labels.shape == logits.shape:
        return -(labels * log_softmax).sum(axis)
    return -jnp.take_along_axis(log_softmax, jnp.expand_dims(labels, axis), axis=axis).squeeze(axis)


def recipe(subject: Subject, call: Call) -> Recipe:
    """A call of "FORM.MODE" as lines."""
    form, _, mode = subject.name.rpartition(".")
    axis = "" if call.class_axis == -1 else f", axis={call.class_axis}"
    log_softmax = f"jax.nn.log_softmax(x{axis})"
    at_label = f"jnp.take_along_axis({log_softmax}, jnp.expand_dims(y, {call.class_axis}), {call.class_axis})"
    by_hand = f"-(y * {log_softmax}).sum({call.class_axis})"
    if not call.has_dense_labels:
        by_hand = f"-{at_label}.squeeze({call.class_axis})"
    text = {
        "jax.log_softmax": by_hand,
        "optax.int": f"optax.softmax_cross_entropy_with_integer_labels(x, y{axis})",
        "optax.dense": f"optax.softmax_cross_entropy(x, y{axis})",
        "optax.safe": "optax.safe_softmax_cross_entropy(x, y)",
    }[form]
    imports = ("import optax",) if form.startswith("optax") else ()
    return jax_recipe.vjp(LossText(text, call, imports=imports, mode=jax_recipe.JIT if mode == "jit" else ""))
