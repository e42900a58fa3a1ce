"""Kinds of programs that a kernel may be too old for or be built without: what stands behind an EINVAL without a word.

Rules: asked only when the kernel has refused a program or a link, and not if the verifier has looked at the program,
because then the kernel knows its kind. A kernel into which a distribution brought such a type although it is older
does not refuse it, and so is never asked.
"""

from collections.abc import Mapping
from typing import Final

from purebpf.errors import BpfError, NotSupported
from purebpf.host.version import running_version
from purebpf.plan.target import encode_version
from purebpf.uapi import AttachType, ProgramType

_ONE_BY_ONE: Final = "use a program for each function"
_FPROBE: Final = "CONFIG_FPROBE"
_TABLE: Final[Mapping[int, tuple[str, str, str | None, str]]] = {
    AttachType.TRACE_KPROBE_MULTI: ("one program at many functions (kprobe.multi)", "5.18", _FPROBE, "use kprobes"),
    AttachType.TRACE_KPROBE_SESSION: (
        "one program at entry and return of functions (kprobe.session)", "6.10", _FPROBE,
        "use a kprobe and a kretprobe",
    ),
    AttachType.TRACE_UPROBE_MULTI: (
        "one program at many functions of a file (uprobe.multi)", "6.6", "CONFIG_UPROBES", "use uprobes"
    ),
    AttachType.TRACE_UPROBE_SESSION: (
        "one program at entry and return of a file's functions (uprobe.session)", "6.13", "CONFIG_UPROBES",
        "use a uprobe and a uretprobe",
    ),
    AttachType.TRACE_FSESSION: (
        "one program at entry and return of a kernel function (fsession)", "7.0", None, "use fentry and fexit"
    ),
    AttachType.TRACE_FENTRY_MULTI: ("one program at many functions by fentry.multi", "7.2", None, _ONE_BY_ONE),
    AttachType.TRACE_FEXIT_MULTI: ("one program at many functions by fexit.multi", "7.2", None, _ONE_BY_ONE),
    AttachType.TRACE_FSESSION_MULTI: ("one program at many functions by fsession.multi", "7.2", None, _ONE_BY_ONE),
    AttachType.LSM_CGROUP: (
        "LSM programs of a cgroup (lsm_cgroup)", "6.0", "CONFIG_BPF_LSM and CONFIG_CGROUP_BPF",
        "use an lsm program, and ask for the cgroup in it",
    ),
    **dict.fromkeys(
        (
            AttachType.CGROUP_UNIX_CONNECT, AttachType.CGROUP_UNIX_SENDMSG, AttachType.CGROUP_UNIX_RECVMSG,
            AttachType.CGROUP_UNIX_GETPEERNAME, AttachType.CGROUP_UNIX_GETSOCKNAME,
        ),
        ("programs at the Unix sockets of a cgroup", "6.7", "CONFIG_CGROUP_BPF", ""),
    ),
}  # fmt: skip
"""What the type is for, the first kernel that has it, the option that it needs, what to do without."""

_PROGRAMS: Final[Mapping[int, tuple[str, str, str | None]]] = {
    ProgramType.LIRC_MODE2: ("programs at infrared receivers (lirc_mode2)", "4.18", "CONFIG_BPF_LIRC_MODE2"),
    ProgramType.TRACING: ("programs at kernel functions by type (tp_btf, fentry, fexit, iter)", "5.5", None),
    ProgramType.STRUCT_OPS: ("struct_ops programs", "5.6", None),
    ProgramType.EXT: ("programs that replace functions (freplace)", "5.6", None),
    ProgramType.LSM: ("LSM programs", "5.7", "CONFIG_BPF_LSM"),
    ProgramType.SK_LOOKUP: ("sk_lookup programs", "5.9", None),
    ProgramType.SYSCALL: ("syscall programs", "5.14", None),
    ProgramType.NETFILTER: ("netfilter programs", "6.4", "CONFIG_NETFILTER_BPF_LINK"),
}
"""What the program type is for, the first kernel that has it, the option that it needs."""


def unknown_kind(program_type: ProgramType, attach_type: int | None, program: str) -> NotSupported | None:
    """The error of a program of which the kernel does not know the kind; None for one that it may know.

    The attach type of a struct_ops program is none, but the number of a member.
    """
    old = None if program_type == ProgramType.STRUCT_OPS else too_new(attach_type, program)
    found = _PROGRAMS.get(program_type)
    if old is not None or found is None:
        return old
    what, since, config = found
    if running_version() >= encode_version(since) and not (config and _is_left_out(config)):
        return None
    return NotSupported(what, since=since, config=config, evidence=[f"program '{program}' is one"])


def _is_left_out(option: str) -> bool:
    """Whether the kernel is known to be built without an option."""
    # Loaded here because few refusals need it.
    from purebpf.host.kconfig import running_kconfig

    try:
        return running_kconfig().value(option) is None
    except BpfError:
        return False


def too_new(attach_type: int | None, program: str) -> NotSupported | None:
    """The error of an attach type that this kernel is too old for; None for one that it may know."""
    found = _TABLE.get(attach_type or 0)
    if found is None or running_version() >= encode_version(found[1]):
        return None
    return lacking(attach_type or 0, program)


def lacking(attach_type: int, program: str) -> NotSupported:
    """The error of one of these attach types, of a kernel without it."""
    what, since, config, remedy = _TABLE[attach_type]
    return NotSupported(what, since=since, config=config, evidence=[f"program '{program}' is one"], remedy=remedy)
