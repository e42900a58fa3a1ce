"""The running kernel as a `Target`."""

import mmap
import os
import sys
from functools import cache
from typing import TYPE_CHECKING

from purebpf.host.cpus import possible_cpus
from purebpf.host.features import supports
from purebpf.host.version import running_version
from purebpf.plan.target import Target

if TYPE_CHECKING:
    from purebpf.btf import Btf

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
    )


@cache
def _read_btf() -> "Btf | None":
    from purebpf.btf import Btf

    try:
        with open(_VMLINUX_BTF, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return None
    return Btf.parse(data, name=_VMLINUX_BTF)
