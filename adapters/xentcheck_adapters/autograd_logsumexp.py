"""Autograd, which differentiates NumPy, has no cross-entropy: the composition of its own examples, from logsumexp."""

from __future__ import annotations

from typing import Any, Callable

from xentcheck_adapters.call import Call
from xentcheck_adapters.outcome import Returned, Unavailable
from xentcheck_adapters.recipe import Recipe, refuse_procedures
from xentcheck_adapters.subject import Precision, Subject

_OPTIONS = ("grad_labels", "hvp")
# NumPy in the dtype. SciPy's logsumexp adds the maximum back before the logits are subtracted, and its derivative is
# exp(x - logsumexp(x)), from that same rounded sum.
_PRECISION = {dtype: Precision("uniform", "pairwise", offset=True) for dtype in ("float32", "float64")}
_IMPORTS = (
    "from autograd import make_vjp",
    "from autograd import numpy as anp",
    "from autograd.scipy.special import logsumexp",
)

SUBJECTS = (
    Subject(
        name="autograd",
        adapter="autograd_logsumexp",
        framework="autograd",
        api="autograd.scipy.special.logsumexp, and the labels by hand",
        mode="eager",
        requires=("autograd", "scipy"),
        labels=("index", "dense"),
        precision=_PRECISION,
        dtypes=tuple(_PRECISION),
        options=frozenset(_OPTIONS),
        label_dtypes=("int64", "int32"),
    ),
)


def offered_options(subject: str) -> list[str]:
    """Both are derivatives of ordinary code."""
    return list(_OPTIONS)


def versions() -> dict[str, str]:
    """Versions of Autograd and of SciPy, whose logsumexp it is."""
    import importlib.metadata

    import scipy

    return {"autograd": importlib.metadata.version("autograd"), "scipy": scipy.__version__}


def open_subject(subject: str, device: str) -> Callable[[Call], Returned]:
    """A runner for "autograd"."""
    if device != "cpu":
        raise Unavailable(f"Autograd runs on cpu, got device {device!r}")
    from autograd import make_vjp

    def run(call: Call) -> Returned:
        def gradient(x: Any) -> Any:
            return make_vjp(lambda x: _loss(x, call.labels))(x)[0](call.cotangent())

        pull_back, loss = make_vjp(lambda x: _loss(x, call.labels))(call.logits)
        results = {"grad_logits": pull_back(call.cotangent())}
        if call.want_grad_labels:
            results["grad_labels"] = make_vjp(lambda y: _loss(call.logits, y))(call.labels)[0](call.cotangent())
        if call.vector is not None:
            results["hvp"] = make_vjp(gradient)(call.logits)[0](call.vector)
        return Returned(loss, **results)

    return run


def _loss(logits: Any, labels: Any) -> Any:
    import autograd.numpy as np
    from autograd.scipy.special import logsumexp

    if labels.ndim == logits.ndim:
        return -((logits - logsumexp(logits, axis=1, keepdims=True)) * labels).sum(axis=1)
    return logsumexp(logits, axis=1) - logits[np.arange(len(labels)), labels]


def recipe(subject: Subject, call: Call) -> Recipe:
    """A call of "autograd" as lines."""
    refuse_procedures(call)
    text = "logsumexp(x, axis=1) - x[anp.arange(len(y)), y]"
    if call.has_dense_labels:
        text = "-((x - logsumexp(x, axis=1, keepdims=True)) * y).sum(axis=1)"
    upstream = "anp.ones_like(loss)" if call.upstream is None else "upstream"
    lines = [
        f"f = lambda x, y: {text}",
        "pull_back, loss = make_vjp(f)(logits, labels)",
        f"grad = pull_back({upstream})",
    ]
    if call.want_grad_labels:
        lines.append(f"grad_labels = make_vjp(f, 1)(logits, labels)[0]({upstream})")
    if call.vector is not None:
        lines.append(f"g = lambda x: make_vjp(f)(x, labels)[0]({upstream})")
        lines.append("hvp = make_vjp(g)(logits)[0](vector)")
    return Recipe(_IMPORTS, tuple(lines))
