"""Many entries of a map by one system call (5.6).

The rules of `purebpf.syscall.calls` hold, but for one: a failed batch has moved entries as well, so the error is
given back beside their number.
"""

import errno
from struct import unpack_from
from typing import TYPE_CHECKING

from purebpf._fastpath import bpf
from purebpf.syscall import attrs
from purebpf.syscall.calls import Buffer
from purebpf.uapi import Command

if TYPE_CHECKING:
    from purebpf._fastpath import Pointers

# The commands that write keys and values; the other two read them.
_FETCHING = (Command.MAP_LOOKUP_BATCH, Command.MAP_LOOKUP_AND_DELETE_BATCH)


def map_batch(
    command: int,
    fd: int,
    count: int,
    *,
    key_size: int,
    value_size: int,
    keys: Buffer,
    values: Buffer,
    place: Buffer | None = None,
    next_place: Buffer | None = None,
    flags: int = 0,
) -> tuple[int, int]:
    """One of the four batch commands (5.6): how many of `count` entries the kernel moved, and its errno or 0.

    The count counts with ENOENT (the end of the map) and ENOSPC too. Sizes must be the kernel's: no buffer may be too
    small for `count` entries of them. A place is the kernel's own, 4 bytes of a hash, of other kinds a key.
    """
    of_place = max(4, key_size)
    needs = ((keys, count * key_size), (values, count * value_size), (place, of_place), (next_place, of_place))
    for buffer, need in needs:
        if buffer is not None and memoryview(buffer).nbytes < need:
            raise ValueError(f"a buffer of this batch needs {need} bytes, not {memoryview(buffer).nbytes}")
    attr = attrs.map_batch(map_fd=fd, count=count, elem_flags=flags)
    entries = ((attrs.MAP_BATCH_KEYS, keys), (attrs.MAP_BATCH_VALUES, values))
    fetching = command in _FETCHING
    inputs: Pointers = ((attrs.MAP_BATCH_IN_BATCH, place),) if place is not None else ()
    outputs: Pointers = ((attrs.MAP_BATCH_OUT_BATCH, next_place),) if next_place is not None else ()
    error = 0
    try:
        bpf(command, attr, inputs if fetching else inputs + entries, outputs + entries if fetching else outputs)
    except OSError as refusal:
        error = refusal.errno or errno.EIO
    (moved,) = unpack_from("=I", attr, attrs.MAP_BATCH_COUNT)
    # A kernel that refuses the command leaves the count as it was sent: nothing was moved then.
    refused = error in (errno.EINVAL, errno.EFAULT) or (error not in (0, errno.ENOENT) and moved >= count)
    return (0 if refused else moved), error
