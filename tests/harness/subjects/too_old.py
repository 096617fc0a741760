"""A loss that the installed version of its framework does not have."""

from xentcheck_adapters import NotInVersion

raise NotInVersion("framework 1.0 has no such loss: 2.0 is the first")
