"""The running kernel as a `Target`."""

import mmap
import os
import sys
from functools import cache
from typing import TYPE_CHECKING

from purebpf.host.cpus import possible_cpus
from purebpf.host.features import supports
from purebpf.host.version import running_version
from purebpf.plan.target import ModuleTypes, ProgramTypes, Target

if TYPE_CHECKING:
    from purebpf.btf import Btf
    from purebpf.host.kallsyms import Kallsyms
    from purebpf.plan.kconfig import ConfigText
    from purebpf.units import HasFd

_VMLINUX_BTF = "/sys/kernel/btf/vmlinux"


@cache
def running_target() -> Target:
    """The running kernel; cheap, as its features are probed and its BTF is read when they are asked for."""
    return Target(
        name="the running kernel",
        release=os.uname().release,
        kernel_version=running_version(),
        byteorder=sys.byteorder,
        page_size=mmap.PAGESIZE,
        possible_cpus=len(possible_cpus()),
        features=supports,
        read_btf=_read_btf,
        read_modules=_read_modules,
        read_kconfig=_read_kconfig,
        read_symbols=_read_symbols,
        program_types=_program_types,
    )


@cache
def _read_btf() -> "Btf | None":
    from purebpf.btf import Btf
    from purebpf.syscall.native import btf_scan

    try:
        with open(_VMLINUX_BTF, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return None
    return Btf.parse(data, name=_VMLINUX_BTF, scan=btf_scan)


def _read_kconfig() -> "ConfigText":
    from purebpf.host.kconfig import running_kconfig

    return running_kconfig()


def _read_symbols() -> "Kallsyms":
    from purebpf.host.kallsyms import read_kallsyms

    return read_kallsyms()


def _program_types(program: "HasFd | int") -> "ProgramTypes":
    from purebpf.host.programs import program_types

    return program_types(program)


def _read_modules() -> "tuple[ModuleTypes, ...]":
    from purebpf.host.modules import modules

    base = _read_btf()
    return modules(base) if base is not None else ()
