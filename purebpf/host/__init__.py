"""Facts of the running kernel and of this machine."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from purebpf.errors import KernelError
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
    """`purebpf.host.permissions.kernel_error`, which knows what stands in the way; only a refusal imports it."""
    from purebpf.host import permissions

    return permissions.kernel_error(operation, subject, error, program_type=program_type, reason=reason, remedy=remedy)


def __getattr__(name: str) -> object:
    if name != "running_target":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from purebpf.host.target import running_target

    globals()[name] = running_target
    return running_target
