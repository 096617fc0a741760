"""pytest-xdist: all items of a framework in one interpreter go to one worker, so that it is loaded in one process only.

`--dist=loadgroup` would say the same but is ignored by current pytest (pytest-dev/pytest-xdist#1386), and it changes
the node ids.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from xentcheck.selection import select_subjects, subject_and_interpreter

if TYPE_CHECKING:
    from xdist.remote import Producer


class FrameworkScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist is untyped
    """Groups items by the framework and interpreter named at the end of their ids: "… [tf.sparse.xla-cpu-float32]"."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        self._framework = {subject.name: subject.framework for subject in select_subjects(["all"])}

    def _split_scope(self, nodeid: str) -> str:
        target = nodeid.rpartition("[")[2].rstrip("]")
        name, interpreter = subject_and_interpreter(target.rsplit("-", 2)[0])
        return f"{self._framework.get(name, name)}@{interpreter}"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FrameworkScheduling:
    """Replace xdist's scheduler for a conformance run, whose items come in the order in which they should be dealt
    out."""
    config.option.loadscopereorder = False
    return FrameworkScheduling(config, log)
