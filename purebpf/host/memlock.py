"""RLIMIT_MEMLOCK, against which kernels before 5.11 counted the memory of maps and programs.

Such a kernel says EPERM when the limit is reached, 64 KiB for most processes: less than many a map. libbpf raises the
limit before its first request, after trying whether the kernel counts otherwise; here it is raised when a request was
refused, so that newer kernels are asked nothing and their processes keep the limit they had.
"""

from __future__ import annotations

from purebpf.host.version import running_version
from purebpf.plan.target import encode_version

# Distributions that carried the accounting by cgroup back to older versions lose nothing by a higher limit.
_ACCOUNTED_BY_CGROUP = encode_version("5.11")


def raise_limit(kernel_version: int | None = None) -> bool:
    """Take the limit away, or as far up as this process may; True if a refused request is worth another try."""
    version = running_version() if kernel_version is None else kernel_version
    if not version or version >= _ACCOUNTED_BY_CGROUP:
        return False
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if soft == resource.RLIM_INFINITY:
        return False
    for limits in ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), (hard, hard)):
        try:
            resource.setrlimit(resource.RLIMIT_MEMLOCK, limits)
        except (ValueError, OSError):
            continue  # Only CAP_SYS_RESOURCE may go beyond the hard limit.
        return limits[0] != soft
    return False
