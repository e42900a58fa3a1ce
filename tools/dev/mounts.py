"""The file systems that tracing and pinning need, mounted where the machine has not done it.

A system booted by systemd has them; containers and bare machines have not. Only root can, and only these two places
are touched; what was mounted is said, and stays mounted.
"""

import os
import subprocess
import sys
from pathlib import Path

_PLACES = {"tracefs": "/sys/kernel/tracing", "bpf": "/sys/fs/bpf"}


def mount_missing() -> None:
    """Mount what is missing, as root; without the privilege leave it to the program to say what it lacks."""
    if os.geteuid() != 0:
        return
    kinds = {line.split()[2] for line in Path("/proc/self/mounts").read_text().splitlines()}
    for kind, place in _PLACES.items():
        if kind in kinds or not Path(place).is_dir():
            continue
        done = subprocess.run(["mount", "-t", kind, "none", place], capture_output=True, text=True, check=False)
        said = f"dev: mounted {kind} at {place}" if done.returncode == 0 else f"dev: {done.stderr.strip()}"
        print(said, file=sys.stderr, flush=True)
