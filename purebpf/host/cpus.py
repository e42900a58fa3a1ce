"""The CPUs of the machine, as the kernel lists them.

Per-CPU maps have one value for each *possible* CPU: one that may be plugged in while the kernel runs, more than
are online and more than this process may use, so `os.cpu_count()` is the wrong number for them.
"""

from __future__ import annotations

from purebpf.errors import KernelError
from purebpf.standard import remembered

_MOST_CPUS = 1 << 16
"""Far above what any kernel can be built for (NR_CPUS is at most 8192); a bound for damaged text."""


def parse_cpu_list(text: str) -> tuple[int, ...]:
    """CPU numbers of a list as in sysfs ('0-3,5'), ascending; ValueError for anything else."""
    cpus: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise ValueError(f"not a list of CPUs: {text[:80]!r}")
        low, high = int(first), int(last or first)
        if not low <= high < _MOST_CPUS:
            raise ValueError(f"not a list of CPUs: {text[:80]!r}")
        cpus.update(range(low, high + 1))
    if not cpus:
        raise ValueError("an empty list of CPUs")
    return tuple(sorted(cpus))


@remembered
def possible_cpus() -> tuple[int, ...]:
    """Every CPU that may ever run while this kernel does; fixed when it boots."""
    return _read("possible")


def online_cpus() -> tuple[int, ...]:
    """The CPUs that run now; may change at any time."""
    return _read("online")


def _read(which: str) -> tuple[int, ...]:
    path = f"/sys/devices/system/cpu/{which}"
    try:
        with open(path, encoding="utf-8") as file:
            return parse_cpu_list(file.read(1 << 16))
    except OSError as error:
        remedy = "mount -t sysfs none /sys"
        raise KernelError("read the list of CPUs", path, error.errno or 0, remedy=remedy) from error
