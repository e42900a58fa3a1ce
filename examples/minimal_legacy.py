"""As minimal.py, for kernels without global variables (before 5.2): the pid goes through a map.

The map stands in a `maps` section, as objects were written before BTF. Such a map has sizes and no types, so its
values are bytes. Run as root:

    python examples/minimal_legacy.py
"""

import os
import struct
import sys
from itertools import islice
from pathlib import Path

import purebpf

OBJECT = Path(__file__).resolve().parents[1] / "bpf" / "built" / "minimal_legacy.bpf.o"
PID = struct.Struct("=I")
WRITES = 3


def tell_pid(loaded: purebpf.BpfObject) -> None:
    """Put this process' pid where the program looks for it."""
    loaded.maps["my_pid_map"][0] = PID.pack(os.getpid())


def main() -> int:
    """Write a few times and show what the program printed about it."""
    with (
        purebpf.attached(OBJECT, before_attach=tell_pid) as minimal,
        open(os.devnull, "wb", buffering=0) as nowhere,
    ):
        for _ in range(WRITES):
            nowhere.write(b"hello")
        lines = list(islice(purebpf.trace_pipe(pid=os.getpid(), timeout=5), WRITES))
        (pid,) = PID.unpack(minimal.object.maps["my_pid_map"][0])
    print(f"the map says {pid}, this is process {os.getpid()}")
    for line in lines:
        print(f"{line.task}: {line.text}")
    return 0 if len(lines) == WRITES else 1


if __name__ == "__main__":
    sys.exit(main())
