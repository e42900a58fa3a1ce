"""The types of several kernels, to adapt one object to all of them: the running one, and those that the VM tests boot.

A VM's kernel is unpacked from its image into the cache; one that was never fetched is not fetched for this.
"""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

from purebpf.elf import read_elf
from purebpf.errors import ElfError
from tests.oracle.corpus import cache_folder
from tools.dev.paths import cache_dir
from tools.vm.kernels import SERIES

RUNNING = Path("/sys/kernel/btf/vmlinux")
_PACKED = {b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zXZ\0": "xz", b"\x02\x21\x4c\x18": "lz4", b"\x1f\x8b\x08": "gzip"}


@cache
def kernels() -> dict[str, Path]:
    """A BTF file of each kernel that is at hand, by 'running' or its series."""
    found = {"running": RUNNING} if RUNNING.exists() else {}
    for series in SERIES:
        images = sorted(cache_dir("kernels", series).glob("tree/boot/vmlinuz-*"))
        if images:
            found[series] = _types_of(images[-1])
    return found


def _types_of(image: Path) -> Path:
    target = cache_folder() / f"{image.name.removeprefix('vmlinuz-')}.btf"
    if not target.exists():
        partial = target.with_suffix(".partial")
        partial.write_bytes(_unpack(image.read_bytes()))
        partial.replace(target)
    return target


def _unpack(image: bytes) -> bytes:
    """The .BTF section of the kernel that stands, packed, somewhere in a bzImage."""
    for start in re.finditer(b"|".join(map(re.escape, _PACKED)), image):
        command = [_PACKED[start[0]], "-dc"]
        # Other bytes follow the packed kernel, so the unpacker fails, after it has written everything.
        unpacked = subprocess.run(command, input=image[start.start() :], capture_output=True).stdout
        if unpacked.startswith(b"\x7fELF"):
            try:
                section = read_elf(unpacked, machines=None).section(".BTF")
            except ElfError:
                continue
            if section is not None:
                return bytes(section.data)
    raise AssertionError("the image holds no kernel with types")
