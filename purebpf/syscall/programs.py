"""The bpf(2) commands on a program that is loaded: running it, attaching it without a link, asking what is attached.

The rules of `purebpf.syscall.calls` hold.
"""

from __future__ import annotations

from struct import unpack_from

from purebpf._fastpath import bpf
from purebpf.frozen import Frozen
from purebpf.syscall import attrs
from purebpf.uapi import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from purebpf._fastpath import Pointers
    from purebpf.syscall.calls import Buffer


class TestRun(Frozen):
    """What one BPF_PROG_TEST_RUN gave; `duration_ns` is the mean of all repetitions."""

    __test__ = False

    retval: int
    duration_ns: int
    data: bytes
    context: bytes


def prog_test_run(
    prog_fd: int,
    *,
    data: Buffer | None = None,
    data_out_size: int = 0,
    context: Buffer | None = None,
    context_out_size: int = 0,
    repeat: int = 0,
    flags: int = 0,
    cpu: int = 0,
    batch_size: int = 0,
) -> TestRun:
    """Run a program once (or `repeat` times) on `data` and `context`; outputs are cut to what the kernel wrote."""
    data_out = bytearray(data_out_size)
    context_out = bytearray(context_out_size)
    attr = attrs.test_run(
        prog_fd=prog_fd,
        data_size_in=len(data or b""),
        data_size_out=data_out_size,
        repeat=repeat,
        ctx_size_in=len(context or b""),
        ctx_size_out=context_out_size,
        flags=flags,
        cpu=cpu,
        batch_size=batch_size,
    )
    given = ((attrs.TEST_RUN_DATA_IN, data), (attrs.TEST_RUN_CTX_IN, context))
    wanted = ((attrs.TEST_RUN_DATA_OUT, data_out), (attrs.TEST_RUN_CTX_OUT, context_out))
    bpf(
        Command.PROG_TEST_RUN,
        attr,
        tuple((offset, buffer) for offset, buffer in given if buffer),
        tuple((offset, buffer) for offset, buffer in wanted if buffer),
    )

    def result(offset: int) -> int:
        return int(unpack_from("=I", attr, offset)[0])

    return TestRun(
        retval=result(attrs.TEST_RUN_RETVAL),
        duration_ns=result(attrs.TEST_RUN_DURATION),
        data=bytes(data_out[: result(attrs.TEST_RUN_DATA_SIZE_OUT)]),
        context=bytes(context_out[: result(attrs.TEST_RUN_CTX_SIZE_OUT)]),
    )


def prog_attach(
    *,
    prog_fd: int,
    target_fd: int,
    attach_type: int,
    flags: int = 0,
    replace_fd: int = 0,
    relative: int = 0,
    expected_revision: int = 0,
) -> None:
    """Attach without a link; `target_fd` may be an interface index, `relative` an fd or (flag BPF_F_ID) an id."""
    attr = attrs.prog_attach(
        target_fd=target_fd,
        attach_bpf_fd=prog_fd,
        attach_type=attach_type,
        attach_flags=flags,
        replace_bpf_fd=replace_fd,
        relative_fd=relative,
        expected_revision=expected_revision,
    )
    bpf(Command.PROG_ATTACH, attr)


def prog_detach(
    *, prog_fd: int = 0, target_fd: int, attach_type: int, flags: int = 0, relative: int = 0, expected_revision: int = 0
) -> None:
    """Undo `prog_attach`."""
    attr = attrs.prog_attach(
        target_fd=target_fd,
        attach_bpf_fd=prog_fd,
        attach_type=attach_type,
        attach_flags=flags,
        relative_fd=relative,
        expected_revision=expected_revision,
    )
    bpf(Command.PROG_DETACH, attr)


class Attached(Frozen):
    """Programs (and links, where the hook knows them) at a hook, in their order; ids."""

    prog_ids: tuple[int, ...]
    link_ids: tuple[int, ...]
    attach_flags: int
    revision: int


def prog_query(*, target_fd: int, attach_type: int, flags: int = 0, room: int = 64, links: bool = False) -> Attached:
    """What is attached to a cgroup, netns, map or (by index) interface; at most `room` programs, else ENOSPC.

    `links` asks for link ids as well, which only tcx and netkit answer.
    """
    progs, link_ids = bytearray(4 * room), bytearray(4 * room)
    attr = attrs.prog_query(target_fd=target_fd, attach_type=attach_type, query_flags=flags, prog_cnt=room)
    outputs: Pointers = ((attrs.PROG_QUERY_PROG_IDS, progs),)
    if links:
        outputs += ((attrs.PROG_QUERY_LINK_IDS, link_ids),)
    bpf(Command.PROG_QUERY, attr, (), outputs)
    (count,) = unpack_from("=I", attr, attrs.PROG_QUERY_PROG_CNT)
    (attach_flags,) = unpack_from("=I", attr, attrs.PROG_QUERY_ATTACH_FLAGS)
    (revision,) = unpack_from("=Q", attr, attrs.PROG_QUERY_REVISION)
    count = min(count, room)
    return Attached(
        unpack_from(f"={count}I", progs),
        unpack_from(f"={count}I", link_ids) if links else (),
        attach_flags,
        revision,
    )


def prog_stream_read(prog_fd: int, *, stream: int, size: int) -> bytes:
    """Up to `size` bytes that the program printed to its stream (1 output, 2 errors)."""
    buffer = bytearray(size)
    attr = attrs.prog_stream_read(stream_buf_len=size, stream_id=stream, prog_fd=prog_fd)
    got = bpf(Command.PROG_STREAM_READ_BY_FD, attr, (), ((attrs.PROG_STREAM_READ_STREAM_BUF, buffer),))
    return bytes(buffer[:got])
