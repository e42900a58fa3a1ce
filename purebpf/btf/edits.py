"""What a loader must correct in the BTF of an object before the kernel takes it, as patches of bytes.

Compilers leave the sizes of data sections and the offsets of global variables to the linker: in an object file
they are 0 and the ELF symbols know them. And hidden functions and variables, an ELF matter, are to be static for
the kernel. And what is declared but not defined (`extern`) is to be defined. Rules: a record keeps its place, its
length and its name, so the new `Btf` shares the index of the old.
"""

from __future__ import annotations

import struct

from purebpf.btf.kinds import VLEN_MASK
from purebpf.btf.types import DataSection, Function, FunctionProto, Kind, Variable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from purebpf.btf.reader import Btf

_WORD = {"little": struct.Struct("<I"), "big": struct.Struct(">I")}
_THREE_WORDS = {"little": struct.Struct("<III"), "big": struct.Struct(">III")}

_KINDS = {
    DataSection: Kind.DATASEC,
    Function: Kind.FUNC,
    FunctionProto: Kind.FUNC_PROTO,
    Variable: Kind.VAR,
}

Editable = DataSection | Function | FunctionProto | Variable


def with_types(btf: Btf, changed: Mapping[int, Editable]) -> Btf:
    """`btf` with some of its own types replaced by ones that differ in numbers only.

    A data section may change its size and the order, offsets and sizes of its variables, but not how many there
    are; a function its linkage, a variable its linkage and type; the parameters of a prototype may get names that
    the strings of `btf` already have. ValueError for a number that does not fit its 32 bits.
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
                case FunctionProto():
                    edits += _parameter_names(btf, type_id, new)
                case Variable(type=type_of_variable, linkage=linkage):
                    edits.append((at + 8, word(type_of_variable)))
                    edits.append((at + 12, word(linkage)))
        except struct.error:
            raise ValueError(f"a number of {type(new).__name__} '{new.name}' does not fit 32 bits") from None
    return btf.with_edits(edits, changed) if edits else btf


def _parameter_names(btf: Btf, type_id: int, new: FunctionProto) -> list[tuple[int, bytes]]:
    old = btf[type_id]
    assert isinstance(old, FunctionProto)
    at, edits = btf.offset_of(type_id) + 12, []
    for index, (before, after) in enumerate(zip(old.parameters, new.parameters, strict=True)):
        if before.name == after.name:
            continue
        known = btf.string_offsets(after.name)
        if not known:
            raise ValueError(f"'{after.name}' is no string of the BTF yet: no parameter can be given that name")
        edits.append((at + 8 * index, _WORD[btf.byteorder].pack(known[0])))
    return edits
