"""Facts of the running kernel and of this machine."""

from __future__ import annotations

import errno

from purebpf.errors import KernelError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from purebpf.host.target import running_target
    from purebpf.uapi import ProgramType

__all__ = ["kernel_error", "running_target"]


def kernel_error(
    operation: str,
    subject: str,
    error: OSError,
    *,
    program_type: ProgramType | None = None,
    reason: str = "",
    remedy: str = "",
) -> KernelError:
    """The error for a refused call: `NotPermitted` with evidence for EPERM and EACCES, else `KernelError`."""
    code = error.errno or 0
    if code not in (errno.EPERM, errno.EACCES):
        return KernelError(operation, subject, code, reason=reason, remedy=remedy)
    # Imported here because every load imports this package, and hardly one is refused.
    from purebpf.host.permissions import not_permitted

    return not_permitted(operation, subject, code, program_type, reason, remedy)


def __getattr__(name: str) -> object:
    if name != "running_target":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from purebpf.host.target import running_target

    globals()[name] = running_target
    return running_target
