"""What is installed here, and in which versions; no framework is imported to find out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec


def spec_of(module: str) -> ModuleSpec | None:
    """The specification of a module, which is not imported, and neither is the package that it is in; None if there is
    no such module."""
    package = module.rpartition(".")[0]
    if not package:
        return find_spec(module)
    home = spec_of(package)
    return None if home is None else PathFinder.find_spec(module, home.submodule_search_locations)


def versions_of(modules: Iterable[str]) -> dict[str, str]:
    """Versions of the distributions that hold modules, by package; what is not installed is left out."""
    packages = [module.partition(".")[0] for module in modules]
    return {
        package: metadata.version(distribution)
        for package in packages
        for distribution in _holders().get(package, [])[:1]
    }


@cache
def _holders() -> Mapping[str, list[str]]:
    """Distributions by the modules they hold."""
    return metadata.packages_distributions()
