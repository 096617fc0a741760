"""Subjects in this process: breakpoints work, and a crash ends it."""

from __future__ import annotations

import os

from xentcheck.workers.pool import Opened, State, WorkerPool
from xentcheck_adapters import Subject, Unavailable
from xentcheck_adapters.slab import Slab, create_slab_descriptor
from xentcheck_adapters.wire import Header, decode, encode
from xentcheck_adapters.worker import Worker


class InProcessWorker:
    """A worker without a process of its own. It asks and answers as one does, over the same messages."""

    def __init__(self) -> None:
        self.outgoing, self.incoming = Slab(create_slab_descriptor()), Slab(create_slab_descriptor())
        self._worker = Worker(Slab(self.outgoing.descriptor), Slab(self.incoming.descriptor))
        self._answer: Header = {}

    def send(self, request: Header) -> None:
        """Answer the request at once."""
        self._answer = decode(encode(self._worker.answer(decode(encode(request)))))

    def receive(self, seconds: float) -> Header:
        """The answer to the last request, however long it took."""
        return self._answer

    def close(self) -> None:
        """Free what it held."""
        for slab in (self.outgoing, self.incoming):
            slab.close()


class InProcessPool(WorkerPool):
    """Runs calls on subjects in this process. What a worker's environment would settle must be settled already."""

    def open(self, subject: Subject, device: str, dtype: str) -> Opened:
        """As in a worker. Raises Unavailable also for a dtype that needs another environment."""
        for name, value in subject.dtype_environment.get(dtype, {}).items():
            if os.environ.get(name) != value:
                raise Unavailable(f"in this process, {dtype} needs {name}={value} set before {subject.framework} loads")
        return super().open(subject, device, dtype)

    def _start(self, key: State) -> InProcessWorker:
        return InProcessWorker()
