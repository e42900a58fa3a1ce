"""Where the types of a kernel are found in files, for kernels that do not give them themselves and for CO-RE.

Rules: a path is a file (raw BTF, or an ELF image with a section .BTF, or either in a .tar.xz) or a folder, in which
names made of the kernel's release are tried, also in the layout of btfhub's archive (`btf_tree`); of several the first
that is there counts. The variable PUREBPF_BTF names such paths for a process, with colons between. What was read is
remembered as long as the file is the same.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

from purebpf.errors import PlanError
from purebpf.host.btf_tree import PACKED, archive_folders, read_kernel_file

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
_VARIABLE: Final = "PUREBPF_BTF"
_OS_RELEASE: Final = ("/etc/os-release", "/usr/lib/os-release")
_IN_FOLDER: Final = ("{}.btf", "vmlinux-{}.btf", "vmlinux-{}", "{}/vmlinux.btf", "{}/vmlinux", "btf-{}")


def installed_btf(release: str) -> "Btf | None":
    """The types of the kernel of that release, from where distributions put its image; None if it is nowhere."""
    for pattern in _INSTALLED:
        path = pattern.format(release, release)
        if os.path.isfile(path):
            return read_btf(path)
    return None


def environment_btf() -> list[str]:
    """The paths in PUREBPF_BTF, none if it is not set."""
    return [path for path in os.environ.get(_VARIABLE, "").split(os.pathsep) if path]


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
        "none of the files named for the kernel's types (option btf, or PUREBPF_BTF) is there",
        evidence=[f"not there: {path}" for path in dict.fromkeys(tried)] or ["it names none"],
        remedy="give the kernel's types: a .btf file, its vmlinux, or a folder with such files named after its release",
    )


def _candidates(path: str, release: str) -> Iterator[str]:
    if os.path.isdir(path):
        yield from (os.path.join(path, pattern.format(release)) for pattern in _IN_FOLDER)
        for folder in archive_folders(os.uname().machine, *_distribution()):
            yield from (
                os.path.normpath(os.path.join(path, folder, f"{release}.btf{packed}")) for packed in ("", PACKED)
            )
    else:
        yield path


@cache
def _distribution() -> tuple[str, str]:
    """ID and VERSION_ID of os-release(5), such as 'debian' and '12'."""
    found: dict[str, str] = {}
    for path in _OS_RELEASE:
        with suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
            pairs = (line.strip().partition("=") for line in file)
            found = {name: value.strip("\"'") for name, _, value in pairs}
            break
    return found.get("ID", ""), found.get("VERSION_ID", "")


def read_btf(path: str) -> "Btf":
    """The types in a file, remembered while it stays the same; `BtfError` if there are none."""
    status = os.stat(path)
    return _read(path, status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)
def _read(path: str, *identity: int) -> "Btf":
    return read_kernel_file(path)
