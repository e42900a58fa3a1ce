"""Say hello from the kernel: a program on the write() tracepoint prints a line for each write of this process.

The program compares with the global variable `my_pid`, which is set before it is loaded. Run as root:

    python examples/minimal.py
"""

import os
import sys
from itertools import islice
from pathlib import Path

import purebpf

OBJECT = Path(__file__).resolve().parents[1] / "bpf" / "built" / "minimal.bpf.o"
WRITES = 3


def main() -> int:
    """Write a few times and show what the program printed about it."""
    with purebpf.attached(OBJECT, values={"my_pid": os.getpid()}), open(os.devnull, "wb", buffering=0) as nowhere:
        for _ in range(WRITES):
            nowhere.write(b"hello")
        # No line may be printed while lines are read: that is a write too, and would never end.
        lines = list(islice(purebpf.trace_pipe(pid=os.getpid(), timeout=5), WRITES))
    for line in lines:
        print(f"{line.task}: {line.text}")
    return 0 if len(lines) == WRITES else 1


if __name__ == "__main__":
    sys.exit(main())
