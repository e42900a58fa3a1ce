"""What an object asks the kernel for: kconfig values, kernel variables and kernel functions.

Rules: an undefined global or weak symbol is an extern; the DATASEC `.kconfig` or `.ksyms` that lists its
variable or function says of which kind. Without such an entry its use decides: called, it is a function.
"""

from collections.abc import Iterable
from typing import Final

from purebpf.btf import Btf, BtfError, DataSection, Function, Kind, Variable, align_of, size_of
from purebpf.elf import SHN_UNDEF, ElfFile, SymbolBinding, SymbolType
from purebpf.spec.model import ExternCall, ExternKind, ExternSpec, FunctionSpec
from purebpf.units import TypeId

KCONFIG: Final = ".kconfig"
KSYMS: Final = ".ksyms"


def describe_externs(elf: ElfFile, btf: Btf | None, functions: Iterable[FunctionSpec]) -> dict[str, ExternSpec]:
    """Every extern by name, in the order of the symbol table."""
    undefined = [
        symbol
        for symbol in elf.symbols
        if symbol.section == SHN_UNDEF
        and symbol.name
        and symbol.binding in (SymbolBinding.GLOBAL, SymbolBinding.WEAK)
        and symbol.type == SymbolType.NOTYPE
    ]
    if not undefined:
        return {}
    declared = _declared(btf) if btf is not None else {}
    called = {
        reference.extern
        for function in functions
        for reference in function.references
        if isinstance(reference, ExternCall)
    }
    externs: dict[str, ExternSpec] = {}
    for symbol in undefined:
        default = ExternKind.KFUNC if symbol.name in called else ExternKind.KSYM
        kind, type_id = declared.get(symbol.name, (default, TypeId(0)))
        size, alignment = _size_and_alignment(btf, type_id) if kind is ExternKind.KCONFIG else (0, 1)
        externs[symbol.name] = ExternSpec(
            name=symbol.name,
            kind=kind,
            type=type_id,
            weak=symbol.binding == SymbolBinding.WEAK,
            size=size,
            alignment=alignment,
        )
    return externs


def _declared(btf: Btf) -> dict[str, tuple[ExternKind, TypeId]]:
    declared: dict[str, tuple[ExternKind, TypeId]] = {}
    for section in (KCONFIG, KSYMS):
        datasec_id = btf.find_one(section, Kind.DATASEC)
        datasec = btf[datasec_id] if datasec_id is not None else None
        for entry in datasec.variables if isinstance(datasec, DataSection) else ():
            match btf[entry.type]:
                case Variable(name=name, type=type_id):
                    kind = ExternKind.KCONFIG if section == KCONFIG else ExternKind.KSYM
                    declared[name] = kind, type_id
                case Function(name=name, type=type_id):
                    declared[name] = ExternKind.KFUNC, type_id
    return declared


def _size_and_alignment(btf: Btf | None, type_id: TypeId) -> tuple[int, int]:
    try:
        return (size_of(btf, type_id), align_of(btf, type_id)) if btf is not None else (0, 1)
    except BtfError:
        # A kconfig value without a size (a char array of unknown length) is refused when it is resolved.
        return 0, 1
