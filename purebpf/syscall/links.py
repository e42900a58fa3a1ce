"""One typed function for each bpf(2) command that attaches programs by a link; the rules are those of `calls`."""

from __future__ import annotations

from purebpf._fastpath import bpf
from purebpf.syscall import attrs
from purebpf.uapi import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from purebpf._fastpath import Pointers

Buffer = bytes | bytearray | memoryview

_LINK_CREATE = int(Command.LINK_CREATE)


def link_create(
    *,
    prog_fd: int,
    target_fd: int = 0,
    attach_type: int,
    flags: int = 0,
    target_btf_id: int = 0,
    cookie: int = 0,
) -> int:
    """A link's fd, for hooks that need no more than this; `prog_fd` may be a struct_ops map's.

    `target_fd` may be an interface index. `cookie` needs attach types of the tracing program type.
    """
    if cookie:
        attr = attrs.link_create_tracing(
            prog_fd=prog_fd,
            target_fd=target_fd,
            attach_type=attach_type,
            flags=flags,
            target_btf_id=target_btf_id,
            cookie=cookie,
        )
    else:
        attr = attrs.link_create(
            prog_fd=prog_fd, target_fd=target_fd, attach_type=attach_type, flags=flags, target_btf_id=target_btf_id
        )
    return bpf(_LINK_CREATE, attr)


def link_create_perf_event(*, prog_fd: int, event_fd: int, attach_type: int, cookie: int = 0) -> int:
    """A link of a program to a perf event (5.15)."""
    attr = attrs.link_create_perf_event(prog_fd=prog_fd, target_fd=event_fd, attach_type=attach_type, bpf_cookie=cookie)
    return bpf(_LINK_CREATE, attr)


def link_create_iter(*, prog_fd: int, attach_type: int, target: Buffer = b"") -> int:
    """A link of an iterator; `target` is a union bpf_iter_link_info (a map's fd, a task, a cgroup)."""
    attr = attrs.link_create_iter(prog_fd=prog_fd, attach_type=attach_type, iter_info_len=len(target))
    return bpf(_LINK_CREATE, attr, ((attrs.LINK_CREATE_ITER_ITER_INFO, target),) if target else ())


def link_create_ordered(
    *,
    prog_fd: int,
    target: int,
    attach_type: int,
    flags: int = 0,
    relative: int = 0,
    expected_revision: int = 0,
) -> int:
    """A link of tcx, netkit (`target` an interface index) or a cgroup (an fd), placed by `flags` and `relative`."""
    attr = attrs.link_create_tcx(
        prog_fd=prog_fd,
        target_fd=target,
        attach_type=attach_type,
        flags=flags,
        relative_fd=relative,
        expected_revision=expected_revision,
    )
    return bpf(_LINK_CREATE, attr)


def link_create_netfilter(
    *, prog_fd: int, attach_type: int, family: int, hook: int, priority: int, flags: int = 0
) -> int:
    """A netfilter link (6.4)."""
    attr = attrs.link_create_netfilter(
        prog_fd=prog_fd,
        attach_type=attach_type,
        pf=family,
        hooknum=hook,
        priority=priority,
        netfilter_flags=flags,
    )
    return bpf(_LINK_CREATE, attr)


def link_create_kprobe_multi(
    *,
    prog_fd: int,
    attach_type: int,
    symbols: tuple[str, ...] = (),
    addresses: Buffer = b"",
    cookies: Buffer = b"",
    flags: int = 0,
) -> int:
    """A link to many kernel functions (5.18), by names or by packed u64 addresses; `cookies` packed u64, one each."""
    attr = attrs.link_create_kprobe_multi(
        prog_fd=prog_fd,
        attach_type=attach_type,
        kprobe_multi_flags=flags,
        cnt=len(symbols) or len(addresses) // 8,
    )
    inputs: Pointers = ()
    if symbols:
        names = tuple((8 * index, symbol.encode() + b"\0") for index, symbol in enumerate(symbols))
        inputs += ((attrs.LINK_CREATE_KPROBE_MULTI_SYMS, bytearray(8 * len(symbols)), names),)
    if addresses:
        inputs += ((attrs.LINK_CREATE_KPROBE_MULTI_ADDRS, addresses),)
    if cookies:
        inputs += ((attrs.LINK_CREATE_KPROBE_MULTI_COOKIES, cookies),)
    return bpf(_LINK_CREATE, attr, inputs)


def link_create_uprobe_multi(
    *,
    prog_fd: int,
    attach_type: int,
    path: bytes,
    offsets: Buffer,
    ref_ctr_offsets: Buffer = b"",
    cookies: Buffer = b"",
    pid: int = 0,
    flags: int = 0,
) -> int:
    """A link to many places of one file (6.6); `offsets`, `ref_ctr_offsets` and `cookies` are packed u64."""
    attr = attrs.link_create_uprobe_multi(
        prog_fd=prog_fd, attach_type=attach_type, cnt=len(offsets) // 8, uprobe_multi_flags=flags, pid=pid
    )
    given = (
        (attrs.LINK_CREATE_UPROBE_MULTI_PATH, path + b"\0"),
        (attrs.LINK_CREATE_UPROBE_MULTI_OFFSETS, offsets),
        (attrs.LINK_CREATE_UPROBE_MULTI_REF_CTR_OFFSETS, ref_ctr_offsets),
        (attrs.LINK_CREATE_UPROBE_MULTI_COOKIES, cookies),
    )
    return bpf(_LINK_CREATE, attr, tuple(pointer for pointer in given if pointer[1]))


def link_update(*, link_fd: int, new_fd: int, old_fd: int = 0, flags: int = 0) -> None:
    """Replace a link's program (or struct_ops map); with BPF_F_REPLACE only if it is `old_fd`."""
    bpf(Command.LINK_UPDATE, attrs.link_update(link_fd=link_fd, new_prog_fd=new_fd, flags=flags, old_prog_fd=old_fd))


def link_detach(link_fd: int) -> None:
    """Detach while the link's fd lives on."""
    bpf(Command.LINK_DETACH, attrs.link_detach(link_fd=link_fd))


def raw_tracepoint_open(*, prog_fd: int, name: str = "", cookie: int = 0) -> int:
    """A link of a raw tracepoint program by name; without name of a tracing or LSM program to its BTF target."""
    attr = attrs.raw_tracepoint_open(prog_fd=prog_fd, cookie=cookie)
    return bpf(
        Command.RAW_TRACEPOINT_OPEN,
        attr,
        ((attrs.RAW_TRACEPOINT_OPEN_NAME, name.encode() + b"\0"),) if name else (),
    )


def iter_create(link_fd: int, *, flags: int = 0) -> int:
    """An fd to read an iterator's output from."""
    return bpf(Command.ITER_CREATE, attrs.iter_create(link_fd=link_fd, flags=flags))
