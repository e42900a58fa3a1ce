"""Functions, entry programs and what their instructions refer to.

Rules, as libbpf has them:

- every FUNC symbol in an executable section is a function; their order is that of the sections, then of the
  code, and it is the order in which programs are loaded;
- functions in `.text` are subprograms, a single one as well (libbpf 1.1 took that for a program);
- a static function outside `.text` is an error: it could be neither entered nor called;
- what a relocation means is read from the instruction it stands at and the symbol it names; the ELF relocation
  type is not asked, because compilers of different ages write different ones;
- a relocation in no function is ignored (dead code of a dropped function).
"""

from __future__ import annotations

from struct import Struct

from purebpf.btf import BtfExt, InfoSection
from purebpf.elf import (
    SHN_COMMON,
    SHN_UNDEF,
    ElfFile,
    Relocation,
    Section,
    Symbol,
    SymbolBinding,
    SymbolType,
    SymbolVisibility,
)
from purebpf.errors import SpecError
from purebpf.frozen import Frozen, replace
from purebpf.spec.model import (
    CoreAccess,
    ExternCall,
    ExternValue,
    FunctionSpec,
    MapAddress,
    MapOrigin,
    MapValue,
    ObjectSpec,
    ProgramSpec,
    Reference,
    SubprogramAddress,
    SubprogramCall,
    UnknownReference,
)
from purebpf.spec.sections import match_section
from purebpf.uapi import ProgramType
from purebpf.units import ByteOrder, InsnIndex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, Final

    from purebpf.spec.jumptables import JumpTables

TEXT: Final = ".text"
INSN_SIZE: Final = 8
_LDIMM64: Final = 0x18
_CALL: Final = 0x85
_PSEUDO_CALL: Final = 1


# On Python 3.11 a member looked up on its enum class costs 0.5 us; these are looked up in loops.
_FUNC: Final = SymbolType.FUNC
_LOCAL: Final = SymbolBinding.LOCAL
_WEAK: Final = SymbolBinding.WEAK
_HIDDEN: Final = (SymbolVisibility.HIDDEN, SymbolVisibility.INTERNAL)


class MapPlaces(Frozen):
    """Where maps lie in the file, to find the one a symbol means.

    `declared` maps (section, offset) of a map definition to its name, `data` a data section to its map. `tables` are
    the jump tables, which become maps as well.
    """

    declared: Mapping[tuple[int, int], str]
    data: Mapping[int, str]
    declaring_sections: frozenset[int]
    tables: JumpTables | None


class _Extent(Frozen):
    """A function's place: `count` instructions from `start` of section `section`.

    `name` is the symbol's, unless static functions of several linked files share it: the later ones then have a
    number behind it, for names are what functions are referred to by.
    """

    section: int
    start: int
    count: int
    symbol: Symbol
    name: str


class FunctionIndex:
    """The functions of a file by place; built once, asked for every relocation."""

    def __init__(self, elf: ElfFile) -> None:
        self._elf = elf
        extents = _named_apart(sorted(_extents(elf), key=lambda extent: (extent.section, extent.start)))
        self.extents: Final = tuple(extents)
        self._by_section: dict[int, list[_Extent]] = {}
        for extent in extents:
            self._by_section.setdefault(extent.section, []).append(extent)
        self._starts = {index: [extent.start for extent in found] for index, found in self._by_section.items()}
        self._count_up_to: Any = _count_of_one
        if len(extents) > len(self._by_section):
            from bisect import bisect_right

            self._count_up_to = bisect_right
        self.text: Final = next((s.index for s in elf.sections if s.name == TEXT and s.executable), None)

    def at(self, section: int, insn: int) -> _Extent | None:
        """The function that holds instruction `insn` of section `section`."""
        starts = self._starts.get(section)
        if starts is None:
            return None
        position = self._count_up_to(starts, insn) - 1
        if position < 0:
            return None
        extent = self._by_section[section][position]
        return extent if insn < extent.start + extent.count else None

    def is_subprogram(self, extent: _Extent) -> bool:
        """Whether a function is only ever called, never loaded by itself."""
        return extent.section == self.text


def _count_of_one(starts: list[int], at: int) -> int:
    """`bisect_right` where each section holds one function, as in most files, which spares a load that module."""
    return starts[0] <= at


def _extents(elf: ElfFile) -> Iterator[_Extent]:
    for symbol in elf.symbols:
        if symbol.type != _FUNC or not 0 < symbol.section < len(elf.sections):
            continue
        section = elf.sections[symbol.section]
        if not section.executable:
            continue
        end = symbol.value + symbol.size
        fault = ""
        if symbol.size == 0 or end > section.size:
            fault = f"of {symbol.size} bytes reaches outside its section"
        elif symbol.value % INSN_SIZE or symbol.size % INSN_SIZE:
            fault = "is not made of whole instructions"
        elif symbol.binding == _LOCAL and section.name != TEXT:
            fault = f"is static but not in {TEXT}: make it global, or drop its SEC()"
        if fault:
            raise SpecError(
                f"function '{symbol.name}' {fault}", file=elf.name, section=section.name, offset=symbol.value
            )
        yield _Extent(section.index, symbol.value // INSN_SIZE, symbol.size // INSN_SIZE, symbol, symbol.name)


def _named_apart(extents: list[_Extent]) -> list[_Extent]:
    """Static functions whose name is taken get one of their own; global ones keep theirs."""
    if len({extent.name for extent in extents}) == len(extents):
        return extents
    taken = {extent.name for extent in extents if extent.symbol.binding != _LOCAL}
    apart = []
    for extent in extents:
        if extent.symbol.binding == _LOCAL:
            name, number = extent.name, 2
            while name in taken:
                name, number = f"{extent.name}.{number}", number + 1
            taken.add(name)
            extent = replace(extent, name=name)
        apart.append(extent)
    return apart


def describe_functions(
    elf: ElfFile, index: FunctionIndex, places: MapPlaces, ext: BtfExt | None
) -> dict[str, FunctionSpec]:
    """Every function with its code, its references and its records of .BTF.ext."""
    references: dict[tuple[int, int], list[Reference]] = {}
    first_core_records = _first_core_records(ext)
    for section in _code_sections(elf, index):
        for extent, reference in _section_references(elf, section, index, places):
            references.setdefault((extent.section, extent.start), []).append(reference)
        for extent, access in _core_accesses(section, index, ext, first_core_records):
            references.setdefault((extent.section, extent.start), []).append(access)

    functions: dict[str, FunctionSpec] = {}
    func_info = _Records(ext.func_info if ext is not None else {}, elf.byteorder)
    line_info = _Records(ext.line_info if ext is not None else {}, elf.byteorder)
    for extent in index.extents:
        section, symbol = elf.sections[extent.section], extent.symbol
        if extent.name in functions:
            raise SpecError(f"function '{symbol.name}' is defined twice", file=elf.name, section=section.name)
        start = extent.start * INSN_SIZE
        found = references.get((extent.section, extent.start), [])
        found.sort(key=lambda reference: reference.insn)
        functions[extent.name] = FunctionSpec(
            name=extent.name,
            section=section.name,
            section_insn=InsnIndex(extent.start),
            code=section.data[start : start + symbol.size],
            is_global=symbol.binding != _LOCAL,
            references=tuple(found),
            func_info=func_info.of(section.name, start, symbol.size),
            line_info=line_info.of(section.name, start, symbol.size),
            hidden=symbol.visibility in _HIDDEN,
            weak=symbol.binding == _WEAK,
        )
    return functions


def describe_programs(elf: ElfFile, index: FunctionIndex) -> dict[str, ProgramSpec]:
    """The entry programs, in the order in which they are loaded."""
    programs: dict[str, ProgramSpec] = {}
    for extent in index.extents:
        if index.is_subprogram(extent):
            continue
        name = extent.name
        section = elf.sections[extent.section].name
        found = match_section(section.removeprefix("?"))
        definition, argument = found if found is not None else (None, "")
        programs[name] = ProgramSpec(
            name=name,
            section=section,
            type=definition.program_type if definition is not None else ProgramType.UNSPEC,
            expected_attach_type=definition.attach_type if definition is not None else None,
            attach_to=argument,
            flags=definition.program_flags if definition is not None else 0,
            autoload=not section.startswith("?"),
            definition=definition,
        )
    return programs


def _code_sections(elf: ElfFile, index: FunctionIndex) -> Iterator[Section]:
    seen = -1
    for extent in index.extents:
        if extent.section != seen:
            seen = extent.section
            yield elf.sections[seen]


def _section_references(
    elf: ElfFile, section: Section, index: FunctionIndex, places: MapPlaces
) -> Iterator[tuple[_Extent, Reference]]:
    relocated = set()
    for relocation in elf.relocations.get(section.index, ()):
        if relocation.offset % INSN_SIZE or relocation.offset + INSN_SIZE > len(section.data):
            raise SpecError(
                "relocation does not stand at an instruction",
                file=elf.name,
                section=section.name,
                offset=relocation.offset,
            )
        insn = relocation.offset // INSN_SIZE
        relocated.add(insn)
        extent = index.at(section.index, insn)
        if extent is None:
            continue
        local = InsnIndex(insn - extent.start)
        if section.data[relocation.offset] == _LDIMM64 and local + 1 == extent.count:
            reason = "the instruction is cut off by the end of its function"
            yield extent, UnknownReference(local, elf.symbols[relocation.symbol].name, reason)
        else:
            yield extent, _reference(elf, section, relocation, extent, index, places)
    yield from _direct_calls(elf, section, index, relocated)


def _reference(
    elf: ElfFile,
    section: Section,
    relocation: Relocation,
    holder: _Extent,
    index: FunctionIndex,
    places: MapPlaces,
) -> Reference:
    insn = InsnIndex(relocation.offset // INSN_SIZE - holder.start)
    symbol = elf.symbols[relocation.symbol]
    code, offset = section.data, relocation.offset
    opcode = code[offset]
    if opcode not in (_LDIMM64, _CALL):
        return UnknownReference(insn, symbol.name, f"relocation at an instruction {opcode:#04x} that holds no address")
    immediate = int.from_bytes(code[offset + 4 : offset + 8], elf.byteorder, signed=True)
    if symbol.section == SHN_UNDEF and symbol.binding != _LOCAL:
        return ExternCall(insn, symbol.name) if opcode == _CALL else ExternValue(insn, symbol.name)
    if opcode == _CALL:
        # The immediate counts instructions from the symbol: -1 for a global function, the distance from the
        # start of the section for a static one.
        return _call(elf, section, insn, index, symbol.section, symbol.value // INSN_SIZE + immediate + 1, symbol.name)
    if places.tables is not None and symbol.section == places.tables.section:
        return places.tables.reference(insn, symbol, immediate, holder.start, holder.count)
    return _address(elf, insn, index, places, symbol, immediate)


def _address(
    elf: ElfFile, insn: InsnIndex, index: FunctionIndex, places: MapPlaces, symbol: Symbol, immediate: int
) -> Reference:
    if symbol.section in places.declaring_sections:
        name = places.declared.get((symbol.section, symbol.value))
        if name is None:
            return UnknownReference(insn, symbol.name, "no map is declared there")
        return MapAddress(insn, name)
    if symbol.section in places.data:
        # Of a global variable the symbol has the offset, of a static one the immediate (the symbol is the
        # section's): the sum is right for both.
        return MapValue(insn, places.data[symbol.section], symbol.value + immediate, symbol.name)
    byte_offset = symbol.value + immediate
    extent = index.at(symbol.section, byte_offset // INSN_SIZE)
    if extent is not None and byte_offset == extent.start * INSN_SIZE and index.is_subprogram(extent):
        return SubprogramAddress(insn, extent.name)
    if symbol.section == SHN_COMMON:
        reason = "it is a common symbol, which has no place yet: compile with -fno-common, or give the variable a value"
        return UnknownReference(insn, symbol.name, reason)
    if not 0 < symbol.section < len(elf.sections):
        return UnknownReference(insn, symbol.name, "the symbol lies in no section")
    where = elf.sections[symbol.section].name
    return UnknownReference(insn, symbol.name or where, f"section '{where}' holds neither maps, data nor subprograms")


def _direct_calls(
    elf: ElfFile, section: Section, index: FunctionIndex, relocated: set[int]
) -> Iterator[tuple[_Extent, Reference]]:
    """Calls inside one section, for which the compiler leaves no relocation."""
    code = section.data
    # Two nibbles share the byte behind the opcode, in an order that depends on the byte order.
    source_shift = 4 if elf.byteorder == "little" else 0
    opcodes = code[::INSN_SIZE]
    insn = opcodes.find(_CALL)
    while insn >= 0:
        source = code[insn * INSN_SIZE + 1] >> source_shift & 0xF
        if source == _PSEUDO_CALL and insn not in relocated:
            extent = index.at(section.index, insn)
            if extent is not None:
                offset = insn * INSN_SIZE + 4
                distance = int.from_bytes(code[offset : offset + 4], elf.byteorder, signed=True)
                local = InsnIndex(insn - extent.start)
                yield extent, _call(elf, section, local, index, section.index, insn + distance + 1, "")
        insn = opcodes.find(_CALL, insn + 1)


def _call(
    elf: ElfFile, section: Section, insn: InsnIndex, index: FunctionIndex, target: int, target_insn: int, name: str
) -> Reference:
    extent = index.at(target, target_insn)
    if extent is None or extent.start != target_insn:
        reason = f"no function begins at instruction {target_insn} of the section it calls into"
        return UnknownReference(insn, name, reason)
    if not index.is_subprogram(extent):
        return UnknownReference(
            insn, extent.name, f"only functions in {TEXT} can be called (drop the SEC() of the called one)"
        )
    return SubprogramCall(insn, extent.name)


def _core_accesses(
    section: Section, index: FunctionIndex, ext: BtfExt | None, first: Mapping[str, int]
) -> Iterator[tuple[_Extent, CoreAccess]]:
    records = ext.core.get(section.name, ()) if ext is not None else ()
    for number, record in enumerate(records, first.get(section.name, 0)):
        insn = record.insn_offset // INSN_SIZE
        extent = index.at(section.index, insn)
        if extent is not None:
            yield extent, CoreAccess(InsnIndex(insn - extent.start), record, number)


def _first_core_records(ext: BtfExt | None) -> dict[str, int]:
    """How many records stand in the file before those of each section: their order matters, and is not that of the
    sections.
    """
    first, count = {}, 0
    for name, records in ext.core.items() if ext is not None else ():
        first[name] = count
        count += len(records)
    return first


class _Records:
    """The func or line records of all sections, found by place; offsets are unpacked once a section.

    The kernel demands ascending offsets, and so does the search: records of a section in another order are sorted.
    """

    def __init__(self, sections: Mapping[str, InfoSection], byteorder: ByteOrder) -> None:
        self._sections = dict(sections)
        self._order = "<" if byteorder == "little" else ">"
        self._offsets: dict[str, list[int]] = {}

    def of(self, section: str, start: int, size: int) -> bytes:
        """The records for `size` bytes of code from `start`: one run, as compilers write them in order."""
        info = self._sections.get(section)
        if info is None:
            return b""
        width = info.record_size
        offsets = self._offsets.get(section)
        if offsets is None:
            unpack = Struct(f"{self._order}I{width - 4}x").iter_unpack
            offsets = [offset for (offset,) in unpack(info.records)]
            ascending = sorted(offsets)
            if ascending != offsets:
                order = sorted(range(len(offsets)), key=offsets.__getitem__)
                records = b"".join([info.records[at * width : (at + 1) * width] for at in order])
                info = self._sections[section] = InfoSection(width, records)
            self._offsets[section] = offsets = ascending
        if offsets and start <= offsets[0] and offsets[-1] < start + size:
            return info.records
        from bisect import bisect_left

        first = bisect_left(offsets, start)
        last = bisect_left(offsets, start + size, lo=first)
        return info.records[first * width : last * width]


def programs_to_load(spec: ObjectSpec) -> tuple[str, ...]:
    """The programs that a load takes: those with autoload on, struct_ops programs as the maps that use them say."""
    follows: dict[str, bool] = {}
    for map_spec in spec.maps.values():
        if map_spec.origin is MapOrigin.STRUCT_OPS:
            for _, program in map_spec.slots:
                follows[program] = follows.get(program, False) or map_spec.autocreate
    if not follows:
        return tuple([program.name for program in spec.programs.values() if program.autoload])
    wanted = (
        follows[name] if name in follows and program.type == ProgramType.STRUCT_OPS else program.autoload
        for name, program in spec.programs.items()
    )
    return tuple([name for name, loaded in zip(spec.programs, wanted, strict=True) if loaded])
