"""The worker's main loop: one process that holds one framework and answers calls until its pipe closes.

Started by path in any interpreter that has NumPy:  python -c BOOTSTRAP <pipe> <slab in> <slab out> <memory cap>
"""

from __future__ import annotations

import ctypes
import dataclasses
import faulthandler
import os
import signal
import sys
import traceback
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any, Callable

import numpy as np

from xentcheck_adapters.call import Array, Call
from xentcheck_adapters.dtypes import BFLOAT16, in_native_order
from xentcheck_adapters.layout import FAR, with_layout
from xentcheck_adapters.outcome import NotInVersion, Outcome, OutOfMemory, Refused, Returned, Unavailable
from xentcheck_adapters.presentation import present, rows_of
from xentcheck_adapters.registry import adapter_module, bring_home
from xentcheck_adapters.sharing import shared_memory
from xentcheck_adapters.slab import Slab
from xentcheck_adapters.wire import OUTCOME_ARRAYS, Header, decode, encode, pack_outcome, unpack_call
from xentcheck_adapters.workload import Stopwatch, Workload

Runner = Callable[[Call], Returned]

_PR_SET_PDEATHSIG = 1
_MAX_MESSAGE = 2000
_OUT_OF_MEMORY = ("OutOfMemoryError", "ResourceExhaustedError")  # torch's and TensorFlow's own


class Worker:
    """Opens subjects on request and runs calls on them."""

    def __init__(self, incoming: Slab, outgoing: Slab) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._runners: dict[tuple[str, str], Runner] = {}
        self._stopwatch: Stopwatch | None = None

    def answer(self, request: Header) -> Header:
        """The reply to one request."""
        verb = request["do"]
        if verb == "open":
            return self._open(request["adapter"], request["home"], request["subject"], request["device"])
        if verb == "run":
            runner = self._runners[request["subject"], request["device"]]
            call = unpack_call(self._incoming, request["call"])
            return pack_outcome(self._outgoing, run_guarded(runner, call))
        if verb == "prepare":
            return self._prepare(request["adapter"], request["home"], request["subject"], request["workload"])
        if verb == "time":
            return self._time(request["seconds"])
        raise ValueError(f"a request must be 'open', 'run', 'prepare' or 'time', got {verb!r}")

    def _prepare(self, adapter: str, home: str | None, subject: str, workload: Header) -> Header:
        """Make a workload ready to be timed, in the place of the one before."""
        self._stopwatch = None  # first: two may not fit into memory
        try:
            self._stopwatch = Stopwatch(_module(adapter, home).timed, subject, Workload(**workload))
        except Exception as error:  # whatever a framework raises
            return _failed(error)
        return {"first_seconds": self._stopwatch.first_seconds}

    def _time(self, seconds: float) -> Header:
        assert self._stopwatch
        try:
            return {"seconds": self._stopwatch.best(seconds)}
        except Exception as error:
            return _failed(error)

    def _open(self, adapter: str, home: str | None, subject: str, device: str) -> Header:
        try:
            module = _module(adapter, home)
            self._runners[subject, device] = module.open_subject(subject, device)
            # What an adapter finds of a subject as it is here: what its version has, what a signature tells.
            found = module.found(subject, device) if hasattr(module, "found") else {}
            versions = {"numpy": np.__version__, **module.versions()}
            return {"versions": versions, "options": module.offered_options(subject), "found": found}
        except Unavailable as error:
            return {"unavailable": str(error), "not_in_version": isinstance(error, NotInVersion)}
        except Exception as error:  # an import of a broken framework can raise anything
            return {**_failed(error), "stack": traceback.format_exc()}


def _failed(error: BaseException) -> Header:
    """The reply where a framework raised what nobody expects of it."""
    return {"unavailable": f"{type(error).__name__}: {_text(error)}"}


def _module(adapter: str, home: str | None) -> ModuleType:
    """The adapter's module, from the file of its package if this interpreter would not find it."""
    if home:
        bring_home(adapter, home)
    return adapter_module(adapter)


def run_guarded(runner: Runner, call: Call) -> Outcome:
    """Run a call on private copies of its arrays, so that a write to an input is seen and harms nobody."""
    shown = present(call)
    copies: dict[str, Any] = {n: with_layout(array, _layout_of(array, call)) for n, array in shown.arrays.items()}
    private = dataclasses.replace(shown, **copies)
    try:
        returned = _numeric(runner(private))
        mutated, shared = tuple(_changed(shown, private)), tuple(shared_memory(private, returned))
        if call.reused:
            _evaluate_other_values(runner, private)
    except MemoryError as error:
        return OutOfMemory(_text(error) or "MemoryError")
    except Exception as error:  # whatever a framework raises is its refusal, and a result
        kind, message = type(error).__name__, _text(error)
        return OutOfMemory(f"{kind}: {message}") if kind in _OUT_OF_MEMORY else Refused(kind, message)
    return dataclasses.replace(rows_of(returned, call), mutated=mutated, shared=shared)


def _layout_of(array: Array, call: Call) -> str:
    """The call's, but of a single number, and of what has one dimension where rows are far apart."""
    least = 2 if call.layout == FAR else 1
    return call.layout if array.ndim >= least else "contiguous"


def _evaluate_other_values(runner: Runner, private: Call) -> None:
    """The caller's next step: the same arrays, with their rows and classes in reverse order."""
    for array in (private.logits, private.labels, private.upstream):
        if array is not None and array.flags.writeable:
            array[...] = np.flip(array).copy()
    runner(private)


def _numeric(returned: Returned) -> Returned:
    for name in OUTCOME_ARRAYS:
        array = getattr(returned, name)
        if array is not None and array.dtype != BFLOAT16 and array.dtype.kind not in "fiub":
            raise TypeError(f"{name} must be an array of numbers, got dtype {array.dtype}")
    return returned


def _changed(call: Call, private: Call) -> list[str]:
    return [name for name, array in call.arrays.items() if not _same_bits(array, getattr(private, name))]


def _same_bits(before: Array, after: Array) -> bool:
    return bool(np.array_equal(_bytes_of(before), _bytes_of(after)))


def _bytes_of(array: Array) -> Array:
    """The bytes of an array in this machine's order, without a copy where it is contiguous."""
    return np.ascontiguousarray(in_native_order(array)).reshape(-1).view(np.uint8)


def _text(error: BaseException) -> str:
    try:
        message = str(error)
    except Exception:  # somebody's __str__ may raise as well
        return "its message cannot be printed"
    return message if len(message) <= _MAX_MESSAGE else message[:_MAX_MESSAGE] + " …"


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _cap_memory(cap: int) -> None:
    """Limit address space, so that a runaway allocation is a MemoryError here and not an OOM kill elsewhere."""
    if cap:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (cap, cap))


def main(arguments: list[str]) -> None:
    """Serve requests until the harness closes the pipe."""
    pipe_descriptor, incoming, outgoing, cap = (int(argument) for argument in arguments)
    os.dup2(2, 1)  # what a framework prints must not be taken for anything else
    faulthandler.enable(all_threads=True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the harness' to handle
    _die_with_parent()
    _cap_memory(cap)
    worker = Worker(Slab(incoming), Slab(outgoing))
    pipe: Connection[bytes, bytes] = Connection(pipe_descriptor)
    while True:
        try:
            message = pipe.recv_bytes()
        except EOFError:
            return
        pipe.send_bytes(encode(worker.answer(decode(message))))
