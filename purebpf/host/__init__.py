"""Facts of the running kernel and of this machine."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from purebpf.host.target import running_target

__all__ = ["running_target"]


def __getattr__(name: str) -> object:
    if name != "running_target":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from purebpf.host.target import running_target

    globals()[name] = running_target
    return running_target
