"""What a process holds of the kernel: open fds, and on a kernel of one's own also pins, probes and BPF objects."""

import gc
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_ID = re.compile(r"^((?:prog|map|link|btf)_id):\s*(\d+)", re.MULTILINE)
_PROBES = ("kprobe_events", "uprobe_events")


@dataclass(frozen=True, slots=True)
class Leftovers:
    """A snapshot; `later.since(earlier)` says in words what was added."""

    held: frozenset[str]

    @classmethod
    def now(cls, *, whole_kernel: bool) -> Self:
        """Take a snapshot; `whole_kernel` adds what other processes on a shared machine would disturb."""
        held = set(_descriptors())
        if whole_kernel:
            held |= _pins() | _probes()
        return cls(frozenset(held))

    def since(self, earlier: Self) -> list[str]:
        """Give a line for each thing held now and not then.

        What only a reference cycle holds gets one chance to be collected: the garbage collector's timing is no
        leak, and the ResourceWarning of an unclosed object fails the test anyway.
        """
        added = self.held - earlier.held
        if added:
            gc.collect()
            added &= frozenset(_descriptors()) | {thing for thing in added if not thing.startswith("fd ")}
        return sorted(added)


def _descriptors() -> list[str]:
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
            info = Path(f"/proc/self/fdinfo/{name}").read_text()
        except FileNotFoundError:
            continue  # the fd of the listing itself
        ids = ", ".join(f"{kind} {number}" for kind, number in _ID.findall(info))
        found.append(f"fd {name}: {target}" + (f" ({ids})" if ids else ""))
    return found


def _pins() -> set[str]:
    return {f"pin {path}" for path in Path("/sys/fs/bpf").rglob("*")}


def _probes() -> set[str]:
    tracing = Path("/sys/kernel/tracing")
    lines = {name: (tracing / name).read_text().splitlines() for name in _PROBES if (tracing / name).exists()}
    return {f"{name}: {line}" for name, found in lines.items() for line in found}
