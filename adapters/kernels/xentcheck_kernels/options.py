"""What the losses for JAX and Triton say of an option that is none."""

from __future__ import annotations

REDUCTIONS = ("none", "sum", "mean")  # numbered as in cpp/batch.h


def check_options(label_smoothing: float, reduction: str) -> None:
    """Raises ValueError for a smoothing or a reduction that there is not."""
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing: got {label_smoothing}, expected 0 to 1")
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction: got {reduction!r}, expected one of {', '.join(REDUCTIONS)}")
