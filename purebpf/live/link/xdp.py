"""XDP: a program that sees every packet of a network interface before the kernel's own network code."""

import errno
import socket
from typing import Literal

from purebpf.errors import AttachTargetError, NotSupported
from purebpf.host.version import running_version
from purebpf.live.link.base import AttachableProgram, Link, on, refused
from purebpf.near import did_you_mean
from purebpf.plan.target import encode_version
from purebpf.syscall import links
from purebpf.syscall.fd import Fd
from purebpf.uapi import AttachType, ProgramType

_HOOK = "XDP of interface"
_LINK_SINCE = "5.9"
_FLAGS = {"": 0, "skb": 1 << 1, "drv": 1 << 2, "hw": 1 << 3}
_REASONS = {
    errno.EBUSY: "another program is on the interface",
    errno.EEXIST: "another program is on the interface, in another mode",
    errno.EOPNOTSUPP: "the interface's driver has no XDP in this mode",
}
_REMEDIES = {
    errno.EBUSY: "`ip link show` names the other program, `ip link set dev ... xdp off` takes it off if it has no link",
    errno.EOPNOTSUPP: "mode='skb' works with every driver",
}

XdpMode = Literal["", "skb", "drv", "hw"]


def attach_xdp(program: AttachableProgram, interface: str | int, *, mode: str = "") -> Link:
    """Run `program` on each packet that `interface` (a name or an index) receives.

    `mode` is 'drv' (in the driver), 'skb' (generic, after the kernel allocated the packet), 'hw' (on the card), or
    '' for the kernel's choice: the driver if it can, else generic. Needs Linux 5.9, where links of XDP came.
    """
    if mode not in _FLAGS:
        raise ValueError(f"mode is one of {', '.join(map(repr, _FLAGS))}, not {mode!r}")
    index = interface_index(interface)
    place = str(interface)
    try:
        fd = links.link_create(prog_fd=program.fd, target_fd=index, attach_type=AttachType.XDP, flags=_FLAGS[mode])
    except OSError as error:
        raise _explained(program, place, index, error) from error
    what = on(program, _HOOK, place)
    return Link(Fd(fd, f"the link of {what}"), what)


def interface_index(interface: str | int) -> int:
    """Index of a network interface of this network namespace; an unknown name is an error with near ones."""
    if isinstance(interface, int):
        return interface
    try:
        return socket.if_nametoindex(interface)
    except OSError as error:
        names = [name for _, name in socket.if_nameindex()]
        raise AttachTargetError(
            f"there is no network interface '{interface}'",
            evidence=did_you_mean(interface, names) or [f"there are {', '.join(names)}"],
        ) from error


def _explained(program: AttachableProgram, place: str, index: int, error: OSError) -> Exception:
    if error.errno in (errno.ENODEV, errno.EINVAL) and index not in {number for number, _ in socket.if_nameindex()}:
        return AttachTargetError(f"there is no network interface with index {index}")
    # EINVAL is also what a kernel with such links says of a bad request: only the version tells the two apart.
    if error.errno == errno.EINVAL and running_version() < encode_version(_LINK_SINCE):
        return NotSupported("links to XDP", since=_LINK_SINCE)
    return refused(
        program,
        _HOOK,
        place,
        error,
        program_type=ProgramType.XDP,
        reasons=_REASONS,
        remedy=_REMEDIES.get(error.errno or 0, ""),
    )
