"""Map declarations: BTF-defined ones in `.maps` and the legacy `maps` section of `struct bpf_map_def`.

Rules of `.maps` (each variable is an anonymous struct whose members' *types* carry the values):

- `__uint(key, N)` is a pointer to an array of N, `__ulong(key, N)` a pointer to an enum with the one value N,
  `__type(key, T)` a pointer to T, `__array(values, T)` an array, without a length, of pointers to T;
- sizes may come from `key_size`/`value_size` or from the types of `key`/`value`; both must agree;
- `values` comes last: a struct is the template of the inner map, a function makes room for programs;
  what stands in the slots are relocations of the section;
- an unknown key is an error: a map that silently lacks a property is worse than one that is refused.

Rules of `maps`: all definitions have the same size, five 32-bit fields or more; what goes beyond the five that
this loader knows must be zero.
"""

from __future__ import annotations

from purebpf.btf import (
    Array,
    Btf,
    BtfError,
    DataSection,
    Enum,
    FunctionProto,
    Member,
    Pointer,
    Struct,
    Variable,
    resolve,
    size_of,
)
from purebpf.elf import ElfFile, Section, SymbolType
from purebpf.errors import SpecError
from purebpf.frozen import Frozen, Mutable, field, replace
from purebpf.spec.model import MapOrigin, MapSpec, Pinning
from purebpf.uapi import MapType
from purebpf.units import VOID, TypeId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Final, NoReturn

BTF_SECTION: Final = ".maps"
LEGACY_SECTION: Final = "maps"
_LEGACY_FIELDS: Final = 5
_POINTER_SIZE: Final = 8
_U32_MAX: Final = 0xFFFF_FFFF
_MAPS_OF_MAPS: Final = (MapType.ARRAY_OF_MAPS, MapType.HASH_OF_MAPS)


class DeclaredMap(Frozen):
    """A map and its place; `slots_at` is where its static `values` begin in the section."""

    spec: MapSpec
    section: int
    offset: int
    size: int
    slots_at: int | None = None


def map_type(number: int) -> MapType | int:
    """The MapType of that number, or the number itself: the kernel may know types this library does not."""
    try:
        return MapType(number)
    except ValueError:
        return number


def declared_maps(elf: ElfFile, btf: Btf | None) -> tuple[DeclaredMap, ...]:
    """All maps the file declares, in the order of their definitions."""
    found: list[DeclaredMap] = []
    legacy = elf.section(LEGACY_SECTION)
    if legacy is not None and legacy.size:
        found += _legacy_maps(elf, legacy)
    section = elf.section(BTF_SECTION)
    if section is not None and section.size:
        if btf is None:
            raise SpecError("maps are declared with BTF, but the file has no .BTF (compile with -g)", file=elf.name,
                            section=BTF_SECTION)  # fmt: skip
        found += _btf_maps(elf, section, btf)
    return tuple(found)


def _legacy_maps(elf: ElfFile, section: Section) -> Iterator[DeclaredMap]:
    symbols = sorted(
        (s for s in elf.symbols if s.section == section.index and s.type in (SymbolType.OBJECT, SymbolType.NOTYPE)),
        key=lambda symbol: symbol.value,
    )
    if not symbols or section.size % len(symbols):
        raise SpecError(
            f"{section.size} bytes cannot hold {len(symbols)} map definitions of one size",
            file=elf.name,
            section=section.name,
        )
    size = section.size // len(symbols)
    if size < _LEGACY_FIELDS * 4:
        raise SpecError(f"map definitions of {size} bytes are too short", file=elf.name, section=section.name)
    for symbol in symbols:
        definition = section.data[symbol.value : symbol.value + size]
        known = _LEGACY_FIELDS * 4
        fault = ""
        if symbol.value % size or len(definition) != size:
            fault = "does not stand at a definition's place"
        elif any(definition[known:]):
            fault = "sets fields of bpf_map_def that are not known here"
        if fault:
            raise SpecError(f"map '{symbol.name}' {fault}", file=elf.name, section=section.name, offset=symbol.value)
        fields = [int.from_bytes(definition[at : at + 4], elf.byteorder) for at in range(0, known, 4)]
        yield DeclaredMap(
            MapSpec(
                name=symbol.name,
                type=map_type(fields[0]),
                key_size=fields[1],
                value_size=fields[2],
                max_entries=fields[3],
                flags=fields[4],
                origin=MapOrigin.LEGACY,
                section=section.name,
            ),
            section.index,
            symbol.value,
            size,
        )


def _btf_maps(elf: ElfFile, section: Section, btf: Btf) -> Iterator[DeclaredMap]:
    datasec_id = next((i for i in btf.find(BTF_SECTION) if isinstance(btf[i], DataSection)), None)
    if datasec_id is None:
        raise SpecError("the section has no type information: compile with -g", file=elf.name, section=section.name)
    datasec = btf[datasec_id]
    assert isinstance(datasec, DataSection)
    for entry in datasec.variables:
        variable = btf[entry.type]
        if not isinstance(variable, Variable):
            raise SpecError("its type information names something that is no variable", file=elf.name,
                            section=section.name)  # fmt: skip
        struct = btf[resolve(btf, variable.type)]
        declaration = _Declaration(elf.name, section.name, entry.offset, variable.name, btf)
        if not isinstance(struct, Struct):
            declaration.fail("is no struct of map properties")
        if entry.offset + max(struct.size, entry.size) > section.size:
            declaration.fail("reaches outside its section")
        for member in struct.members:
            declaration.read(member)
        slots_at = None
        if declaration.values_offset is not None:
            slots_at = entry.offset + declaration.values_offset
        yield DeclaredMap(declaration.finish(), section.index, entry.offset, entry.size, slots_at)


class _Declaration(Mutable):
    """One map declaration while it is read, member by member."""

    file: str
    section: str
    offset: int
    name: str
    btf: Btf
    is_inner: bool = False
    numbers: dict[str, int] = field(default_factory=dict)
    key_type: TypeId = VOID
    value_type: TypeId = VOID
    inner: MapSpec | None = None
    values_offset: int | None = None

    def fail(self, reason: str) -> NoReturn:
        raise SpecError(f"map '{self.name}' {reason}", file=self.file, section=self.section, offset=self.offset)

    def read(self, member: Member) -> None:
        if self.values_offset is not None:
            self.fail(f"has '{member.name}' behind 'values', which must come last")
        reader = _READERS.get(member.name)
        if reader is not None:
            reader(self, member)
        elif member.name in _NUMBERS:
            self.set_number(member.name, self.number(member))
        else:
            self.fail(f"has a property '{member.name}' that is not known")

    def number(self, member: Member) -> int:
        """N of `__uint(name, N)` or `__ulong(name, N)`."""
        holder = self.btf[resolve(self.btf, member.type)]
        if isinstance(holder, Pointer):
            holder = self.btf[resolve(self.btf, holder.target)]
            if isinstance(holder, Array):
                return holder.count
        if not isinstance(holder, Enum) or len(holder.enumerators) != 1:
            self.fail(f"has '{member.name}' that is not written with __uint() or __ulong()")
        return holder.enumerators[0].value & 0xFFFF_FFFF_FFFF_FFFF

    def set_number(self, key: str, value: int) -> None:
        known = self.numbers.setdefault(key, value)
        if known != value:
            self.fail(f"has conflicting {key}: {known} and {value}")

    def set_type(self, member: Member) -> TypeId:
        """The type of `__type(name, T)`, whose size must agree with the size property."""
        pointer = self.btf[resolve(self.btf, member.type)]
        if not isinstance(pointer, Pointer):
            self.fail(f"has '{member.name}' that is not written with __type()")
        try:
            size = size_of(self.btf, pointer.target)
        except BtfError as error:
            self.fail(f"has a {member.name} whose size cannot be told: {error.reason}")
        self.set_number(f"{member.name}_size", size)
        return pointer.target

    def read_key(self, member: Member) -> None:
        self.key_type = self.set_type(member)

    def read_value(self, member: Member) -> None:
        self.value_type = self.set_type(member)

    def read_pinning(self, member: Member) -> None:
        number = self.number(member)
        if number not in (Pinning.NONE, Pinning.BY_NAME):
            self.fail(f"has pinning {number}, which is neither 0 (none) nor 1 (by name)")
        if self.is_inner and number:
            self.fail("is an inner map and cannot be pinned")
        self.set_number("pinning", number)

    def read_values(self, member: Member) -> None:
        array = self.btf[resolve(self.btf, member.type)]
        if not isinstance(array, Array) or array.count:
            self.fail("has 'values' that are not written with __array()")
        pointer = self.btf[resolve(self.btf, array.element)]
        if not isinstance(pointer, Pointer):
            self.fail("has 'values' that are no pointers")
        of_maps = self.numbers.get("type") in _MAPS_OF_MAPS
        if not of_maps and self.numbers.get("type") != MapType.PROG_ARRAY:
            self.fail("has 'values' but is neither a map of maps nor a prog_array (set 'type' first)")
        if self.is_inner:
            self.fail("is an inner map with 'values': maps nest only once")
        self.set_number("value_size", 4)
        self.values_offset = member.bit_offset // 8
        target = self.btf[resolve(self.btf, pointer.target)]
        if of_maps:
            self.inner = self._read_inner(target)
        elif not isinstance(target, FunctionProto):
            self.fail("is a prog_array whose 'values' are no functions")

    def _read_inner(self, template: object) -> MapSpec:
        if not isinstance(template, Struct):
            self.fail("has an inner map that is no struct of map properties")
        inner = _Declaration(self.file, self.section, self.offset, f"{self.name}.inner", self.btf, is_inner=True)
        for member in template.members:
            inner.read(member)
        return inner.finish()

    def finish(self) -> MapSpec:
        numbers = self.numbers
        if not numbers.get("type"):
            self.fail("has no 'type'")
        for key in ("type", "key_size", "value_size", "max_entries", "map_flags", "numa_node"):
            if numbers.get(key, 0) > _U32_MAX:
                self.fail(f"has a {key} of {numbers[key]}, which does not fit 32 bits")
        return MapSpec(
            name=self.name,
            type=map_type(numbers["type"]),
            key_size=numbers.get("key_size", 0),
            value_size=numbers.get("value_size", 0),
            max_entries=numbers.get("max_entries", 0),
            flags=numbers.get("map_flags", 0),
            numa_node=numbers.get("numa_node"),
            map_extra=numbers.get("map_extra", 0),
            pinning=Pinning(numbers.get("pinning", 0)),
            key_type=self.key_type,
            value_type=self.value_type,
            inner=self.inner,
        )


_NUMBERS: Final = frozenset(
    ("type", "max_entries", "map_flags", "numa_node", "key_size", "value_size", "map_extra")
)  # fmt: skip
_READERS: Final[Mapping[str, Callable[[_Declaration, Member], None]]] = {
    "key": _Declaration.read_key,
    "value": _Declaration.read_value,
    "pinning": _Declaration.read_pinning,
    "values": _Declaration.read_values,
}


def with_slots(elf: ElfFile, maps: tuple[DeclaredMap, ...], programs: Mapping[tuple[int, int], str]) -> list[MapSpec]:
    """The maps with the static `values` that relocations of `.maps` fill in.

    `programs` gives the entry program that begins at (section, byte offset).
    """
    section = elf.section(BTF_SECTION)
    relocations = elf.relocations.get(section.index, ()) if section is not None else ()
    if section is None or not relocations:
        return [found.spec for found in maps]
    from bisect import bisect_right

    # By place: a file may have as many slots as maps, and looking through all for each would never end.
    holders = sorted((found for found in maps if found.section == section.index), key=lambda found: found.offset)
    starts = [found.offset for found in holders]
    names = {(found.section, found.offset): found.spec.name for found in maps}
    slots: dict[str, list[tuple[int, str]]] = {}

    def refused(reason: str, at: int) -> SpecError:
        return SpecError(reason, file=elf.name, section=BTF_SECTION, offset=at)

    for relocation in relocations:
        symbol = elf.symbols[relocation.symbol]
        at = relocation.offset
        position = bisect_right(starts, at) - 1
        holder = holders[position] if position >= 0 and at < starts[position] + holders[position].size else None
        if holder is None or holder.slots_at is None:
            raise refused(f"'{symbol.name}' is put into a map that has no 'values'", at)
        index, rest = divmod(at - holder.slots_at, _POINTER_SIZE)
        if rest or index < 0:
            raise refused(f"'{symbol.name}' does not stand at a slot of '{holder.spec.name}'", at)
        programs_wanted = holder.spec.type == MapType.PROG_ARRAY
        target = (programs if programs_wanted else names).get((symbol.section, symbol.value))
        if target is None:
            kind = "an entry program" if programs_wanted else "a map"
            raise refused(f"'{symbol.name}' in a slot of '{holder.spec.name}' is not {kind}", at)
        slots.setdefault(holder.spec.name, []).append((index, target))
    return [replace(m.spec, slots=tuple(sorted(slots[m.spec.name]))) if m.spec.name in slots else m.spec for m in maps]
