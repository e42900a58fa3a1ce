"""The types of a kernel from a file: raw BTF, or an ELF image (vmlinux, a .ko) with a section `.BTF`.

Rules: of an ELF file, of either class, only the section headers are read and the one section, for a vmlinux with debug
information has hundreds of megabytes. A module's types continue those of the kernel that it was built for, its base.
A module built apart from its kernel brings what it needs of its base along (`.BTF.base`), and is fitted to the base at
hand as a kernel does it. Modules may be packed, as distributions install them (.ko.xz, .ko.gz).
"""

from __future__ import annotations

import re
import struct

from purebpf.btf import Btf
from purebpf.errors import BtfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike

    from purebpf.btf.kinds import Scan
    from purebpf.btf.reader import FindIn
    from purebpf.units import ByteOrder

    Source = str | PathLike[str] | bytes | bytearray | memoryview

_ELF_MAGIC = b"\x7fELF"
_BTF_MAGICS = (b"\x9f\xeb", b"\xeb\x9f")
# Offsets in the header (shoff, shentsize), and of sh_offset in a section header, by class.
_CLASSES = {1: (32, "I", 46, 40), 2: (40, "Q", 58, 64)}
_HEADER = 24
_MOST_SECTIONS = 1 << 20
_MODULE = re.compile(r"\.ko(\.debug)?(\.\w+)?$")


def read_btf_file(
    source: Source,
    *,
    base: Btf | None = None,
    name: str | None = None,
    scan: Scan | None = None,
    find: FindIn | None = None,
    alone: bool = False,
    whole_names: bool = False,
) -> Btf:
    """The types in `source`, a path or the bytes; `BtfError` if there are none or they are damaged.

    A module is refused without its kernel's types; with `alone`, one that has a base of its own is read with that.
    `scan`, `find` and `whole_names` are as in `Btf.parse`, but the bytes are always copied.
    """
    data, label = contents(source)
    label = name if name is not None else label
    if data[:4] != _ELF_MAGIC and data[:2] not in _BTF_MAGICS:
        from purebpf.plan.packed import unpacked

        data = unpacked(data, label)
    if data[:4] != _ELF_MAGIC:
        if data[:2] not in _BTF_MAGICS:
            # Enough for the complaint: the file may have gigabytes.
            data = bytes(data[:_HEADER])
        return Btf.parse(bytes(data), base=base, name=label, scan=scan, find=find, whole_names=whole_names)
    types, distilled = _sections_of_elf(data, label)
    if base is None and _MODULE.search(label) and not (alone and distilled):
        raise BtfError(
            "the types of a module continue its kernel's, which must be given too (Target.from_btf(KERNEL, "
            "modules=[...]), or --base KERNEL)",
            file=label,
        )
    if distilled is not None:
        from purebpf.btf.distill import read_distilled

        return read_distilled(types, distilled, base=base, name=label, scan=scan)
    return Btf.parse(bytes(types), base=base, name=label, scan=scan, find=find)


def contents(source: Source) -> tuple[memoryview | bytes, str]:
    """The bytes of `source` and what to call it."""
    if isinstance(source, bytes | bytearray | memoryview):
        return memoryview(source) if isinstance(source, bytearray) else source, "<bytes>"
    from purebpf.elf import read_bounded

    with open(source, "rb") as file:
        return read_bounded(file, str(source)), str(source)


def byteorder_of(data: memoryview | bytes) -> ByteOrder:
    """The byte order of raw BTF or of an ELF image; 'little' for what is neither."""
    if data[:4] == _ELF_MAGIC:
        return "big" if data[5:6] == b"\2" else "little"
    return "big" if data[:2] == b"\xeb\x9f" else "little"


def _sections_of_elf(data: memoryview | bytes, name: str) -> tuple[bytes, bytes | None]:
    """The sections `.BTF` and, where there is one, `.BTF.base`."""
    try:
        found = dict(_sections(data, (".BTF", ".BTF.base")))
    except (struct.error, IndexError, KeyError, OverflowError, ValueError):
        raise BtfError("the file is damaged: its ELF section headers cannot be read", file=name) from None
    if ".BTF" not in found:
        raise BtfError(
            "the ELF file has no section .BTF: a kernel built with CONFIG_DEBUG_INFO_BTF has one (in the uncompressed "
            "vmlinux, not in the boot image), and an object compiled with -g",
            file=name,
        )
    return found[".BTF"], found.get(".BTF.base")


def _sections(data: memoryview | bytes, wanted: tuple[str, ...]) -> list[tuple[str, bytes]]:
    """(name, contents) of the sections `wanted`."""
    shoff_at, word, counts_at, entry_size = _CLASSES[data[4]]
    order = "<" if data[5] == 1 else ">"
    (start,) = struct.unpack_from(order + word, data, shoff_at)
    size, count, names_index = struct.unpack_from(order + "HHH", data, counts_at)
    if size < entry_size:
        raise ValueError
    header = struct.Struct(f"{order}II{word}{word}{word}{word}II")
    if start and not count:
        # More sections than 16 bits can say: the first header's size tells.
        count = header.unpack_from(data, start)[5]
    if count > _MOST_SECTIONS:
        raise ValueError
    headers = [header.unpack_from(data, start + index * size) for index in range(count)]
    if names_index == 0xFFFF and headers:
        names_index = headers[0][6]
    if names_index >= len(headers):
        return []
    names_at, names_size = headers[names_index][4:6]
    names = bytes(data[names_at : names_at + names_size])
    found = []
    for name_at, _, _, _, offset, length, *_ in headers:
        for name in wanted:
            if names.startswith(name.encode() + b"\0", name_at):
                if offset + length > len(data):
                    raise ValueError
                found.append((name, bytes(data[offset : offset + length])))
    return found
