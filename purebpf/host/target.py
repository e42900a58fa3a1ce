"""The running kernel as a `Target`."""

from __future__ import annotations

import os
import sys

from purebpf.btf import Btf
from purebpf.host.cpus import possible_cpus
from purebpf.host.features import supports
from purebpf.host.version import running_version
from purebpf.plan.target import RUNNING, ModuleTypes, ProgramTypes, Target
from purebpf.standard import remembered
from purebpf.syscall.native import btf_scan, find, map_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from purebpf.host.kallsyms import Kallsyms
    from purebpf.plan.kconfig import ConfigText
    from purebpf.units import HasFd

VMLINUX_BTF = "/sys/kernel/btf/vmlinux"


@remembered
def running_target() -> Target:
    """The running kernel; cheap, as its features are probed and its BTF is read when they are asked for."""
    return Target(
        name=RUNNING,
        release=os.uname().release,
        kernel_version=running_version(),
        byteorder=sys.byteorder,
        page_size=os.sysconf("SC_PAGE_SIZE"),
        possible_cpus=len(possible_cpus()),
        features=supports,
        read_btf=_read_btf,
        read_modules=_read_modules,
        read_kconfig=_read_kconfig,
        read_symbols=_read_symbols,
        program_types=_program_types,
    )


@remembered
def _read_btf() -> Btf | None:
    """The kernel's types: 5 MB, which since 6.16 can be mapped and need not be copied."""
    try:
        with open(VMLINUX_BTF, "rb", buffering=0) as file:
            data = _mapped(file.fileno()) or file.read()
    except FileNotFoundError:
        return _find_btf()
    return Btf.parse(data, name=VMLINUX_BTF, scan=btf_scan, find=find, whole_names=True)


def _mapped(fd: int) -> memoryview | None:
    """The file's memory, for the life of the process as the types are; None on kernels that cannot map it."""
    try:
        return map_file(fd, os.fstat(fd).st_size)
    except OSError:
        return None


def _find_btf() -> Btf | None:
    """The types of a kernel that does not give them itself, where distributions put its image; None without any."""
    from purebpf.host.btf_files import installed_btf

    return installed_btf(os.uname().release)


def _read_kconfig() -> ConfigText:
    from purebpf.host.kconfig import running_kconfig

    return running_kconfig()


def _read_symbols() -> Kallsyms:
    from purebpf.host.kallsyms import read_kallsyms

    return read_kallsyms()


def _program_types(program: HasFd | int) -> ProgramTypes:
    from purebpf.host.programs import program_types

    return program_types(program)


def _read_modules() -> tuple[ModuleTypes, ...]:
    from purebpf.host.modules import modules

    base = _read_btf()
    return modules(base) if base is not None else ()
