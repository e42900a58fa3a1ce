"""struct_ops: a table of programs in the place of a kernel subsystem's own functions (TCP congestion control, ...).

Rules: the kernel takes the map's value only once; how it is registered stands in the map's flags. Without
BPF_F_LINK the value registers the table at once, and deleting the element takes it out, as the end of this process
does not. With it a link does (6.4), which may be given another map of the same type later.
"""

import errno
import os
from typing import Final, Protocol

from purebpf.errors import KernelError
from purebpf.host import kernel_error
from purebpf.live.link.base import Link, LinkInfo
from purebpf.syscall import calls, links
from purebpf.syscall.fd import Fd
from purebpf.uapi import AttachType, ProgramType

_KEY: Final = bytes(4)
_REASONS: Final = {
    errno.EEXIST: "one of that name is registered already",
    errno.EBUSY: "it is registered already, or was before",
    # ENOTSUPP, the kernel's own, which user space has no name for.
    524: "the kernel does not take this combination of members",
}


class StructOpsTable(Protocol):
    """What registering needs of a struct_ops map."""

    value: bytes

    @property
    def name(self) -> str:
        """The map's name, for messages."""

    @property
    def by_link(self) -> bool:
        """Whether a link registers it."""

    def fileno(self) -> int:
        """The map's fd."""


class Registration(Link):
    """A table that is registered without a link: closing this deletes it, or else it stays for good."""

    def info(self) -> LinkInfo:
        """Nothing but that it is no link."""
        return LinkInfo(None, 0, 0)

    def detach(self) -> None:
        """As `close`: the kernel has no other way."""
        self.close()

    def _release(self) -> None:
        try:
            calls.map_delete(self.fd, _KEY)
        except OSError as error:
            # ENOENT: someone else took it out of use.
            if error.errno != errno.ENOENT:
                raise kernel_error("unregister", self.what, error, program_type=ProgramType.STRUCT_OPS) from error
        finally:
            self._fd.close()


class StructOpsLink(Link):
    """A table that is registered by a link."""

    def update(self, table: StructOpsTable) -> None:
        """Put another table of the same type in the place of this one, in one step."""
        _hand_over(table)
        try:
            links.link_update(link_fd=self.fd, new_fd=table.fileno())
        except OSError as error:
            raise _refused("update the link to", table, error) from error


def attach_struct_ops(table: StructOpsTable) -> StructOpsLink | Registration:
    """Register `table`; the kernel calls its programs until the result is closed."""
    what = f"struct_ops map '{table.name}'"
    _hand_over(table)
    if not table.by_link:
        return Registration(Fd(os.dup(table.fileno()), f"the registration of {what}"), what)
    try:
        fd = links.link_create(prog_fd=table.fileno(), attach_type=AttachType.STRUCT_OPS)
    except OSError as error:
        raise _refused("attach", table, error) from error
    return StructOpsLink(Fd(fd, f"the link of {what}"), what)


def _hand_over(table: StructOpsTable) -> None:
    """Give the kernel the value; that of a map for links is given once, whichever link came first."""
    try:
        calls.map_update(table.fileno(), _KEY, table.value)
    except OSError as error:
        if not (table.by_link and error.errno == errno.EBUSY):
            raise _refused("register", table, error) from error


def _refused(verb: str, table: StructOpsTable, error: OSError) -> KernelError:
    reason = _REASONS.get(error.errno or 0, "")
    return kernel_error(f"{verb} struct_ops map", table.name, error, program_type=ProgramType.STRUCT_OPS, reason=reason)
