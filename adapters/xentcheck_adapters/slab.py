"""Shared memory that carries array bytes between the harness and a worker: a descriptor both sides map."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterable

import numpy as np

from xentcheck_adapters.call import Array
from xentcheck_adapters.dtypes import dtype_name, dtype_named, in_native_order

_ALIGNMENT = 64
_SMALLEST = 1 << 20

ArrayMeta = tuple[str, list[int], int]  # dtype name, shape, byte offset


def create_slab_descriptor() -> int:
    """A new anonymous shared file; the caller owns the descriptor."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("xentcheck")
    handle, path = tempfile.mkstemp(prefix="xentcheck-")
    os.unlink(path)
    return handle


class Slab:
    """One direction of traffic. The writing side grows the file; the reading side follows."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._size = 0
        self._bytes = np.empty(0, np.uint8)

    def write(self, arrays: Iterable[Array]) -> list[ArrayMeta]:
        """Copy arrays in, from the start; the previous contents are lost."""
        items = [in_native_order(np.asarray(array)) for array in arrays]
        offsets, end = [], 0
        for item in items:
            offsets.append(end)
            end += -(-item.nbytes // _ALIGNMENT) * _ALIGNMENT
        self._reserve(end)
        metas: list[ArrayMeta] = []
        for item, offset in zip(items, offsets):
            # .view() of raw bytes rather than of the dtype: bfloat16 is not a buffer-protocol type
            target = self._bytes[offset : offset + item.nbytes].view(item.dtype).reshape(item.shape)
            target[...] = item
            metas.append((dtype_name(item.dtype), list(item.shape), offset))
        return metas

    def read(self, metas: Iterable[ArrayMeta]) -> list[Array]:
        """Read-only views of the arrays last written; copy what must outlive the next message."""
        views = []
        for name, shape, offset in metas:
            dtype = dtype_named(name)
            nbytes = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
            if offset + nbytes > self._size:
                self._map(os.fstat(self.descriptor).st_size)
            view = self._bytes[offset : offset + nbytes].view(dtype).reshape(shape)
            view.flags.writeable = False
            views.append(view)
        return views

    def close(self) -> None:
        """Give the descriptor back; views that were read stay valid."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _reserve(self, size: int) -> None:
        if size > self._size:
            size = max(_SMALLEST, 1 << (size - 1).bit_length())
            os.ftruncate(self.descriptor, size)
            self._map(size)

    def _map(self, size: int) -> None:
        # The old mapping lives on as long as a view of it does; NumPy keeps it alive and frees it.
        self._bytes = np.frombuffer(mmap.mmap(self.descriptor, size), np.uint8)
        self._size = size
