"""Attach types that a kernel may be too old for: what stands behind an EINVAL without a word.

Rules: asked only when the kernel has refused a program or a link. A kernel into which a distribution brought such a
type although it is older does not refuse it, and so is never asked.
"""

from collections.abc import Mapping
from typing import Final

from purebpf.errors import NotSupported
from purebpf.host.version import running_version
from purebpf.plan.target import encode_version
from purebpf.uapi import AttachType

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
}  # fmt: skip
"""What the type is for, the first kernel that has it, the option that it needs, what to do without."""


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
