"""Where the types of a kernel are found in files, for kernels that do not give them themselves and for CO-RE.

Rules: a path is a file (raw BTF, or an ELF image with a section .BTF) or a folder, in which names made of the kernel's
release are tried; of several the first that is there counts. What was read is remembered as long as the file is the
same. Images are mapped, not read: with debug information they have hundreds of megabytes.
"""

import mmap
import os
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from purebpf.errors import PlanError
from purebpf.plan.btf_file import read_btf_file
from purebpf.syscall.native import btf_scan

if TYPE_CHECKING:
    from purebpf.btf import Btf

    Path = str | os.PathLike[str]

# Where distributions put the image of a kernel, with {} for its release; libbpf looks there too.
_INSTALLED: Final = (
    "/boot/vmlinux-{}",
    "/lib/modules/{}/vmlinux-{}",
    "/lib/modules/{}/build/vmlinux",
    "/usr/lib/modules/{}/kernel/vmlinux",
    "/usr/lib/debug/boot/vmlinux-{}",
    "/usr/lib/debug/boot/vmlinux-{}.debug",
    "/usr/lib/debug/lib/modules/{}/vmlinux",
)
_IN_FOLDER: Final = ("{}.btf", "vmlinux-{}.btf", "vmlinux-{}", "{}/vmlinux.btf", "{}/vmlinux", "btf-{}")


def installed_btf(release: str) -> "Btf | None":
    """The types of the kernel of that release, from where distributions put its image; None if it is nowhere."""
    for pattern in _INSTALLED:
        path = pattern.format(release, release)
        if os.path.isfile(path):
            return read_btf(path)
    return None


def find_btf(paths: "Path | Iterable[Path]", release: str) -> "Btf":
    """The types in the first of `paths` (files, or folders with files named after `release`) that is there."""
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    tried = []
    for path in given:
        for candidate in _candidates(os.fspath(path), release):
            if os.path.isfile(candidate):
                return read_btf(candidate)
            tried.append(candidate)
    raise PlanError(
        "none of the files that the option btf names is there",
        evidence=[f"not there: {path}" for path in tried] or ["it names none"],
        remedy="give the kernel's types: a .btf file, its vmlinux, or a folder with such files named after its release",
    )


def _candidates(path: str, release: str) -> Iterator[str]:
    if os.path.isdir(path):
        yield from (os.path.join(path, pattern.format(release)) for pattern in _IN_FOLDER)
    else:
        yield path


def read_btf(path: str) -> "Btf":
    """The types in a file, remembered while it stays the same; `BtfError` if there are none."""
    status = os.stat(path)
    return _read(path, status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)
def _read(path: str, *identity: int) -> "Btf":
    with open(path, "rb") as file:
        if not identity[-1]:
            return read_btf_file(b"", name=path)
        with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as memory, memoryview(memory) as view:
            return read_btf_file(view, name=path, scan=btf_scan)
