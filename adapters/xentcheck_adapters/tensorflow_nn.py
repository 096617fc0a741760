"""tf.nn.sparse_softmax_cross_entropy_with_logits and tf.nn.softmax_cross_entropy_with_logits: eager, graph, XLA, and
eager with deterministic operations, for which TensorFlow puts other code in these functions' place."""

from __future__ import annotations

import functools
from typing import Callable

from xentcheck_adapters import tensorflow_autodiff, tensorflow_procedures, tensorflow_recipe, tensorflow_timing
from xentcheck_adapters.call import Call
from xentcheck_adapters.dtypes import FLOAT_DTYPES
from xentcheck_adapters.outcome import Returned
from xentcheck_adapters.recipe import LossText, Recipe
from xentcheck_adapters.subject import ANY_AXIS, Precision, Subject
from xentcheck_adapters.workload import Repeat, Workload

_API = {
    "sparse": "tf.nn.sparse_softmax_cross_entropy_with_logits",
    "dense": "tf.nn.softmax_cross_entropy_with_logits",
}
_OTHER_FORM = {"sparse": "dense", "dense": "sparse"}
_MODES = ("eager", "function", "xla", "deterministic")
_COMPILED = ("function", "xla")
# What tf.config.experimental.enable_op_determinism() sets. It holds for a process: the mode has processes of its own.
_DETERMINISTIC = {"TF_DETERMINISTIC_OPS": "1"}


def _precision(form: str, mode: str) -> dict[str, Precision]:
    # nn_ops.py casts float16 to float32 before either kernel; bfloat16 only before the dense one. Eigen sums in blocks
    # of 1024; XLA fuses exp into one running sum of SIMD lanes.
    sums, width, underflow = ("lane", 8, 1.0) if mode == "xla" else ("block", 1024, tensorflow_autodiff.UNDERFLOW)
    # Under determinism, log_softmax and then a gather or a product with the labels, one op a step
    uniform = FLOAT_DTYPES if mode == "deterministic" else ("bfloat16",) if form == "sparse" else ()
    return {
        dtype: Precision("uniform" if dtype in uniform else "wide", sums, width, underflow=underflow)
        for dtype in FLOAT_DTYPES
    }


def _subject(form: str, mode: str) -> Subject:
    return Subject(
        name=f"tf.{form}.{mode}",
        adapter="tensorflow_nn",
        framework="tensorflow",
        api=_API[form],
        mode=mode,
        requires=("tensorflow",),
        labels=("dense" if form == "dense" else "index",),
        precision=_precision(form, mode),
        options=frozenset({"hvp", "grad_labels"} if form == "dense" else {"hvp"}),
        procedures=frozenset(
            tensorflow_procedures.OF_GRAPHS if mode in _COMPILED else tensorflow_procedures.PROCEDURES
        ),
        label_dtypes=("int64", "int32"),
        devices=("cpu", "cuda"),
        form_twin=f"tf.{_OTHER_FORM[form]}.{mode}",
        mode_twin=None if mode == "eager" else f"tf.{form}.eager",
        zero_times_inf="zero" if mode == "xla" else "nan",
        class_axes=ANY_AXIS if form == "dense" else (-1,),
        retraces=mode in _COMPILED,
        timed=mode == "xla",
        other_threads={"TF_NUM_INTRAOP_THREADS": "2"} if mode == "eager" else {},
        environment={**tensorflow_autodiff.ENVIRONMENT, **(_DETERMINISTIC if mode == "deterministic" else {})},
    )


SUBJECTS = tuple(_subject(form, mode) for form in _API for mode in _MODES)


def offered_options(subject: str) -> list[str]:
    """Both forms differentiate twice; only the dense form also with respect to its labels."""
    return ["hvp", "grad_labels"] if subject.startswith("tf.dense.") else ["hvp"]


def versions() -> dict[str, str]:
    """Version of TensorFlow in the worker."""
    import tensorflow as tf

    return {"tensorflow": tf.__version__}


def open_subject(subject: str, device: str) -> Callable[[Call], Returned]:
    """A runner for "tf.FORM.MODE"; Unavailable without the device."""
    import tensorflow as tf

    place = tensorflow_autodiff.open_device(device)
    _, form, mode = subject.split(".")
    api = getattr(tf.nn, _API[form].rpartition(".")[2])

    @functools.cache
    def step(class_axis: int) -> tensorflow_autodiff.Step:
        axis = {"axis": class_axis} if form == "dense" else {}
        once = tensorflow_autodiff.gradient_step(lambda logits, labels: api(labels=labels, logits=logits, **axis))
        return tf.function(once, jit_compile=mode == "xla") if mode in _COMPILED else once

    return lambda call: tensorflow_autodiff.evaluate(step(call.class_axis), call, place)


def timed(subject: str, workload: Workload) -> Repeat:
    """The mean of the same functions, the whole step compiled where the mode is."""
    import tensorflow as tf

    _, form, mode = subject.split(".")
    api = getattr(tf.nn, _API[form].rpartition(".")[2])
    compiled = {"compile": lambda step: tf.function(step, jit_compile=mode == "xla")} if mode in _COMPILED else {}
    return tensorflow_timing.timed(lambda logits, labels: api(labels=labels, logits=logits), workload, **compiled)


def recipe(subject: Subject, call: Call) -> Recipe:
    """A call of "tf.FORM.MODE" as lines."""
    _, form, mode = subject.name.split(".")
    axis = f", axis={call.class_axis}" if form == "dense" and call.class_axis != -1 else ""
    compiled = {"function": "@tf.function", "xla": "@tf.function(jit_compile=True)"}.get(mode, "")
    settings = ("tf.config.experimental.enable_op_determinism()",) if mode == "deterministic" else ()
    loss = LossText(f"{_API[form]}(labels=y, logits=x{axis})", call, imports=settings, mode=compiled)
    return tensorflow_recipe.taped(loss)
