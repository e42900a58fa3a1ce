"""One typed function for each bpf(2) command on maps and types, and to load programs.

Rules: keyword arguments, plain ints and buffers in, ints and bytes out, fds as plain ints that the caller closes.
Failure is a bare OSError with the kernel's errno: what was tried, and what to do about it, is known one layer up.
Nothing is retried, with one exception: BPF_PROG_LOAD answers EAGAIN when a signal is pending, and is asked again
as often as libbpf asks (five times). Names longer than the kernel's 15 bytes are the caller's to cut.
"""

from __future__ import annotations

import errno
from struct import unpack_from

from purebpf._fastpath import Entries, bpf
from purebpf.frozen import Mutable
from purebpf.syscall import load_attrs as attrs
from purebpf.uapi import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from purebpf._fastpath import Pointers

Buffer = bytes | bytearray | memoryview

PROG_LOAD_ATTEMPTS = 5

# IntEnum members as plain ints: the C side takes them faster.
_MAP_CREATE = int(Command.MAP_CREATE)
_MAP_FREEZE = int(Command.MAP_FREEZE)
_MAP_LOOKUP = int(Command.MAP_LOOKUP_ELEM)
_MAP_LOOKUP_AND_DELETE = int(Command.MAP_LOOKUP_AND_DELETE_ELEM)
_MAP_UPDATE = int(Command.MAP_UPDATE_ELEM)
_MAP_DELETE = int(Command.MAP_DELETE_ELEM)
_MAP_NEXT_KEY = int(Command.MAP_GET_NEXT_KEY)
_PROG_LOAD = int(Command.PROG_LOAD)
_BTF_LOAD = int(Command.BTF_LOAD)
_PROG_BIND_MAP = int(Command.PROG_BIND_MAP)


# ---------------------------------------------------------------- maps


def map_create(
    *,
    map_type: int,
    key_size: int,
    value_size: int,
    max_entries: int,
    flags: int = 0,
    name: bytes = b"",
    inner_map_fd: int = 0,
    numa_node: int = 0,
    ifindex: int = 0,
    btf_fd: int = 0,
    btf_key_type_id: int = 0,
    btf_value_type_id: int = 0,
    btf_vmlinux_value_type_id: int = 0,
    map_extra: int = 0,
    value_type_btf_obj_fd: int = 0,
    token_fd: int = 0,
) -> int:
    """A new map's fd."""
    return bpf(
        _MAP_CREATE,
        attrs.map_create(
            map_type=map_type,
            key_size=key_size,
            value_size=value_size,
            max_entries=max_entries,
            map_flags=flags,
            inner_map_fd=inner_map_fd,
            numa_node=numa_node,
            map_name=name,
            map_ifindex=ifindex,
            btf_fd=btf_fd,
            btf_key_type_id=btf_key_type_id,
            btf_value_type_id=btf_value_type_id,
            btf_vmlinux_value_type_id=btf_vmlinux_value_type_id,
            map_extra=map_extra,
            value_type_btf_obj_fd=value_type_btf_obj_fd,
            map_token_fd=token_fd,
        ),
    )


def map_lookup(fd: int, key: Buffer, value_size: int, flags: int = 0) -> bytes:
    """The value of `key`; OSError ENOENT without one. `value_size` must be the kernel's (see `Entries`)."""
    return _found(Entries(fd, len(key), value_size)._operate(_MAP_LOOKUP, key, None, flags))


def map_lookup_and_delete(fd: int, key: Buffer | None, value_size: int, flags: int = 0) -> bytes:
    """As `map_lookup`, and the entry is gone; queues and stacks have no key: None."""
    return _found(Entries(fd, len(key or b""), value_size)._operate(_MAP_LOOKUP_AND_DELETE, key, None, flags))


def map_update(fd: int, key: Buffer | None, value: Buffer, flags: int = 0) -> None:
    """Set the value of `key`; the lengths must be the map's."""
    Entries(fd, len(key or b""), len(value), waits=True)._operate(_MAP_UPDATE, key, value, flags)


def map_delete(fd: int, key: Buffer) -> None:
    """Delete `key`; OSError ENOENT without one."""
    Entries(fd, len(key), 0, waits=True)._operate(_MAP_DELETE, key)


def map_next_key(fd: int, key: Buffer | None, key_size: int) -> bytes | None:
    """The key after `key` (the first for None), None after the last."""
    found = Entries(fd, key_size, 0)._operate(_MAP_NEXT_KEY, key)
    assert not isinstance(found, int)
    return found


def map_freeze(fd: int) -> None:
    """Forbid further writing by system calls."""
    bpf(_MAP_FREEZE, attrs.map_element(map_fd=fd))


def _found(value: bytes | int | None) -> bytes:
    if value is None:
        raise FileNotFoundError(errno.ENOENT, "no such key")
    assert isinstance(value, bytes)
    return value


# ---------------------------------------------------------------- programs and types


class Log(Mutable):
    """Where the kernel writes its verdict, on failure too; `true_size` is what it wanted to write (0 before 6.4)."""

    buffer: bytearray
    level: int = 1
    true_size: int = 0

    @property
    def text(self) -> str:
        """What was written, up to the closing zero byte."""
        end = self.buffer.find(0)
        return self.buffer[: end if end >= 0 else len(self.buffer)].decode(errors="replace")


def prog_load(
    *,
    prog_type: int,
    insns: Buffer,
    license: str,  # noqa: A002 (the kernel's word)
    name: bytes = b"",
    flags: int = 0,
    kern_version: int = 0,
    expected_attach_type: int = 0,
    btf_fd: int = 0,
    func_info: Buffer = b"",
    func_info_rec_size: int = 0,
    line_info: Buffer = b"",
    line_info_rec_size: int = 0,
    attach_btf_id: int = 0,
    attach_fd: int = 0,
    ifindex: int = 0,
    fd_array: Buffer = b"",
    token_fd: int = 0,
    log: Log | None = None,
) -> int:
    """A loaded program's fd. `attach_fd` is attach_prog_fd (freplace, fentry of a program) or attach_btf_obj_fd."""
    attr = attrs.prog_load(
        prog_type=prog_type,
        insn_cnt=len(insns) // 8,
        log_level=log.level if log else 0,
        log_size=len(log.buffer) if log else 0,
        kern_version=kern_version,
        prog_flags=flags,
        prog_name=name,
        prog_ifindex=ifindex,
        expected_attach_type=expected_attach_type,
        prog_btf_fd=btf_fd,
        func_info_rec_size=func_info_rec_size,
        func_info_cnt=len(func_info) // func_info_rec_size if func_info_rec_size else 0,
        line_info_rec_size=line_info_rec_size,
        line_info_cnt=len(line_info) // line_info_rec_size if line_info_rec_size else 0,
        attach_btf_id=attach_btf_id,
        attach_prog_fd=attach_fd,
        prog_token_fd=token_fd,
    )
    inputs: Pointers = (
        (attrs.PROG_LOAD_INSNS, insns),
        (attrs.PROG_LOAD_LICENSE, license.encode() + b"\0"),
    )
    # An older kernel refuses fields it does not know unless they are zero; the address of nothing is not zero.
    optional = (
        (attrs.PROG_LOAD_FUNC_INFO, func_info),
        (attrs.PROG_LOAD_LINE_INFO, line_info),
        (attrs.PROG_LOAD_FD_ARRAY, fd_array),
    )
    inputs += tuple(pointer for pointer in optional if pointer[1])
    outputs: Pointers = ((attrs.PROG_LOAD_LOG_BUF, log.buffer),) if log else ()
    try:
        return _load_again(attr, inputs, outputs)
    finally:
        if log:
            (log.true_size,) = unpack_from("=I", attr, attrs.PROG_LOAD_LOG_TRUE_SIZE)


def _load_again(attr: bytearray, inputs: Pointers, outputs: Pointers) -> int:
    for _attempt in range(PROG_LOAD_ATTEMPTS - 1):
        try:
            return bpf(_PROG_LOAD, attr, inputs, outputs)
        except BlockingIOError:
            pass
    return bpf(_PROG_LOAD, attr, inputs, outputs)


def prog_bind_map(*, prog_fd: int, map_fd: int, flags: int = 0) -> None:
    """Keep the map alive as long as the program, although no instruction refers to it."""
    bpf(_PROG_BIND_MAP, attrs.prog_bind_map(prog_fd=prog_fd, map_fd=map_fd, flags=flags))


def btf_load(data: Buffer, *, log: Log | None = None, flags: int = 0, token_fd: int = 0) -> int:
    """A loaded BTF's fd."""
    attr = attrs.btf_load(
        btf_size=len(data),
        btf_log_size=len(log.buffer) if log else 0,
        btf_log_level=log.level if log else 0,
        btf_flags=flags,
        btf_token_fd=token_fd,
    )
    outputs: Pointers = ((attrs.BTF_LOAD_BTF_LOG_BUF, log.buffer),) if log else ()
    try:
        return bpf(_BTF_LOAD, attr, ((attrs.BTF_LOAD_BTF, data),), outputs)
    finally:
        if log:
            (log.true_size,) = unpack_from("=I", attr, attrs.BTF_LOAD_BTF_LOG_TRUE_SIZE)
