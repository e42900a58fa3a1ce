"""The oracles: libbpf as Debian ships it and as the kernel's source has it, each linked into the harness.

`record.so`, which notes the system calls, is preloaded into the harness and into purebpf alike.
"""

import fcntl
import hashlib
from pathlib import Path

from tools.corpus.packages import run, source_tree
from tools.corpus.selftests import PARTS
from tools.dev.paths import cache_dir

DEBIAN = "1.1"
NEWER = "1.5"
VERSIONS = {DEBIAN: "", NEWER: "6.12"}
"""libbpf's version -> the series of the kernel's source that has it; empty for libbpf-dev."""

_HARNESS = Path(__file__).parent / "harness"
_WARNINGS = ("-O1", "-Wall", "-Wextra", "-Werror")


def recorder() -> Path:
    """The library to preload."""
    source = _HARNESS / "record.c"
    return _built("record", source, "so", ["gcc", *_WARNINGS, "-shared", "-fPIC", str(source), "-ldl"])


def harness(version: str) -> Path:
    """The harness with libbpf of a version in it."""
    series = VERSIONS[version]
    source = _HARNESS / "load.c"
    if series:
        folder = library(series)
        flags = [f"-I{folder / 'include'}", str(source), str(folder / "libbpf.a")]
    else:
        flags = [str(source), "-Wl,-Bstatic", "-lbpf", "-Wl,-Bdynamic"]
    return _built(f"load-{version}", source, "bin", ["gcc", *_WARNINGS, *flags, "-lelf", "-lz"])


def library(series: str) -> Path:
    """libbpf.a and its headers from the kernel's source."""
    source = source_tree(series, PARTS)
    folder = cache_dir("corpus", "libbpf", series)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "libbpf.a").exists():
            variables = [f"O={folder}/", "NO_PKG_CONFIG=1", f"DESTDIR={folder}", "prefix="]
            run(
                [
                    "nice",
                    "make",
                    "-s",
                    "-j2",
                    "-C",
                    "tools/lib/bpf",
                    *variables,
                    "install_headers",
                    f"{folder}/libbpf.a",
                ],
                source,
            )
    return folder


def _built(name: str, source: Path, kind: str, command: list[str]) -> Path:
    target = cache_dir("corpus", "bin") / f"{name}.{hashlib.sha256(source.read_bytes()).hexdigest()[:12]}.{kind}"
    if not target.exists():
        partial = target.with_suffix(".partial")
        run([*command, "-o", str(partial)], source.parent)
        partial.replace(target)
    return target
