"""What every link has: a program on a hook, until it is closed.

Rules: a link owns its fds; closing it takes the program off the hook, and so does the end of the process, however
it ends (the one exception stands in `tracefs.py`). `close()` twice is fine. A link that is forgotten warns.
"""

import errno
import os
import warnings
from collections.abc import Mapping
from struct import pack_into, unpack_from
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from purebpf.errors import KernelError, NotSupported
from purebpf.frozen import Frozen, field
from purebpf.host import kernel_error
from purebpf.syscall import infos, links, objects
from purebpf.uapi import LinkType, ProgramType

if TYPE_CHECKING:
    from purebpf.syscall.fd import Fd

_NAME_ROOM = 4096
_PERF_KINDS = ("", "uprobe", "uretprobe", "kprobe", "kretprobe", "tracepoint", "event")


class AttachableProgram(Protocol):
    """What a hook needs of a loaded program."""

    @property
    def fd(self) -> int:
        """The program's fd."""

    @property
    def name(self) -> str:
        """The program's name, for messages."""


class LinkInfo(Frozen):
    """What the kernel says of a link. `type` is None and `id` 0 where an older way than a link holds the program.

    `details` depend on the type: 'tp_name', 'offset', 'ifindex', ... A 'cookie' is there when it is known not to be 0:
    kernels could keep one before they could tell it (6.9 for perf events, 6.16 for raw tracepoints).
    """

    type: LinkType | int | None
    id: int
    prog_id: int
    details: Mapping[str, int | str] = field(default_factory=lambda: MappingProxyType({}))


class Link:
    """A program on a hook; `what` says so in words ("program 'f' on tracepoint 'sched/sched_switch'").

    `fd` is the kernel's link, or the thing that stands for it where there is none.
    """

    def __init__(self, fd: "Fd", what: str) -> None:
        self.what = what
        self._fd = fd
        self._closed = False

    @property
    def fd(self) -> int:
        """The link's file descriptor; ValueError once closed."""
        return self._fd.number

    def fileno(self) -> int:
        """As `fd`."""
        return self.fd

    @property
    def closed(self) -> bool:
        """Whether the program was taken off by `close()`."""
        return self._closed

    def info(self) -> LinkInfo:
        """What the kernel says of the link: its type, its id, its program's id and what the type has besides."""
        return read_link_info(self.fd)

    def detach(self) -> None:
        """Take the program off the hook now, whoever else holds the link (a pin, another process).

        Where the kernel knows no such request for the hook, this is `close()`.
        """
        try:
            links.link_detach(self.fd)
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise kernel_error("detach", self.what, error) from error
            self.close()

    def close(self) -> None:
        """Take the program off the hook, unless a pin holds the link, and give its fds back."""
        if not self._closed:
            self._closed = True
            self._release()

    def _release(self) -> None:
        self._fd.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # An instance whose __init__ never ran has nothing to close.
        if not getattr(self, "_closed", True):
            warnings.warn(f"the link of {self.what} was never closed", ResourceWarning, source=self, stacklevel=2)
            self.close()

    def __repr__(self) -> str:
        return f"<{'closed ' if self._closed else ''}{type(self).__name__}: {self.what}>"


def refused(
    program: AttachableProgram,
    hook: str,
    place: str,
    error: OSError,
    *,
    program_type: ProgramType,
    reasons: Mapping[int, str] = MappingProxyType({}),
    remedy: str = "",
) -> KernelError:
    """The error of a hook that refused `program`; `reasons` say what an errno means there."""
    operation = f"attach program '{program.name}' to {hook}"
    reason = reasons.get(error.errno or 0, "") or _other_type(program, program_type, error)
    return kernel_error(operation, place, error, program_type=program_type, reason=reason, remedy=remedy)


def _other_type(program: AttachableProgram, wanted: ProgramType, error: OSError) -> str:
    """The reason where a hook that takes programs of one type was given another; the kernel says EINVAL only."""
    given = getattr(program, "type", wanted)
    # These go to raw tracepoints too.
    also = (ProgramType.RAW_TRACEPOINT_WRITABLE, ProgramType.TRACING) if wanted is ProgramType.RAW_TRACEPOINT else ()
    if error.errno != errno.EINVAL or given == wanted or given in also:
        return ""
    return f"it takes programs of type {wanted}, and this one was loaded as {given}"


def on(program: AttachableProgram, hook: str, place: str) -> str:
    """A link in words."""
    return f"program '{program.name}' on {hook} '{place}'"


def without_cookie(program: AttachableProgram, hook: str, since: str) -> NotSupported:
    """The error of a cookie that this kernel cannot take; never is one dropped in silence."""
    return NotSupported(
        f"a cookie at a {hook}",
        since=since,
        evidence=[f"program '{program.name}' was to be attached with one"],
        remedy="attach without a cookie, or use a program for each place",
    )


def read_link_info(fd: int) -> LinkInfo:
    """`LinkInfo` of any link's fd."""
    number, link_id, prog_id, raw = objects.link_info(fd)
    try:
        link_type = LinkType(number)
    except ValueError:
        return LinkInfo(number, link_id, prog_id)
    details: dict[str, int | str] = {}
    if link_type is LinkType.PERF_EVENT:
        details = _perf_event_details(fd, raw)
    elif link_type is LinkType.RAW_TRACEPOINT:
        details = _named_details(fd, "raw_tracepoint", "", "tp_name", "tp_name_len")
    elif link_type.name.lower() in infos.LINK_INFO:
        details = dict(objects.link_details(link_type.name.lower(), raw))
    return LinkInfo(link_type, link_id, prog_id, MappingProxyType(details))


def _perf_event_details(fd: int, raw: bytes) -> dict[str, int | str]:
    """Since 6.6 the kernel says what the event is; an older one leaves the kind 0."""
    number = objects.link_details("perf_event", raw)["type"]
    if not 0 < number < len(_PERF_KINDS):
        return {}
    kind = _PERF_KINDS[number]
    if kind == "event":
        return {"event": kind, **_part("perf_event", "event.", raw)}
    part = kind.replace("ret", "", 1) if kind != "tracepoint" else kind
    name = {"uprobe": "file_name", "kprobe": "func_name", "tracepoint": "tp_name"}[part]
    return {"event": kind, **_named_details(fd, "perf_event", f"{part}.", name, "name_len")}


def _named_details(fd: int, kind: str, prefix: str, name: str, length: str) -> dict[str, int | str]:
    """The fields that begin with `prefix`, and the name, for which the kernel wants a buffer of ours."""
    fields = infos.LINK_INFO[kind]
    info, room = bytearray(infos.BPF_LINK_INFO_SIZE), bytearray(_NAME_ROOM)
    at, _ = fields[prefix + name]
    pack_into("=I", info, fields[prefix + length][0], len(room))
    objects.read_info(fd, info, ((at, room),))
    details = _part(kind, prefix, bytes(info))
    details[name] = os.fsdecode(bytes(room[: room.index(0)]))
    del details[length]
    if not details.get("cookie", 1):
        del details["cookie"]
    return details


def _part(kind: str, prefix: str, raw: bytes) -> dict[str, int | str]:
    fields = infos.LINK_INFO[kind].items()
    return {
        name.removeprefix(prefix): unpack_from(code, raw, offset)[0]
        for name, (offset, code) in fields
        if name.startswith(prefix)
    }
