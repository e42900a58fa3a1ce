"""Facts of the running kernel and of this machine."""

from purebpf.host.target import running_target

__all__ = ["running_target"]
