"""A cross-entropy of NumPy as a subject."""

import numpy as np

from xentcheck_adapters import Precision, Returned, Subject

FACTS = {"framework": "example", "api": "example", "mode": "eager", "requires": ("numpy",), "labels": ("index",)}
PRECISION = {"float32": Precision()}
SUBJECTS = (Subject("example", __name__, **FACTS, dtypes=("float32",), precision=PRECISION),)


def offered_options(subject):
    return []


def versions():
    return {"example": "1.0"}


def open_subject(subject, device):
    def run(call):
        if call.labels.shape != call.logits.shape[:1] or not (call.labels >= 0).all():
            raise ValueError("labels must be one class index per row")
        shifted = call.logits.astype(np.float64) - call.logits.max(axis=1, keepdims=True)
        sums, rows = np.exp(shifted).sum(axis=1), np.arange(len(call.labels))
        grad, loss = np.exp(shifted) / sums[:, None], np.log(sums) - shifted[rows, call.labels]
        grad[rows, call.labels] -= 1
        return Returned(loss.astype("float32"), (grad * call.cotangent()[:, None]).astype("float32"))

    return run
