"""The BTF of kernel modules: which have any, what it says, and a file descriptor of it.

A module's types stand in /sys/kernel/btf/NAME for everybody to read, split, with the kernel's own as their base. The
fd that a program load needs to name one is given by id alone, and so only to CAP_SYS_ADMIN. Rules: the order of the
modules is that of their ids (that of libbpf), alphabetic for who may not see ids; a module's bytes are read when
somebody asks for them, and remembered as long as the module is there.
"""

import errno
import os
from collections.abc import Iterator
from functools import cache, partial
from typing import TYPE_CHECKING, Final

from purebpf.errors import KernelError
from purebpf.host import kernel_error
from purebpf.plan.target import ModuleTypes
from purebpf.syscall import objects
from purebpf.syscall.fd import Fd

if TYPE_CHECKING:
    from purebpf.btf import Btf

BTF_FOLDER: Final = "/sys/kernel/btf"
_VMLINUX: Final = "vmlinux"


_known: dict[tuple[str, int], ModuleTypes] = {}


def modules(base: "Btf") -> tuple[ModuleTypes, ...]:
    """The types of every loaded module, unread; `base` are the kernel's own. () before Linux 5.11, which has none."""
    listed = _listed()
    gone = _known.keys() - set(listed)
    for key in gone:
        del _known[key]
    for name, number in listed:
        if (name, number) not in _known:
            _known[name, number] = ModuleTypes(name, cache(partial(_read, name, base)))
    return tuple(_known[key] for key in listed)


def _listed() -> list[tuple[str, int]]:
    """(name, a number that no later module of that name has) of each module that has BTF."""
    try:
        entries = {entry.name: entry.inode() for entry in os.scandir(BTF_FOLDER) if entry.name != _VMLINUX}
    except FileNotFoundError:
        return []
    except OSError as error:
        raise kernel_error("list the types of kernel modules", BTF_FOLDER, error) from error
    if not entries:
        return []
    by_id = []
    try:
        for name, fd in _kernel_btfs():
            fd.close()
            by_id.append(name)
    except PermissionError:
        by_id = sorted(entries)
    return [(name, entries[name]) for name in by_id if name in entries]


def open_module(name: str) -> Fd:
    """A new fd of a module's BTF, for a program that names something in it; needs CAP_SYS_ADMIN."""
    try:
        for found, fd in _kernel_btfs():
            if found == name:
                return fd
            fd.close()
    except OSError as error:
        raise kernel_error("open the types of kernel module", name, error) from error
    raise KernelError(
        "open the types of kernel module", name, errno.ENOENT, reason="it is not loaded any more, or has no BTF"
    )


def _kernel_btfs() -> Iterator[tuple[str, Fd]]:
    """(name, fd) of each module's BTF, in the order of the ids; whoever takes the fd closes it."""
    for btf_id in objects.ids("btf"):
        try:
            fd = Fd(objects.btf_fd_by_id(btf_id), f"BTF {btf_id}")
        except FileNotFoundError:
            continue  # gone since its id was given
        try:
            info, name, _ = objects.btf_info(fd.number)
        except OSError:
            fd.close()
            raise
        if info.kernel_btf and name != _VMLINUX:
            yield name, fd
        else:
            fd.close()


def _read(name: str, base: "Btf") -> "Btf":
    from purebpf.btf import Btf
    from purebpf.syscall.native import btf_scan

    path = f"{BTF_FOLDER}/{name}"
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise kernel_error("read the types of kernel module", name, error) from error
    return Btf.parse(data, base=base, name=path, scan=btf_scan)
