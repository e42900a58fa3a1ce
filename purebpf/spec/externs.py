"""What an object asks the kernel for: kconfig values, kernel variables and kernel functions.

Rules: an undefined global or weak symbol is an extern; the DATASEC `.kconfig` or `.ksyms` that lists its variable or
function says of which kind. Without such an entry its use decides (called, it is a function), and resolving it fails:
it is more likely to be missing from a link than meant for the kernel.

Externs stand in libbpf's order: kconfig values by alignment (the largest first), size and name, then kernel symbols
by name. The values lie in the map `.kconfig` in that order, and their places in it are what programs refer to.

The types say `extern` and give no sizes, which the kernel refuses. So they become, as in libbpf, those of variables
that exist: a `.kconfig` variable gets its place; a `.ksyms` variable becomes an int, a function global and, where the
section lists it, a variable `dummy_ksym`, of which a parameter without a name borrows its one.
"""

from __future__ import annotations

from purebpf.btf import (
    Array,
    Btf,
    BtfError,
    DataSection,
    Enum,
    Function,
    FunctionProto,
    Int,
    Kind,
    Linkage,
    SectionVariable,
    Variable,
    align_of,
    resolve,
    size_of,
    with_added,
    with_types,
)
from purebpf.elf import SHN_UNDEF, ElfFile, SymbolBinding, SymbolType
from purebpf.errors import SpecError
from purebpf.frozen import replace
from purebpf.spec.data import F_MMAPABLE, F_RDONLY_PROG
from purebpf.spec.model import (
    DUMMY,
    ExternCall,
    ExternKind,
    Externs,
    ExternSpec,
    FunctionSpec,
    KconfigForm,
    MapOrigin,
    MapSpec,
    VariableSpec,
)
from purebpf.uapi import MapType
from purebpf.units import VOID, TypeId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Final, NoReturn

    from purebpf.btf.edits import Editable

KCONFIG: Final = ".kconfig"
KSYMS: Final = ".ksyms"
_TRISTATE: Final = "libbpf_tristate"
_KSYM_SIZE: Final = 4


def describe_externs(elf: ElfFile, btf: Btf | None, functions: Iterable[FunctionSpec]) -> Externs:
    """Every extern, in libbpf's order."""
    undefined = {
        symbol.name: symbol.binding == SymbolBinding.WEAK
        for symbol in elf.symbols
        if symbol.section == SHN_UNDEF
        and symbol.name
        and symbol.binding in (SymbolBinding.GLOBAL, SymbolBinding.WEAK)
        and symbol.type == SymbolType.NOTYPE
    }
    if not undefined:
        return Externs({}, btf)
    declared = _declared(elf, btf, undefined) if btf is not None else {}
    called = {
        reference.extern
        for function in functions
        for reference in function.references
        if isinstance(reference, ExternCall)
    }
    found = []
    for name, weak in undefined.items():
        extern = declared.get(name)
        if extern is None:
            kind = ExternKind.KFUNC if name in called else ExternKind.KSYM
            extern = ExternSpec(name, kind, VOID, weak=weak)
        found.append(extern)
    externs = {extern.name: extern for extern in _placed(found)}
    if btf is None or not declared:
        return Externs(externs, btf)
    return _with_map(externs, _adjusted(btf, externs))


def _declared(elf: ElfFile, btf: Btf, undefined: Mapping[str, bool]) -> dict[str, ExternSpec]:
    """What the two sections list."""
    declared: dict[str, ExternSpec] = {}
    for section in (KCONFIG, KSYMS):
        for entry in _entries(btf, section):
            name = btf.name_of(entry.type)
            if name not in undefined:
                _refuse(elf, section, f"its types list '{name}', of which the file has no undefined symbol")
            match btf[entry.type]:
                case Variable(type=type_id) if section == KCONFIG:
                    declared[name] = _kconfig(elf, btf, name, type_id, undefined[name])
                case Variable(type=type_id):
                    kernel_type = resolve(btf, type_id)
                    declared[name] = ExternSpec(name, ExternKind.KSYM, kernel_type, undefined[name], section=section)
                case Function(type=type_id) if section == KSYMS:
                    declared[name] = ExternSpec(name, ExternKind.KFUNC, type_id, undefined[name], section=section)
                case _:
                    _refuse(elf, section, f"its types list '{name}', which is no variable")
    return declared


def _entries(btf: Btf, section: str) -> tuple[SectionVariable, ...]:
    datasec_id = btf.find_one(section, Kind.DATASEC)
    datasec = btf[datasec_id] if datasec_id is not None else None
    return datasec.variables if isinstance(datasec, DataSection) else ()


def _refuse(elf: ElfFile, section: str, reason: str) -> NoReturn:
    raise SpecError(reason, file=elf.name, section=section)


def _kconfig(elf: ElfFile, btf: Btf, name: str, type_id: TypeId, weak: bool) -> ExternSpec:
    try:
        form, signed = _form(btf, type_id)
        size, alignment = size_of(btf, type_id), align_of(btf, type_id)
    except BtfError:
        form = None
    if form is None:
        from purebpf.btf import type_name

        _refuse(
            elf,
            KCONFIG,
            f"'{name}' is of type {type_name(btf, type_id)}: a kconfig value is a bool, a char, an integer of up to 8 "
            f"bytes, an enum {_TRISTATE}, or an array of char with a length",
        )
    return ExternSpec(
        name, ExternKind.KCONFIG, type_id, weak, size, alignment, section=KCONFIG, form=form, signed=signed
    )


def _form(btf: Btf, type_id: TypeId) -> tuple[KconfigForm | None, bool]:
    """What values the type holds, and whether they are signed."""
    match btf[resolve(btf, type_id)]:
        case Int(boolean=True, size=size):
            return (KconfigForm.BOOL if size == 1 else None), False
        case Int(size=1, signed=signed):
            return KconfigForm.CHAR, signed
        case Int(size=2 | 4 | 8, signed=signed):
            return KconfigForm.INT, signed
        case Enum(name=name, wide=wide, size=size) if name == _TRISTATE and (wide or size == 4):
            return KconfigForm.TRISTATE, False
        case Array(element=element, count=count) if count and _form(btf, element)[0] is KconfigForm.CHAR:
            return KconfigForm.TEXT, False
    return None, False


def _placed(externs: list[ExternSpec]) -> list[ExternSpec]:
    """The externs in libbpf's order, the kconfig values with their offsets in the map."""
    placed, end = [], 0
    for extern in sorted(externs, key=_rank):
        if extern.kind is ExternKind.KCONFIG:
            offset = -(-end // extern.alignment) * extern.alignment
            end = offset + extern.size
            extern = replace(extern, offset=offset)
        placed.append(extern)
    return placed


def _rank(extern: ExternSpec) -> tuple[bool, int, int, bytes]:
    name = extern.name.encode("utf-8", "surrogateescape")
    if extern.kind is ExternKind.KCONFIG:
        return False, -extern.alignment, extern.size, name
    return True, 0, 0, name


# ------------------------------------------------------------------ types


def _adjusted(btf: Btf, externs: Mapping[str, ExternSpec]) -> Btf:
    """The types as those of variables that exist."""
    ksyms = _entries(btf, KSYMS)
    has_function = any(btf.kind(entry.type) == Kind.FUNC for entry in ksyms)
    integer = _first_int(btf) if ksyms else None
    added: list[Int | Variable] = []
    if ksyms and integer is None:
        integer = TypeId(btf.end_id)
        added.append(Int("int", 4, 32, signed=True))
    dummy = TypeId(btf.end_id + len(added))
    if has_function and integer is not None:
        added.append(Variable(DUMMY, integer, Linkage.GLOBAL))
    if added:
        btf = with_added(btf, added)
    changed: dict[int, Editable] = {}
    if ksyms and integer is not None:
        _adjust_ksyms(btf, ksyms, integer, dummy, changed)
    _adjust_kconfig(btf, externs, changed)
    return with_types(btf, changed)


def _first_int(btf: Btf) -> TypeId | None:
    for type_id in btf.ids_of(Kind.INT):
        found = btf[type_id]
        if isinstance(found, Int) and found.bits == 32:
            return type_id
    return None


def _adjust_ksyms(
    btf: Btf, entries: tuple[SectionVariable, ...], integer: TypeId, dummy: TypeId, changed: dict[int, Editable]
) -> None:
    listed = []
    for index, entry in enumerate(entries):
        found = btf[entry.type]
        if isinstance(found, Function):
            changed[entry.type] = replace(found, linkage=Linkage.GLOBAL)
            proto = btf[found.type]
            if isinstance(proto, FunctionProto):
                parameters = tuple(p if p.name or not p.type else replace(p, name=DUMMY) for p in proto.parameters)
                changed[found.type] = replace(proto, parameters=parameters)
            place = dummy
        else:
            assert isinstance(found, Variable)
            changed[entry.type] = replace(found, type=integer, linkage=Linkage.GLOBAL)
            place = entry.type
        listed.append(SectionVariable(place, index * _KSYM_SIZE, _KSYM_SIZE))
    section_id = btf.find_one(KSYMS, Kind.DATASEC)
    assert section_id is not None
    changed[section_id] = DataSection(KSYMS, len(listed) * _KSYM_SIZE, tuple(listed))


def _adjust_kconfig(btf: Btf, externs: Mapping[str, ExternSpec], changed: dict[int, Editable]) -> None:
    listed = []
    for entry in _entries(btf, KCONFIG):
        found = btf[entry.type]
        assert isinstance(found, Variable)
        changed[entry.type] = replace(found, linkage=Linkage.GLOBAL)
        listed.append(SectionVariable(entry.type, externs[found.name].offset, entry.size))
    section_id = btf.find_one(KCONFIG, Kind.DATASEC)
    if section_id is not None:
        listed.sort(key=lambda entry: entry.offset)
        size = max((e.offset + e.size for e in externs.values() if e.kind is ExternKind.KCONFIG), default=0)
        changed[section_id] = DataSection(KCONFIG, size, tuple(listed))


# ------------------------------------------------------------------ the map


def _with_map(externs: Mapping[str, ExternSpec], btf: Btf) -> Externs:
    values = [extern for extern in externs.values() if extern.kind is ExternKind.KCONFIG]
    if not values:
        return Externs(externs, btf)
    kconfig = MapSpec(
        name=KCONFIG,
        type=MapType.ARRAY,
        key_size=4,
        value_size=values[-1].offset + values[-1].size,
        max_entries=1,
        flags=F_RDONLY_PROG | F_MMAPABLE,
        value_type=btf.find_one(KCONFIG) or VOID,
        frozen=True,
        origin=MapOrigin.KCONFIG,
        section=KCONFIG,
    )
    variables = {
        extern.name: VariableSpec(extern.name, KCONFIG, extern.offset, extern.size, extern.type) for extern in values
    }
    return Externs(externs, btf, kconfig, variables)
