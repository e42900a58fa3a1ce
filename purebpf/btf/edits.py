"""What a loader must correct in the BTF of an object before the kernel takes it, as patches of bytes.

Compilers leave the sizes of data sections and the offsets of global variables to the linker: in an object file
they are 0 and the ELF symbols know them. And hidden functions and variables, an ELF matter, are to be static for
the kernel. Rules: a record keeps its place, its length and its name, so the new `Btf` shares the index of the old.
"""

import struct
from collections.abc import Mapping

from purebpf.btf.kinds import VLEN_MASK
from purebpf.btf.reader import Btf
from purebpf.btf.types import DataSection, Function, Kind, Variable

_WORD = {"little": struct.Struct("<I"), "big": struct.Struct(">I")}
_THREE_WORDS = {"little": struct.Struct("<III"), "big": struct.Struct(">III")}

_KINDS = {DataSection: Kind.DATASEC, Function: Kind.FUNC, Variable: Kind.VAR}

Editable = DataSection | Function | Variable


def with_types(btf: Btf, changed: Mapping[int, Editable]) -> Btf:
    """`btf` with some of its own types replaced by ones that differ in numbers only.

    A data section may change its size and the order, offsets and sizes of its variables, but not how many there
    are; a function or variable its linkage. ValueError for a number that does not fit its 32 bits.
    """
    edits: list[tuple[int, bytes]] = []
    word = _WORD[btf.byteorder].pack
    for type_id, new in changed.items():
        at = btf.offset_of(type_id)
        if btf.kind(type_id) != _KINDS[type(new)]:
            raise ValueError(f"type {type_id} is no {_KINDS[type(new)].name}: '{new.name}' cannot stand in its place")
        try:
            match new:
                case DataSection(size=size, variables=variables):
                    (info,) = _WORD[btf.byteorder].unpack_from(btf.raw, at + 4)
                    if len(variables) != info & VLEN_MASK:
                        raise ValueError(f"data section '{new.name}' cannot change how many variables it has")
                    pack = _THREE_WORDS[btf.byteorder].pack
                    edits.append((at + 8, word(size)))
                    edits.append((at + 12, b"".join([pack(v.type, v.offset, v.size) for v in variables])))
                case Function(linkage=linkage):
                    edits.append((at + 4, word(Kind.FUNC << 24 | linkage)))
                case Variable(linkage=linkage):
                    edits.append((at + 12, word(linkage)))
        except struct.error:
            raise ValueError(f"a number of {type(new).__name__} '{new.name}' does not fit 32 bits") from None
    return btf.with_edits(edits, changed) if edits else btf
