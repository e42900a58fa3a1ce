"""bpftool as the kernel's source has it: 7.5 of Linux 6.12, which prints kfuncs; Debian's 7.1 does not."""

import fcntl
import os
from pathlib import Path

from tools.corpus.packages import run, source_tree
from tools.dev.paths import cache_dir

SERIES = "6.12"
_PARTS = (
    "tools/bpf/bpftool/",
    "tools/lib/bpf/",
    "tools/include/",
    "tools/arch/x86/include/",
    "tools/build/",
    "tools/scripts/",
    "scripts/bpf_doc.py",
    "kernel/bpf/disasm",
)


def bpftool() -> Path:
    """The program, built on first use without what needs BPF programs of its own."""
    source = source_tree(SERIES, _PARTS, "bpftool")
    folder = cache_dir("corpus", "bpftool", SERIES)
    target = folder / "bpftool"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            features = ["BUILD_BPF_SKELS=", "feature-clang-bpf-co-re=0", "SKIP_LLVM=1", "NO_PKG_CONFIG=1"]
            make = ["nice", "make", "-s", "-j2", "-C", "tools/bpf/bpftool", f"OUTPUT={folder}{os.sep}", *features]
            run([*make, str(target)], source)
    return target
