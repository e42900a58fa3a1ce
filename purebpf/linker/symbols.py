"""Global symbols of one name become one.

Rules:

- a definition answers every undefined symbol of its name, whatever file it is in;
- of two definitions one must be weak, else they clash; a strong one wins, of weak ones the first;
- what is weak everywhere stays weak; the strictest visibility of all, undefined ones included, is the result;
- what a name means must be the same in all files: function and function, variable and variable, of types that
  agree (`matching.py`), and two undefined ones must both be of `.kconfig` or both of `.ksyms`;
- the code and data of a definition that lost stay where they are: other parts of its section count on their places.

Local symbols are all kept, section symbols are the output's.
"""

from __future__ import annotations

from purebpf.btf import Btf, DataSection, Function, Kind, Variable
from purebpf.elf import SHN_ABS, SHN_UNDEF, Symbol, SymbolBinding, SymbolType
from purebpf.errors import SpecError
from purebpf.frozen import Mutable, field
from purebpf.linker.inputs import Input, clash
from purebpf.linker.matching import declarations_match, map_definitions_match

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from purebpf.linker.sections import Layout, OutputSection
    from purebpf.units import TypeId

_MAPS = ".maps"
_EXTERN_SECTIONS = (".kconfig", ".ksyms")


class OutputSymbol(Mutable):
    """A symbol in the making; `section` is None for one that no file defines."""

    # By identity: two that are alike are two.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    name: str
    type: int
    weak: bool
    visibility: int
    section: OutputSection | None
    value: int
    size: int
    file: Input
    declared: TypeId | None
    """Its VAR or FUNC in `file`."""
    container: str = ""
    """The DATASEC of an undefined one."""
    is_local: bool = False

    @property
    def defined(self) -> bool:
        return self.section is not None


class Symbols(Mutable):
    """The output's symbols, and what each symbol of each file became.

    A symbol that became nothing (of a section that was left out) is not in `became`; one that stands for a whole
    section became that section.
    """

    named: dict[str, OutputSymbol] = field(default_factory=dict)
    local: list[OutputSymbol] = field(default_factory=list)
    became: dict[tuple[int, int], OutputSymbol | OutputSection] = field(default_factory=dict)


def resolve_symbols(files: Iterable[Input], layout: Layout) -> Symbols:
    """Merge the symbols of all files."""
    symbols = Symbols()
    for file in files:
        declared = Declarations(file.btf)
        for symbol in file.elf.symbols[1:]:
            _add(symbols, layout, file, symbol, declared)
    return symbols


class Declarations:
    """The functions and variables that a file's BTF declares, by name."""

    def __init__(self, btf: Btf) -> None:
        self._btf = btf
        self._section_of: dict[int, str] = {}
        for type_id in btf.ids_of(Kind.DATASEC):
            section = btf[type_id]
            assert isinstance(section, DataSection)
            self._section_of.update((entry.type, section.name) for entry in section.variables)
        self._ids = {btf.name_of(i): i for i in btf.ids_of(Kind.FUNC, Kind.VAR) if not _is_static(btf, i)}

    def of(self, name: str) -> TypeId | None:
        """The FUNC or VAR of that name that is not static."""
        return self._ids.get(name)

    def container(self, type_id: int) -> str:
        """The DATASEC that lists it, or ""."""
        return self._section_of.get(type_id, "")


def _is_static(btf: Btf, type_id: int) -> bool:
    declared = btf[type_id]
    return isinstance(declared, Function | Variable) and declared.linkage == 0


def _add(symbols: Symbols, layout: Layout, file: Input, symbol: Symbol, declared: Declarations) -> None:
    key = file.number, symbol.index
    if symbol.section == SHN_ABS:
        # A source file's name: it says nothing of a merged object.
        return
    placed = layout.place(file, symbol.section) if symbol.section != SHN_UNDEF else None
    if symbol.section != SHN_UNDEF and placed is None:
        return
    if symbol.type == SymbolType.SECTION and placed is not None:
        symbols.became[key] = placed[0]
        return
    new = _output_symbol(file, symbol, placed, declared)
    if new.is_local:
        symbols.local.append(new)
        symbols.became[key] = new
        return
    known = symbols.named.setdefault(new.name, new)
    symbols.became[key] = known
    if known is not new:
        _merge(known, new)


def _output_symbol(
    file: Input, symbol: Symbol, placed: tuple[OutputSection, int] | None, declared: Declarations
) -> OutputSymbol:
    section, shift = placed if placed is not None else (None, 0)
    is_local = symbol.binding == SymbolBinding.LOCAL
    type_id = None if is_local else declared.of(symbol.name)
    if not is_local and type_id is None and (section is None or section.name == _MAPS):
        raise SpecError(
            f"symbol '{symbol.name}' has no type information: declare it in C, and compile with -g", file=file.name
        )
    if not is_local and not symbol.name:
        raise SpecError(f"symbol {symbol.index} is global and has no name", file=file.name)
    return OutputSymbol(
        name=symbol.name,
        type=symbol.type,
        weak=symbol.binding == SymbolBinding.WEAK,
        visibility=symbol.visibility,
        section=section,
        value=symbol.value + shift,
        size=symbol.size,
        file=file,
        declared=type_id,
        container=declared.container(type_id) if type_id is not None else "",
        is_local=is_local,
    )


def _merge(known: OutputSymbol, new: OutputSymbol) -> None:
    """Let a further symbol of the name have its say."""
    if known.defined and new.defined and not known.weak and not new.weak:
        remedy = "make one of them __weak or static, or give it another name"
        raise clash(f"symbol '{known.name}' is defined twice", known.file, new.file, remedy=remedy)
    _check_same_meaning(known, new)
    known.visibility = max(known.visibility, new.visibility)
    wins = new.defined and (not known.defined or (known.weak and not new.weak))
    known.weak = known.weak and new.weak
    if wins:
        known.type, known.section, known.value, known.size = new.type, new.section, new.value, new.size
        known.file, known.declared, known.container = new.file, new.declared, new.container


def _check_same_meaning(known: OutputSymbol, new: OutputSymbol) -> None:
    one, other = known.declared, new.declared
    if one is None or other is None:
        if known.defined and new.defined and known.type != new.type:
            raise clash(f"symbol '{known.name}' is a function and a variable", known.file, new.file)
        return
    if known.file.btf.kind(one) != new.file.btf.kind(other):
        raise clash(f"symbol '{known.name}' is a function and a variable", known.file, new.file)
    for container in {known.container, new.container} & set(_EXTERN_SECTIONS):
        if known.container != new.container and not (known.defined or new.defined):
            raise clash(f"symbol '{known.name}' is of '{container}' here and not there", known.file, new.file)
    if known.container == ".kconfig" != new.container or new.container == ".kconfig" != known.container:
        raise clash(f"'{known.name}' is a kernel configuration value and a symbol of the object", known.file, new.file)
    maps = _MAPS in (known.container, new.container)
    match = map_definitions_match if maps else declarations_match
    difference = match(known.file.btf, one, new.file.btf, other)
    if difference:
        what = "map" if maps else "symbol"
        raise clash(f"{what} '{known.name}' is declared in two ways ({difference})", known.file, new.file)
