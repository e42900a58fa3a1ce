"""Hooks of the security modules: a program that may refuse what the kernel is about to allow.

The program's return value decides: 0 goes on to the next module, a negative errno refuses. It runs for every process
of the machine from the moment it is attached.
"""

import errno

from purebpf.errors import BpfError, NotSupported
from purebpf.live.link.base import Link
from purebpf.live.link.trace import TracingProgram, attach_loaded_target

_LIST = "/sys/kernel/security/lsm"


def attach_lsm(program: TracingProgram, *, cookie: int = 0) -> Link:
    """Run `program` at the hook that it was loaded for; needs 'bpf' among the active security modules.

    `cookie` (Linux 5.18) is what bpf_get_attach_cookie() gives the program.
    """
    try:
        link = attach_loaded_target(program, "its LSM hook", cookie=cookie)
    except BpfError as error:
        if getattr(error, "errno", 0) == errno.EINVAL and not bpf_is_active():
            raise _inactive(program) from error
        raise
    if not bpf_is_active():
        link.close()
        raise _inactive(program)
    return link


def bpf_is_active() -> bool:
    """Whether hooks call BPF programs; where the list of modules cannot be read, it is taken to be so."""
    try:
        with open(_LIST, encoding="ascii") as file:
            return "bpf" in file.read().strip().split(",")
    except OSError:
        return True


def _inactive(program: TracingProgram) -> NotSupported:
    return NotSupported(
        "calling BPF programs at LSM hooks",
        since="5.7",
        config="CONFIG_BPF_LSM",
        evidence=[f"program '{program.name}' would never run: 'bpf' is not among the security modules in {_LIST}"],
        remedy="boot with lsm=...,bpf (the list of that file and bpf behind it)",
    )
