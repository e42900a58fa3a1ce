"""The bytes of data maps: mapped into this process where the map allows it, by system calls where not.

Rules: a frozen map is mapped read-only, which is all the kernel allows; an image is closed with its object, after
which nothing reads or writes it.
"""

import mmap
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from purebpf.host import kernel_error
from purebpf.plan.steps import LoadPlan, MapMemory
from purebpf.spec.data import F_MMAPABLE
from purebpf.spec.model import MapSpec
from purebpf.syscall import calls, objects
from purebpf.syscall.fd import Fd

if TYPE_CHECKING:
    from purebpf.live.seam import Memory

_KEY = bytes(4)


class MemoryImage:
    """Bytes that lie in this process's memory."""

    def __init__(self, memory: memoryview, *, writable: bool) -> None:
        self.writable = writable
        self._view = memory

    @property
    def buffer(self) -> memoryview:
        """The memory, for as long as the image is open."""
        return self._view

    def read(self, offset: int, size: int) -> bytes:
        """A copy of `size` bytes from `offset`."""
        return bytes(self._view[offset : offset + size])

    def write(self, offset: int, data: bytes) -> None:
        """Copy `data` to `offset`."""
        self._view[offset : offset + len(data)] = data

    def close(self) -> None:
        """Let go of the memory; ValueError for whoever uses it afterwards."""
        # Where someone still looks at the memory, it goes when the last view does.
        with suppress(BufferError):
            self._release()

    def _release(self) -> None:
        self._view.release()


class ArenaImage(MemoryImage):
    """The variables in an arena: a part of its memory."""

    def __init__(self, memory: memoryview) -> None:
        super().__init__(memory, writable=True)


class MappedImage(MemoryImage):
    """A data map in this process's memory."""

    def __init__(self, name: str, fd: Fd, size: int, *, writable: bool) -> None:
        pages = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        try:
            self._memory = mmap.mmap(fd.number, pages, mmap.MAP_SHARED, mmap.PROT_READ | (mmap.PROT_WRITE * writable))
        except OSError as error:
            raise kernel_error("map the memory of", name, error) from error
        super().__init__(memoryview(self._memory), writable=writable)

    def _release(self) -> None:
        super()._release()
        self._memory.close()


class SyscallImage:
    """A data map that cannot be mapped; a write rewrites the whole value and may undo what a program wrote."""

    buffer = None

    def __init__(self, name: str, fd: Fd, size: int, *, writable: bool) -> None:
        self.writable = writable
        self._name = name
        self._fd = fd
        self._size = size
        self._open = True

    def _value(self) -> bytes:
        if not self._open:
            raise ValueError(f"map '{self._name}' is closed")
        try:
            return calls.map_lookup(self._fd.number, _KEY, self._size)
        except OSError as error:
            raise kernel_error("read map", self._name, error) from error

    def read(self, offset: int, size: int) -> bytes:
        """`size` bytes from `offset`."""
        return self._value()[offset : offset + size]

    def write(self, offset: int, data: bytes) -> None:
        """Put `data` at `offset`."""
        value = bytearray(self._value())
        value[offset : offset + len(data)] = data
        try:
            calls.map_update(self._fd.number, _KEY, value)
        except OSError as error:
            raise kernel_error("write map", self._name, error) from error

    def close(self) -> None:
        """Forget the map, whose fd belongs to the object."""
        self._open = False


def arena_images(plan: LoadPlan, memory: "Mapping[str, Memory]") -> dict[str, ArenaImage]:
    """An image of the variables of each arena of `plan`."""
    if not memory:
        return {}
    steps = [step for step in plan.steps if isinstance(step, MapMemory) and step.contents]
    return {s.map: ArenaImage(memory[s.map].view[s.offset : s.offset + len(s.contents)]) for s in steps}


def open_images(maps: Mapping[str, MapSpec], fds: Mapping[str, Fd]) -> dict[str, MappedImage | SyscallImage]:
    """An image of each data map that was created; the caller closes them."""
    images: dict[str, MappedImage | SyscallImage] = {}
    try:
        for name, fd in fds.items():
            spec = maps[name]
            flags = objects.map_info(fd.number).map_flags
            kind = MappedImage if flags & F_MMAPABLE else SyscallImage
            images[name] = kind(name, fd, spec.value_size, writable=not spec.frozen)
    except BaseException:
        for image in images.values():
            image.close()
        raise
    return images
