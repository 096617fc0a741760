"""One worker process, seen from the harness: start, ask, notice its death, stop.

Standard library only. A pool of the usual kind (concurrent.futures, loky, Dask) either dies for good with its first
aborted worker or is several times slower per call.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import xentcheck_adapters
from xentcheck_adapters.slab import Slab, create_slab_descriptor
from xentcheck_adapters.wire import Header, decode, encode

# Loads the adapters by path: their folder must not enter the worker's sys.path, where everything that is installed
# beside them would shadow the other interpreter's own packages.
_BOOTSTRAP = """
import importlib.util as u, sys
root, *arguments = sys.argv[1:]
spec = u.spec_from_file_location("xentcheck_adapters", root + "/__init__.py", submodule_search_locations=[root])
package = sys.modules["xentcheck_adapters"] = u.module_from_spec(spec)
spec.loader.exec_module(package)
from xentcheck_adapters.worker import main
main(arguments)
"""
_STACK_TAIL = 6000
_WATCH_INTERVAL = 0.5


@dataclass(frozen=True)
class Limits:
    """What a worker may take: seconds to open a subject, seconds for a call, bytes of memory."""

    open_seconds: float = 300.0
    call_seconds: float = 120.0
    memory: int = 8 << 30
    # TensorFlow and XLA map far more address space than they touch
    address_space: int = 64 << 30


class WorkerDied(Exception):
    """The process ended before it answered."""

    def __init__(self, cause: str, stack: str) -> None:
        super().__init__(cause)
        self.cause, self.stack = cause, stack


class WorkerHung(Exception):
    """The process was stopped because it did not answer in time."""

    def __init__(self, seconds: float, stack: str) -> None:
        super().__init__(f"no answer within {seconds:g} s")
        self.seconds, self.stack = seconds, stack


class WorkerTooBig(Exception):
    """The process was stopped because its resident memory passed the cap."""


class WorkerProcess:
    """A running worker, whose environment is the one given. Not thread-safe: one request at a time. Raises OSError if
    the interpreter cannot be started."""

    def __init__(self, interpreter: str, environment: Mapping[str, str], limits: Limits) -> None:
        self._limits = limits
        self._errors = tempfile.TemporaryFile()
        self.outgoing, self.incoming = Slab(create_slab_descriptor()), Slab(create_slab_descriptor())
        ours, theirs = socket.socketpair()
        descriptors = [theirs.fileno(), self.outgoing.descriptor, self.incoming.descriptor]
        arguments = [*map(str, descriptors), str(_address_space(environment, limits))]
        root = str(Path(xentcheck_adapters.__file__).parent)
        try:
            self._process = subprocess.Popen(
                [interpreter, "-c", _BOOTSTRAP, root, *arguments],
                env=environment,
                pass_fds=descriptors,
                stdin=subprocess.DEVNULL,
                stdout=self._errors,
                stderr=self._errors,
                process_group=0,  # Ctrl-C is the harness' to handle
            )
        except OSError:  # no such interpreter
            ours.close()
            self._free_slabs()
            raise
        finally:
            theirs.close()
        self._pipe: Connection[bytes, bytes] = Connection(ours.detach())
        # Kept: Connection.poll makes a selector for each call, a tenth of a round trip.
        self._answers = select.poll()
        self._answers.register(self._pipe.fileno(), select.POLLIN)

    @property
    def pid(self) -> int:
        """Process id, for people and tests that want to kill it."""
        return self._process.pid

    def send(self, request: Header) -> None:
        """Post a request; `receive` waits for its answer."""
        try:
            self._pipe.send_bytes(encode(request))
        except OSError:
            raise self._death() from None

    def receive(self, seconds: float) -> Header:
        """The answer to the last request. Raises WorkerDied, WorkerHung or WorkerTooBig; the worker is gone then."""
        deadline = time.monotonic() + seconds
        try:
            while not self._answered(min(_WATCH_INTERVAL, max(0.0, deadline - time.monotonic()))):
                if _resident_memory(self.pid) > self._limits.memory:
                    self.close()
                    raise WorkerTooBig(f"resident memory passed the cap of {self._limits.memory >> 20} MiB")
                if self._process.poll() is not None and not self._answered(0):
                    raise self._death()  # a child of it may hold the pipe open, so there is no end of file to see
                if time.monotonic() >= deadline:
                    raise WorkerHung(seconds, self._abort())
            return decode(self._pipe.recv_bytes())
        except (EOFError, OSError):
            raise self._death() from None
        except ValueError as error:
            self.close()
            raise WorkerDied(f"unreadable answer: {error}", self._stack()) from None

    def _answered(self, seconds: float) -> bool:
        return bool(self._answers.poll(seconds * 1000))

    def close(self) -> None:
        """Stop the process and what it started, and free what it held. Safe to call twice."""
        if self._pipe.closed:
            return
        self._pipe.close()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._free_slabs()

    def _free_slabs(self) -> None:
        for slab in (self.outgoing, self.incoming):
            slab.close()

    def _death(self) -> WorkerDied:
        try:
            status = self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            status = None
        self.close()
        if status is not None and status < 0:
            return WorkerDied(f"killed by {signal.Signals(-status).name}", self._stack())
        return WorkerDied(f"exited with status {status}", self._stack())

    def _abort(self) -> str:
        """Stop a hung process by SIGABRT, which makes faulthandler print every thread's stack first."""
        self._process.send_signal(signal.SIGABRT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=2)
        self.close()
        return self._stack()

    def _stack(self) -> str:
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - _STACK_TAIL))
        return self._errors.read().decode(errors="replace").strip()


def _address_space(environment: Mapping[str, str], limits: Limits) -> int:
    """Bytes of address space; 0 (no limit) for CUDA and AddressSanitizer, which map more than any machine has."""
    boundless = environment.get("XENTCHECK_DEVICE") == "cuda" or "libasan" in os.environ.get("LD_PRELOAD", "")
    if sys.platform != "linux" or boundless:
        return 0
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    return limits.address_space if hard == resource.RLIM_INFINITY else min(limits.address_space, hard)


def _resident_memory(pid: int) -> int:
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * resource.getpagesize()
