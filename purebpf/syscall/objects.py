"""Commands that find, pin and describe what is in the kernel, whatever its kind.

Rules as in `calls`: plain ints and bytes, a bare OSError on failure. The layouts of the answers are imported by those
who ask: no load does.
"""

from __future__ import annotations

import errno
from struct import unpack_from

from purebpf._fastpath import bpf
from purebpf.syscall import attrs
from purebpf.uapi import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from purebpf.syscall import infos


def obj_pin(fd: int, path: bytes, *, flags: int = 0, path_fd: int = 0) -> None:
    """Give an object a name in a bpf filesystem."""
    attr = attrs.obj(bpf_fd=fd, file_flags=flags, path_fd=path_fd)
    bpf(Command.OBJ_PIN, attr, ((attrs.OBJ_PATHNAME, path + b"\0"),))


def obj_get(path: bytes, *, flags: int = 0, path_fd: int = 0) -> int:
    """An fd of a pinned object."""
    attr = attrs.obj(file_flags=flags, path_fd=path_fd)
    return bpf(Command.OBJ_GET, attr, ((attrs.OBJ_PATHNAME, path + b"\0"),))


def _next_id(command: int, after: int) -> int | None:
    attr = attrs.by_id(start_id=after)
    try:
        bpf(command, attr)
    except FileNotFoundError:
        return None
    found: int = unpack_from("=I", attr, attrs.BY_ID_NEXT_ID)[0]
    return found


def prog_next_id(after: int = 0) -> int | None:
    """The smallest program id above `after`, None when there is none."""
    return _next_id(Command.PROG_GET_NEXT_ID, after)


def map_next_id(after: int = 0) -> int | None:
    """As `prog_next_id`, of maps."""
    return _next_id(Command.MAP_GET_NEXT_ID, after)


def btf_next_id(after: int = 0) -> int | None:
    """As `prog_next_id`, of BTFs."""
    return _next_id(Command.BTF_GET_NEXT_ID, after)


def link_next_id(after: int = 0) -> int | None:
    """As `prog_next_id`, of links."""
    return _next_id(Command.LINK_GET_NEXT_ID, after)


def prog_fd_by_id(prog_id: int) -> int:
    """A new fd of a program; OSError ENOENT when it is gone."""
    return bpf(Command.PROG_GET_FD_BY_ID, attrs.by_id(start_id=prog_id))


def map_fd_by_id(map_id: int, *, flags: int = 0) -> int:
    """A new fd of a map; `flags` BPF_F_RDONLY or BPF_F_WRONLY limit it."""
    return bpf(Command.MAP_GET_FD_BY_ID, attrs.by_id(start_id=map_id, open_flags=flags))


def btf_fd_by_id(btf_id: int) -> int:
    """A new fd of a BTF."""
    return bpf(Command.BTF_GET_FD_BY_ID, attrs.by_id(start_id=btf_id))


def link_fd_by_id(link_id: int) -> int:
    """A new fd of a link."""
    return bpf(Command.LINK_GET_FD_BY_ID, attrs.by_id(start_id=link_id))


def read_info(fd: int, info: bytearray, pointers: tuple[tuple[int, bytearray], ...] = ()) -> int:
    """Fill `info` with an object's own struct; how many bytes of it this kernel knows.

    `pointers` are (offset in info, buffer) of arrays the kernel fills as well; their counts must stand in `info`.
    """
    attr = attrs.info(bpf_fd=fd, info_len=len(info))
    bpf(Command.OBJ_GET_INFO_BY_FD, attr, (), ((attrs.INFO_INFO, info, pointers),))
    known: int = unpack_from("=I", attr, attrs.INFO_INFO_LEN)[0]
    return known


def map_info(fd: int) -> infos.MapInfo:
    """What the kernel says of a map."""
    from purebpf.syscall import infos

    info = bytearray(infos.BPF_MAP_INFO.size)
    read_info(fd, info)
    return infos.MapInfo._make(infos.BPF_MAP_INFO.unpack(info))


def prog_info(fd: int) -> infos.ProgInfo:
    """What the kernel says of a program, without its arrays (`prog_map_ids`, `prog_xlated`)."""
    from purebpf.syscall import infos

    info = bytearray(infos.BPF_PROG_INFO.size)
    read_info(fd, info)
    return infos.ProgInfo._make(infos.BPF_PROG_INFO.unpack(info))


def prog_map_ids(fd: int) -> tuple[int, ...]:
    """Ids of the maps a program uses, bound ones included."""
    from purebpf.syscall import infos

    count = prog_info(fd).nr_map_ids
    ids = bytearray(4 * count)
    info = bytearray(infos.BPF_PROG_INFO.size)
    fields = infos.ProgInfo._make(infos.BPF_PROG_INFO.unpack(info))._replace(nr_map_ids=count)
    infos.BPF_PROG_INFO.pack_into(info, 0, *fields)
    if count:
        read_info(fd, info, ((infos.BPF_PROG_INFO_OFFSETS["map_ids"], ids),))
    return unpack_from(f"={count}I", ids)


def prog_xlated(fd: int) -> bytes:
    """A program's instructions as the verifier left them; empty where the kernel hides them."""
    from purebpf.syscall import infos

    size = prog_info(fd).xlated_prog_len
    code = bytearray(size)
    info = bytearray(infos.BPF_PROG_INFO.size)
    fields = infos.ProgInfo._make(infos.BPF_PROG_INFO.unpack(info))._replace(xlated_prog_len=size)
    infos.BPF_PROG_INFO.pack_into(info, 0, *fields)
    if not size:
        return b""
    read_info(fd, info, ((infos.BPF_PROG_INFO_OFFSETS["xlated_prog_insns"], code),))
    # Where kptr_restrict or lockdown forbids dumping the kernel writes nothing, and says so only by clearing the
    # pointer, which is cleared anyway. No program is all zeros: its last instruction is an exit or a jump.
    return bytes(code) if any(code) else b""


def btf_info(fd: int, *, data: bool = False) -> tuple[infos.BtfInfo, str, bytes]:
    """What the kernel says of a BTF: the struct, its name, and with `data` the BTF itself."""
    from purebpf.syscall import infos

    info = bytearray(infos.BPF_BTF_INFO.size)
    read_info(fd, info)
    size = infos.BtfInfo._make(infos.BPF_BTF_INFO.unpack(info)).btf_size if data else 0
    name, content = bytearray(64), bytearray(size)
    infos.BPF_BTF_INFO.pack_into(info, 0, 0, size, 0, 0, len(name), 0)
    offsets = infos.BPF_BTF_INFO_OFFSETS
    pointers = ((offsets["name"], name), (offsets["btf"], content)) if data else ((offsets["name"], name),)
    read_info(fd, info, pointers)
    found = infos.BtfInfo._make(infos.BPF_BTF_INFO.unpack(info))
    return found, name[: name.index(0)].decode(errors="replace"), bytes(content)


def link_info(fd: int) -> tuple[int, int, int, bytes]:
    """Type, id and program id of a link, and the whole struct bpf_link_info for `link_details`."""
    from purebpf.syscall import infos

    info = bytearray(infos.BPF_LINK_INFO_SIZE)
    read_info(fd, info)
    link_type, link_id, prog_id = unpack_from("=III", info)
    return link_type, link_id, prog_id, bytes(info)


def link_details(kind: str, info: bytes) -> dict[str, int]:
    """The fields of one variant ('netfilter') of the struct that `link_info` gave, nested ones as 'task.pid'."""
    from purebpf.syscall import infos

    return {name: unpack_from(code, info, offset)[0] for name, (offset, code) in infos.LINK_INFO[kind].items()}


def ids(command: str) -> Iterator[int]:
    """Every id of kind 'prog', 'map', 'btf' or 'link', in ascending order, as the kernel hands them out."""
    step = {"prog": prog_next_id, "map": map_next_id, "btf": btf_next_id, "link": link_next_id}[command]
    found = step()
    while found is not None:
        yield found
        found = step(found)


def task_fd_query(*, pid: int, fd: int) -> tuple[int, int, int, int, str]:
    """Of a perf event's fd in some task: program id, fd type, offset, address and the probe's name."""
    buffer = bytearray(4096)
    attr = attrs.task_fd_query(pid=pid, fd=fd, buf_len=len(buffer))
    try:
        bpf(Command.TASK_FD_QUERY, attr, (), ((attrs.TASK_FD_QUERY_BUF, buffer),))
    except OSError as error:
        # A longer name is cut and reported so; the rest of the answer is whole.
        if error.errno != errno.ENOSPC:
            raise
    prog_id, fd_type, offset, address = unpack_from("=IIQQ", attr, attrs.TASK_FD_QUERY_PROG_ID)
    return prog_id, fd_type, offset, address, buffer[: buffer.index(0)].decode(errors="replace")


def enable_stats(kind: int = 0) -> int:
    """Make the kernel measure run time and count of programs until the returned fd is closed (5.8)."""
    return bpf(Command.ENABLE_STATS, attrs.enable_stats(type=kind))


def token_create(bpffs_fd: int, *, flags: int = 0) -> int:
    """A BPF token of a delegated bpf filesystem (6.9)."""
    return bpf(Command.TOKEN_CREATE, attrs.token_create(flags=flags, bpffs_fd=bpffs_fd))
