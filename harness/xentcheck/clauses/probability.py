"""PRB: forms that take probabilities instead of logits (Keras' from_logits=False)."""

from __future__ import annotations

from hypothesis.strategies import SearchStrategy

from xentcheck.cases import Case
from xentcheck.clauses.clause import Clause
from xentcheck.clauses.value import matches_reference
from xentcheck.strategies import Scope, cases
from xentcheck_adapters import Subject

_KERAS = "https://keras.io/api/losses/probabilistic_losses/"
# The rows are drawn in quanta of 1/256: far inside the clip at 1e-7, where the documented function has one value.
_MOST_CLASSES = 256


def _interior(scope: Scope) -> SearchStrategy[Case]:
    subject = scope.subject
    labels = scope.kinds[0]
    regime = "unit-interval" if labels == "multi-hot" else "probabilities"
    strategy = cases(
        scope, labels=(labels,), regimes=(regime,), reductions=subject.reductions, options=True, min_classes=2
    )
    return strategy.filter(lambda case: case.classes <= _MOST_CLASSES)


def _takes_probabilities(subject: Subject) -> str | None:
    return None if subject.inputs == "probabilities" else "takes logits"


CLAUSES = (
    Clause(
        "PRB-1",
        "inside the clip, the loss of probabilities is that of their logarithms, and so is the gradient",
        (_KERAS, "softmax(log p) = p for a row that sums to one"),
        _takes_probabilities,
        _interior,
        matches_reference,
    ),
)
