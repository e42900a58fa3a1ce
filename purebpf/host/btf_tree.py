"""Trees of BTF files, one a kernel, in the layout of btfhub's archive.

Rules: the layout is <distribution>/<version>/<machine>/<release>.btf; a file is raw BTF, an ELF image with a section
.BTF, or either in a .tar.xz. The name tells the release; the folders above it only make a label. Nothing is read before
it is asked for; an archive is unpacked in memory, raw BTF is read, an ELF image mapped: one with debug information has
hundreds of megabytes.
"""

from __future__ import annotations

import mmap
import os
import stat

from purebpf.elf import read_bounded
from purebpf.errors import BtfError
from purebpf.frozen import Frozen
from purebpf.plan.btf_file import read_btf_file
from purebpf.syscall.native import btf_scan, find

TYPE_CHECKING = False
if TYPE_CHECKING:
    import tarfile
    from collections.abc import Iterable, Iterator
    from typing import Final

    from purebpf.btf import Btf

    Path = str | os.PathLike[str]

PACKED: Final = ".tar.xz"
_SUFFIXES: Final = (".btf", ".btf.tar.xz")
_KERNELS_OWN: Final = "/sys/kernel/btf/"
_LARGEST: Final = 1 << 30
_ELF: Final = b"\x7fELF"
# The architecture's name in btfhub's archive, where it is not the kernel's.
_MACHINES: Final = {"aarch64": "arm64"}


class KernelFile(Frozen):
    """The BTF file of one kernel; `label` tells it from the others, `release` is its `uname -r`."""

    path: str
    label: str
    release: str


def kernel_files(paths: Iterable[Path]) -> Iterator[KernelFile]:
    """Each file of `paths`, and of folders each BTF file in them, sorted; OSError for one that is not there."""
    for given in paths:
        root = os.fspath(given)
        if not os.path.isdir(root):
            # A missing one is told here and not by a worker later.
            os.stat(root)
            yield KernelFile(root, root, release_of(root))
            continue
        for folder, subfolders, names in os.walk(root, onerror=_raise):
            subfolders.sort()
            for name in sorted(names):
                if name.endswith(_SUFFIXES):
                    path = os.path.join(folder, name)
                    where = os.path.relpath(folder, root)
                    label = stem_of(name) if where == "." else f"{where}/{stem_of(name)}"
                    yield KernelFile(path, label, release_of(name))


def _raise(error: OSError) -> None:
    raise error


def stem_of(path: str) -> str:
    """The file's name without what tells its form."""
    return os.path.basename(path).removesuffix(PACKED).removesuffix(".btf")


def release_of(path: str) -> str:
    """'5.4.0-91-generic' of '.../5.4.0-91-generic.btf.tar.xz', "" for a name that is no release."""
    name = stem_of(path)
    for prefix in ("vmlinux-", "btf-"):
        name = name.removeprefix(prefix)
    return name if name[:1].isdigit() else ""


def archive_folders(machine: str, distribution: str, version: str) -> tuple[str, ...]:
    """Where in such a tree the files of a kernel are, the nearest first; '.' for a folder without subfolders."""
    machine = _MACHINES.get(machine, machine)
    parts = (f"{distribution}/{version}/{machine}", f"{distribution}/{machine}", machine, ".")
    return tuple(part for part in parts if "//" not in part and not part.startswith("/"))


def read_kernel_file(path: str, *, base: Btf | None = None, alone: bool = False, pipes: bool = False) -> Btf:
    """The types in a file; `BtfError` if there are none, also for an archive that is damaged or holds no such file.

    `base` and `alone` are for a module, as in `read_btf_file`. With `pipes` it need not be a regular file, and the
    caller waits for as long as its writer takes.
    """
    if path.endswith(PACKED):
        return read_btf_file(unpacked(path), base=base, name=path, scan=btf_scan, find=find)
    # Unbuffered: through a buffer the 5 MB are copied twice more.
    with open(path, "rb", buffering=0, opener=None if pipes else _regular) as file:
        status = os.fstat(file.fileno())
        if status.st_size > _LARGEST:
            raise BtfError(f"more than {_LARGEST >> 20} MiB are no kernel's BTF", file=path)
        if stat.S_ISREG(status.st_mode) and os.pread(file.fileno(), len(_ELF), 0) == _ELF:
            private = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
            with private as memory, memoryview(memory) as view:
                return read_btf_file(view, base=base, name=path, scan=btf_scan, find=find, alone=alone)
        data, own = read_bounded(file, path), path.startswith(_KERNELS_OWN)
        return read_btf_file(data, base=base, name=path, scan=btf_scan, find=find, alone=alone, whole_names=own)


def _regular(path: str, flags: int) -> int:
    """Open a file; `BtfError` for a pipe or device, which might keep the reader waiting for good."""
    fd = os.open(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise BtfError("it is no regular file", file=path)
    return fd


def unpacked(path: str) -> bytes:
    """The only BTF file in a .tar.xz."""
    # Importing it takes 5 ms, and few trees are packed.
    import tarfile

    try:
        with tarfile.open(path, "r:xz") as archive:
            for member in archive:
                if member.isfile() and (member.name.endswith(".btf") or "vmlinux" in member.name):
                    return _contents(archive, member, path)
    except (tarfile.TarError, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise BtfError(f"the archive is damaged: {error}", file=path) from error
    except Exception as error:
        # lzma's own error is a plain Exception, and importing lzma to name it costs those who have no archives.
        if type(error).__name__ != "LZMAError":
            raise
        raise BtfError(f"the archive is damaged: {error}", file=path) from error
    raise BtfError("the archive holds no .btf file", file=path)


def _contents(archive: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> bytes:
    if member.size > _LARGEST:
        raise BtfError(f"the archive holds a file of {member.size} bytes, which is no kernel's BTF", file=path)
    file = archive.extractfile(member)
    assert file is not None
    with file:
        return file.read()
