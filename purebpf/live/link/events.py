"""A program on a perf event: what tracepoints, kprobes, uprobes and sampling have in common.

Rules: the event is made first and owned here; the program is tied to it by a link (Linux 5.15) or, before that, by
an ioctl, in which case closing the event is the only way off. A cookie needs the link. Which of the two it was is
tried, not asked: the kernel is probed only when the link was refused.
"""

import errno
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import MappingProxyType
from typing import Literal

from purebpf.host.features import supports
from purebpf.live.link.base import AttachableProgram, Link, LinkInfo, on, refused, without_cookie
from purebpf.plan.target import Feature
from purebpf.syscall import links, objects, perf
from purebpf.syscall.fd import Fd
from purebpf.uapi import AttachType, ProgramType

Mode = Literal["", "link", "ioctl", "tracefs"]
"""How a probe is attached: '' is the best way this kernel has; the others insist on one, for tests and comparisons.

'link' and 'ioctl' use the kernel's kprobe and uprobe PMUs, 'tracefs' its text interface.
"""

_REASONS = {
    errno.EEXIST: "another program is on this event already",
    errno.E2BIG: "64 programs are on this event, which is the most",
}
_FD_KINDS = ("raw_tracepoint", "tracepoint", "kprobe", "kretprobe", "uprobe", "uretprobe")


class EventLink(Link):
    """A program on a perf event that this link owns; `remove` undoes what was made for the event."""

    def __init__(self, event: Fd, link: Fd | None, what: str, remove: Callable[[], None] | None = None) -> None:
        super().__init__(link if link is not None else event, what)
        self._event = event
        self._link = link
        self._remove = remove

    @property
    def event(self) -> int:
        """The perf event's fd."""
        return self._event.number

    def info(self) -> LinkInfo:
        """As `Link.info`; where an ioctl holds the program, what the kernel says of the event."""
        if self._link is not None:
            return super().info()
        prog_id, kind, offset, address, name = objects.task_fd_query(pid=os.getpid(), fd=self.event)
        event = _FD_KINDS[kind] if kind < len(_FD_KINDS) else str(kind)
        details: Mapping[str, int | str] = {"event": event, "name": name, "offset": offset, "addr": address}
        return LinkInfo(None, 0, prog_id, MappingProxyType(details))

    def detach(self) -> None:
        """As `close()`: the kernel takes a program off an event when the last fd of either is closed."""
        self.close()

    def _release(self) -> None:
        try:
            if self._link is not None:
                self._link.close()
            self._event.close()
        finally:
            if self._remove is not None:
                self._remove()


def attach_event(
    program: AttachableProgram,
    event: int,
    hook: str,
    place: str,
    *,
    program_type: ProgramType,
    cookie: int = 0,
    mode: Mode = "",
    remove: Callable[[], None] | None = None,
) -> EventLink:
    """Tie `program` to the event's fd, which the link owns from here on; on failure it is closed and undone."""
    what = on(program, hook, place)
    with ExitStack() as undo:
        if remove is not None:
            undo.callback(remove)
        owned = Fd(event, f"the event of {what}")
        undo.callback(owned.close)
        link = _tie(program, owned, hook, place, program_type=program_type, cookie=cookie, mode=mode)
        if link is not None:
            undo.callback(link.close)
        perf.enable(owned.number)
        undo.pop_all()
    return EventLink(owned, link, what, remove)


def _tie(
    program: AttachableProgram,
    event: Fd,
    hook: str,
    place: str,
    *,
    program_type: ProgramType,
    cookie: int,
    mode: Mode,
) -> Fd | None:
    def failed(error: OSError) -> Exception:
        return refused(program, hook, place, error, program_type=program_type, reasons=_REASONS)

    if mode not in ("ioctl", "tracefs"):
        try:
            link = links.link_create_perf_event(
                prog_fd=program.fd, event_fd=event.number, attach_type=AttachType.PERF_EVENT, cookie=cookie
            )
            return Fd(link, f"the link of {on(program, hook, place)}")
        except OSError as error:
            if mode == "link" or supports(Feature.PERF_LINK):
                raise failed(error) from error
    if cookie:
        raise without_cookie(program, hook, Feature.BPF_COOKIE.since)
    try:
        perf.set_bpf(event.number, program.fd)
    except OSError as error:
        raise failed(error) from error
    return None
