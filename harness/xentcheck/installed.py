"""Versions of what is installed here; no framework is imported to read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata


def versions_of(modules: Iterable[str]) -> dict[str, str]:
    """Versions of the distributions that hold modules, by module; what is not installed is left out."""
    return {
        module: metadata.version(distribution) for module in modules for distribution in _holders().get(module, [])[:1]
    }


@cache
def _holders() -> Mapping[str, list[str]]:
    """Distributions by the modules they hold."""
    return metadata.packages_distributions()
