"""What a loader must correct in the BTF of an object before the kernel takes it, as patches of bytes.

Compilers leave the sizes of data sections and the offsets of global variables to the linker: in an object file
they are 0 and the ELF symbols know them. Rules: records keep their place and length, so the new `Btf` shares the
index of the old one; nothing that already holds costs a copy.
"""

import struct
from collections.abc import Collection, Mapping

from purebpf.btf.reader import Btf
from purebpf.btf.types import DataSection, Function, Kind, Linkage, SectionVariable, Variable

_WORD = {"little": struct.Struct("<I"), "big": struct.Struct(">I")}


def with_data_sections(btf: Btf, sections: Mapping[str, tuple[int, Mapping[str, int]]]) -> Btf:
    """`btf` with sizes and variable offsets of data sections set: name -> (size, {variable: offset}).

    The variables of a section that is named come out sorted by offset, which the kernel demands; variables that
    are not named keep the offset they have. Data sections that are not named, and names without a data section,
    are left alone.
    """
    edits: list[tuple[int, bytes]] = []
    changed = []
    for type_id in btf.ids_of(Kind.DATASEC):
        section = btf[type_id]
        assert isinstance(section, DataSection)
        if section.name not in sections:
            continue
        size, offsets = sections[section.name]
        placed = [_placed(btf, variable, offsets) for variable in section.variables]
        placed.sort(key=lambda variable: variable.offset)
        if size == section.size and tuple(placed) == section.variables:
            continue
        words = [word for variable in placed for word in (variable.type, variable.offset, variable.size)]
        mark = "<" if btf.byteorder == "little" else ">"
        try:
            packed = struct.pack(f"{mark}{1 + len(words)}I", size, *words)
        except struct.error:
            raise ValueError(f"size or an offset of data section '{section.name}' does not fit 32 bits") from None
        edits.append((btf.offset_of(type_id) + 8, packed))
        changed.append(type_id)
    return btf.with_edits(edits, changed) if changed else btf


def with_static_functions(btf: Btf, names: Collection[str]) -> Btf:
    """`btf` with the functions of those names made static.

    The kernel verifies a global function on its own, for any arguments; one that is hidden in its object (an ELF
    matter, unknown to BTF) is to be verified where it is called.
    """
    edits: list[tuple[int, bytes]] = []
    changed = []
    for name in names:
        for type_id in btf.find(name, Kind.FUNC):
            function = btf[type_id]
            assert isinstance(function, Function)
            if type_id < btf.first_id or function.linkage == Linkage.STATIC:
                continue
            info = _WORD[btf.byteorder].pack(Kind.FUNC << 24 | Linkage.STATIC)
            edits.append((btf.offset_of(type_id) + 4, info))
            changed.append(type_id)
    return btf.with_edits(edits, changed) if changed else btf


def with_static_variables(btf: Btf, names: Collection[str]) -> Btf:
    """`btf` with the variables of those names made static, as a linker sees hidden ones."""
    edits: list[tuple[int, bytes]] = []
    changed = []
    for name in names:
        for type_id in btf.find(name, Kind.VAR):
            variable = btf[type_id]
            assert isinstance(variable, Variable)
            if type_id >= btf.first_id and variable.linkage == Linkage.GLOBAL:
                edits.append((btf.offset_of(type_id) + 12, _WORD[btf.byteorder].pack(Linkage.STATIC)))
                changed.append(type_id)
    return btf.with_edits(edits, changed) if changed else btf


def _placed(btf: Btf, variable: SectionVariable, offsets: Mapping[str, int]) -> SectionVariable:
    offset = offsets.get(btf.name_of(variable.type), variable.offset)
    return variable if offset == variable.offset else SectionVariable(variable.type, offset, variable.size)
