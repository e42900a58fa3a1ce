"""Programs at what BTF names: functions of the kernel, of a module or of another program, and typed tracepoints.

Where such a program goes was said when it was loaded (the verifier knows the arguments' types by it); attaching only
switches it on. The request is BPF_LINK_CREATE (5.18 for these types, with a cookie), on older kernels
BPF_RAW_TRACEPOINT_OPEN without a name; which of the two the kernel knows is seen by its refusal, as libbpf does.
"""

import errno
from typing import TYPE_CHECKING, Protocol

from purebpf.errors import AttachTargetError
from purebpf.host.version import running_version
from purebpf.live.link.base import AttachableProgram, Link, on, refused, without_cookie
from purebpf.plan.target import encode_version
from purebpf.syscall import links
from purebpf.syscall.fd import Fd
from purebpf.uapi import AttachType, ProgramType

if TYPE_CHECKING:
    from purebpf.units import HasFd

_COOKIE_SINCE = "5.18"
_COOKIE_AT_TRACEPOINT = "6.10"
_UNKNOWN_REQUEST = (errno.EINVAL, errno.EOPNOTSUPP)
_REASONS = {
    errno.EBUSY: "another program replaces the function already, or this one has a place already",
    errno.E2BIG: "the function has as many programs as it can take (38)",
    errno.ENOENT: "the module that has the function is gone",
}


class TracingProgram(AttachableProgram, Protocol):
    """A program that was loaded for a target."""

    @property
    def type(self) -> ProgramType:
        """Its program type."""

    @property
    def expected_attach_type(self) -> AttachType | int | None:
        """What it was loaded for; None only for freplace, which has no attach type."""


def attach_trace(program: TracingProgram, *, cookie: int = 0) -> Link:
    """Run `program` (tp_btf, fentry, fexit, fmod_ret, fsession) at the target that it was loaded for.

    `cookie` (Linux 5.18) is what bpf_get_attach_cookie() gives the program.
    """
    return attach_loaded_target(program, "its target in the kernel's types", cookie=cookie)


def attach_loaded_target(program: TracingProgram, hook: str, *, cookie: int = 0) -> Link:
    """A link of a program whose target stands in it; `hook` is the place in words."""
    attach_type = program.expected_attach_type or 0
    if cookie and attach_type == AttachType.TRACE_RAW_TP and running_version() < encode_version(_COOKIE_AT_TRACEPOINT):
        # Older kernels take the request and leave the cookie out: only the version tells.
        raise without_cookie(program, "typed tracepoint", _COOKIE_AT_TRACEPOINT)
    try:
        fd = _switch_on(program, attach_type, cookie)
    except OSError as error:
        if cookie and error.errno in _UNKNOWN_REQUEST:
            raise without_cookie(program, hook, _COOKIE_SINCE) from error
        raise refused(program, hook, "", error, program_type=program.type, reasons=_REASONS) from error
    what = f"program '{program.name}' on {hook}"
    return Link(Fd(fd, f"the link of {what}"), what)


def _switch_on(program: TracingProgram, attach_type: int, cookie: int) -> int:
    try:
        return links.link_create(prog_fd=program.fd, attach_type=attach_type, cookie=cookie)
    except OSError as error:
        if cookie or error.errno not in _UNKNOWN_REQUEST:
            raise
    return links.raw_tracepoint_open(prog_fd=program.fd)


def attach_freplace(
    program: TracingProgram, target: "HasFd | int | None" = None, function: str = "", *, cookie: int = 0
) -> Link:
    """Let `program` stand in for the function that it was loaded for, as long as the link lives.

    With `target` and `function`, it stands in for that function of that program instead, if it has the same
    prototype as the one it was loaded for (Linux 5.10).
    """
    hook = "the function that it replaces"
    if target is None:
        return attach_loaded_target(program, hook, cookie=cookie)
    from purebpf.host.programs import program_types

    found = program_types(target)
    type_id = found.btf.find_one(function, _FUNC) if found.btf is not None else None
    if type_id is None:
        raise AttachTargetError(
            f"the target program '{found.name}' has no function '{function}'",
            evidence=() if found.btf is not None else ("it was loaded without types",),
        )
    fd = target if isinstance(target, int) else target.fileno()
    place = f"{found.name}:{function}"
    try:
        link = links.link_create(prog_fd=program.fd, target_fd=fd, target_btf_id=type_id, attach_type=0, cookie=cookie)
    except OSError as error:
        raise refused(
            program, "function", place, error, program_type=program.type, reasons=_REASONS, remedy=_REMEDY
        ) from error
    what = on(program, "function", place)
    return Link(Fd(link, f"the link of {what}"), what)


_REMEDY = "it must have the prototype of the function that the program was loaded for"
_FUNC = 12
"""BTF_KIND_FUNC; the enum is not worth loading here."""
