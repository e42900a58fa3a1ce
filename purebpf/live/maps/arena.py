"""Arenas in this process: the memory that programs of the object use as well.

Rules: the whole arena is mapped, for the kernel takes nothing less, and it is mapped once (a program has one address of
it). Pages come into being when they are first touched, on either side. The memory is given back when the object is
closed and nobody looks at it any more: a view that was taken keeps it.
"""

import ctypes
import errno
import mmap
import os
from typing import TYPE_CHECKING, Final
from weakref import finalize

from purebpf.errors import KernelError
from purebpf.host import kernel_error
from purebpf.live.maps.base import Map, MapShape
from purebpf.syscall.fd import Fd

if TYPE_CHECKING:
    from purebpf.live.seam import Memory

# Python's mmap cannot choose an address. Unlike MAP_FIXED, which libbpf uses, this (4.17) never takes the place of
# something that is there already.
_MAP_FIXED_NOREPLACE: Final = 0x100000
_FAILED: Final = ctypes.c_void_p(-1).value
_PROTECTION: Final = mmap.PROT_READ | mmap.PROT_WRITE


class ArenaMemory:
    """The memory of an arena; `view` is all of it, in single bytes."""

    def __init__(self, name: str, fd: int, size: int, address: int) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mmap.restype = ctypes.c_void_p
        libc.mmap.argtypes = (
            ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long
        )  # fmt: skip
        libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
        flags = mmap.MAP_SHARED | (_MAP_FIXED_NOREPLACE if address else 0)
        mapped = libc.mmap(address or None, size, _PROTECTION, flags, fd, 0)
        if mapped == _FAILED:
            raise _refused(name, size, address, ctypes.get_errno())
        if address and mapped != address:
            libc.munmap(mapped, size)
            raise _refused(name, size, address, errno.EEXIST)
        # Every view refers to the array, so the memory goes when the last of them does.
        array = (ctypes.c_ubyte * size).from_address(mapped)
        # At the end of the process the kernel gives it back, when surely nobody looks any more.
        finalize(array, libc.munmap, mapped, size).atexit = False
        self.address: int = mapped
        self.view: memoryview = memoryview(array).cast("B")

    def close(self) -> None:
        """Let go of the memory; twice is fine."""
        self.view = memoryview(b"")


def _refused(name: str, size: int, address: int, code: int) -> KernelError:
    error = OSError(code, os.strerror(code))
    if not address:
        return kernel_error("map the memory of arena", name, error)
    reason = f"something of this process is at its address {address:#x} already" if code == errno.EEXIST else ""
    return kernel_error("map the memory of arena", name, error, reason=reason)


class ArenaMap(Map):
    """An arena: `memory` is what programs see, `address` where it lies in this process."""

    def __init__(self, fd: Fd, shape: MapShape, memory: "Memory") -> None:
        super().__init__(fd, shape)
        self._memory = memory
        self.address = memory.address

    @property
    def memory(self) -> memoryview:
        """All of it, in single bytes; ValueError once the object is closed.

        A pointer that a program left is an address in this process: `memory[pointer - arena.address]`.
        """
        if self.closed:
            raise ValueError(f"arena '{self.name}' is closed")
        return self._memory.view
