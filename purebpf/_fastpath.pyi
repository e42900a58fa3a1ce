"""The C extension: system calls, map entries, rings, and scans too slow in Python.

It decides nothing. A failed call is an OSError with the kernel's errno and no more words; the layer above says what
was tried. Addresses never enter Python: `inputs` and `outputs` are tuples of `(offset, buffer)`, the place in the
attribute where the buffer's address stands for the length of the call; `(offset, buffer, pointers)` where the buffer
itself holds addresses. The kernel reads `inputs`; it may write to `outputs`, which must be writable. `attr` is a
writable buffer of at most 512 bytes and afterwards holds what the kernel wrote, with zeros in place of addresses.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from typing_extensions import Buffer

Pointer: TypeAlias = tuple[int, Buffer] | tuple[int, Buffer, tuple[tuple[int, Buffer], ...]]
Pointers: TypeAlias = tuple[Pointer, ...]

def bpf(command: int, attr: Buffer, inputs: Pointers = (), outputs: Pointers = (), /) -> int:
    """One bpf system call. EINTR is retried after Python's signal handlers ran; every other errno is an OSError."""

def perf_event_open(attr: Buffer, pid: int, cpu: int, group_fd: int, flags: int, inputs: Pointers = (), /) -> int:
    """One perf_event_open system call; pointers and EINTR as in `bpf`."""

def map_file(fd: int, size: int, /) -> memoryview:
    """The first `size` bytes of a file, read-only, for the life of the process; no fd is kept for them."""

class Entries:
    """The entries of one map, and the base class of mappings. Borrows the fd; set `_fd` to -1 when it is closed: every
    call is a ValueError then.

    `key_size` and `value_size` must be the kernel's own figures (map_info): it writes that many bytes whatever is
    said here. For per-CPU maps `value_size` is `roundup(size, 8)` times the possible CPUs. A kind of 0 means bytes,
    1 unsigned and 2 signed integers of 1 to 8 bytes. `waits` releases the GIL around updates and deletions, for maps
    where they block; all else holds it (a hash operation costs 560 ns, releasing 80 more).

    `m[key]`, `m[key] = value` and `del m[key]` are carried out without Python in between where `direct` says that
    keys and values need no codec. In every other case, and whatever fails in the kernel, the subclass's `_get(key)`,
    `_set(key, value)` or `_remove(key)` does the whole again.

    A key or value of another length, or a number that does not fit, is a ValueError; another type a TypeError.
    Queues and stacks have keys of size 0: None.
    """

    _fd: int
    def __init__(
        self,
        fd: int,
        key_size: int,
        value_size: int,
        *,
        key_kind: int = 0,
        value_kind: int = 0,
        waits: bool = False,
        direct: bool = False,
    ) -> None: ...
    def _operate(self, command: int, key: Any, value: Any = None, flags: int = 0, /) -> bytes | int | None:
        """One command on one entry.

        MAP_LOOKUP_ELEM and MAP_LOOKUP_AND_DELETE_ELEM give the value, MAP_GET_NEXT_KEY the key after this one in the
        kernel's order (the first for None); None when the kernel has none (ENOENT). MAP_UPDATE_ELEM and
        MAP_DELETE_ELEM give None.
        """

    def __getitem__(self, key: Any, /) -> Any: ...
    def __setitem__(self, key: Any, value: Any, /) -> None: ...
    def __delitem__(self, key: Any, /) -> None: ...

def ring_into(consumer: Buffer, data: Buffer, page_size: int, out: Buffer, limit: int, /) -> tuple[int, int]:
    """Move finished events into `out`; `(count, used)`.

    `consumer` is the writable mapping of the consumer's page, `data` the mapping of the producer's page and twice
    the data; both are pinned during the call, so an mmap cannot be closed under it. The first `used` bytes of `out`
    are `count` records, each with an 8-byte header (u32 length of the event, u32 of the kernel's own), the event and
    padding to the next multiple of 8. Discarded events are left out; the first unfinished one ends the call. At most
    `limit` events, any number if negative. An `out` too small for the first event is a ValueError that says what it
    needs. The GIL is released.

    The producer is looked at once: what arrives during the call waits for the next. The rest of the ring functions
    work alike. A ring with an impossible length or position is an OSError EBADMSG.
    """

def ring_list(consumer: Buffer, data: Buffer, page_size: int, limit: int, /) -> list[bytes]:
    """Finished events as bytes; on an exception (MemoryError) none was consumed."""

def ring_each(
    consumer: Buffer, data: Buffer, page_size: int, callback: Callable[[bytes], object], limit: int, /
) -> int:
    """Call `callback` with each finished event; how many there were.

    An event is consumed just before it is delivered: an exception of the callback ends the call and comes out,
    and the next call begins with the event after. The callback may drain the same ring itself.
    """

def perf_take(ring: Buffer, page_size: int, /) -> bytes:
    """All records of a perf ring (one metadata page, then the data) as they stand there, in one piece.

    What they are, `purebpf.syscall.perf.records` knows.
    """

def btf_scan(types: Buffer, swapped: bool, sizes: Buffer, /) -> tuple[bytes, bytes, int]:
    """The C twin of `scan_types` in `purebpf.btf.kinds`, whose `Scan` says what goes in and what comes out."""

def find(where: Buffer, what: Buffer, start: int, end: int, /) -> int:
    """`bytes.find` of any memory, several times as fast; -1 as well where `start` and `end` are no part of it."""
