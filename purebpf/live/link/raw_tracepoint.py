"""Raw tracepoints: the arguments as the kernel's own code passes them, with no event record made first."""

import errno

from purebpf.errors import AttachTargetError
from purebpf.host.kallsyms import read_kallsyms
from purebpf.live.link.base import AttachableProgram, Link, on, refused, without_cookie
from purebpf.near import did_you_mean
from purebpf.syscall import links
from purebpf.syscall.fd import Fd
from purebpf.uapi import ProgramType

_HOOK = "raw tracepoint"
_COOKIE_SINCE = "6.10"


def attach_raw_tracepoint(program: AttachableProgram, name: str, *, cookie: int = 0) -> Link:
    """Run `program` whenever any task passes tracepoint `name` (without its category: 'sched_switch').

    `cookie` needs Linux 6.10.
    """
    try:
        fd = links.raw_tracepoint_open(prog_fd=program.fd, name=name, cookie=cookie)
    except OSError as error:
        if error.errno == errno.ENOENT:
            names = read_kallsyms().tracepoints()
            raise AttachTargetError(
                f"the kernel has no raw tracepoint '{name}'", evidence=did_you_mean(name, names)
            ) from error
        if cookie and error.errno in (errno.EINVAL, errno.E2BIG):
            raise without_cookie(program, _HOOK, _COOKIE_SINCE) from error
        raise refused(program, _HOOK, name, error, program_type=ProgramType.RAW_TRACEPOINT) from error
    return Link(Fd(fd, f"the link of {on(program, _HOOK, name)}"), on(program, _HOOK, name))
