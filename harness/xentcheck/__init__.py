"""xentcheck: conformance and differential tests for softmax cross-entropy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xentcheck.assertion import ConformanceError, assert_conforms

__all__ = ["ConformanceError", "assert_conforms"]


def __getattr__(name: str) -> Any:
    """The public names, imported when they are asked for: whoever runs pytest imports this package."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from xentcheck import assertion

    return getattr(assertion, name)
