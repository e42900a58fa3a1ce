"""Whole BPF objects: programs, subprograms, legacy maps, variables and the references between them."""

from struct import pack

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from purebpf.btf import (
    BtfExtWriter,
    BtfWriter,
    CoreKind,
    Function,
    FunctionProto,
    Int,
    Linkage,
)
from purebpf.elf import (
    SHF_ALLOC,
    SHF_EXECINSTR,
    SHF_WRITE,
    ElfWriter,
    SectionType,
    SymbolBinding,
    SymbolType,
)
from purebpf.insn import Insn, encode
from purebpf.insn.opcodes import BPF_PSEUDO_CALL, CALL, EXIT, LDIMM64
from purebpf.testing.insn import instructions
from purebpf.units import ByteOrder

_R_BPF_64_64 = 1
_R_BPF_64_32 = 10
_PROGRAM_SECTIONS = ("xdp", "socket", "tp/syscalls/sys_enter_write", "kprobe/f", "?raw_tp/sys_enter", "odd/name")
_SUBPROGRAM_BINDINGS = st.sampled_from((SymbolBinding.LOCAL, SymbolBinding.GLOBAL))
_LOADABLE = Insn(LDIMM64, 1)
_CALLING = Insn(CALL, 0, BPF_PSEUDO_CALL, 0, -1)


def object_files() -> SearchStrategy[bytes]:
    """Objects of both byte orders that can be described; not all of them can be loaded.

    Each has up to three programs and two subprograms, whose code is any instructions, up to two legacy maps and
    two variables, with references to them, and types with .BTF.ext records in half of the cases.
    """
    return _objects()


@st.composite
def _objects(draw: DrawFn) -> bytes:
    byteorder: ByteOrder = draw(st.sampled_from(("little", "big")))
    writer = ElfWriter(byteorder)
    writer.add_section("license", b"GPL\0", flags=SHF_ALLOC | SHF_WRITE)
    targets = [*_add_maps(draw, writer, byteorder), *_add_variables(draw, writer)]
    functions = [f"sub{number}" for number in range(draw(st.integers(0, 2)))]
    programs = [f"program{number}" for number in range(draw(st.integers(1, 3)))]
    placed: list[tuple[str, str, int]] = []
    callable_symbols: list[int] = []
    if functions:
        callable_symbols = _add_code(draw, writer, ".text", functions, (targets, []), placed)
    for section in draw(st.lists(st.sampled_from(_PROGRAM_SECTIONS), min_size=1, max_size=2, unique=True)):
        names = [f"{name}_in_{_PROGRAM_SECTIONS.index(section)}" for name in programs]
        _add_code(draw, writer, section, names, (targets, callable_symbols), placed)
    if draw(st.booleans()):
        _add_types(draw, writer, placed)
    return writer.build()


def _add_maps(draw: DrawFn, writer: ElfWriter, byteorder: ByteOrder) -> list[int]:
    """A section of `struct bpf_map_def` and a symbol for each."""
    count = draw(st.integers(0, 2))
    if not count:
        return []
    fields = st.tuples(st.integers(0, 40), *[st.sampled_from((0, 4, 8, 64))] * 3, st.sampled_from((0, 1, 128)))
    mark = "<" if byteorder == "little" else ">"
    data = b"".join(pack(f"{mark}5I", *draw(fields)) for _ in range(count))
    section = writer.add_section("maps", data, flags=SHF_ALLOC | SHF_WRITE, alignment=4)
    return [
        writer.add_symbol(f"map{number}", section=section, value=20 * number, size=20, type=SymbolType.OBJECT)
        for number in range(count)
    ]


def _add_variables(draw: DrawFn, writer: ElfWriter) -> list[int]:
    symbols = []
    for name in draw(st.sets(st.sampled_from((".data", ".rodata", ".bss", ".data.cfg")), max_size=2)):
        flags = SHF_ALLOC if name == ".rodata" else SHF_ALLOC | SHF_WRITE
        if name == ".bss":
            section = writer.add_section(name, type=SectionType.NOBITS, size=8, flags=flags, alignment=8)
        else:
            section = writer.add_section(name, draw(st.binary(min_size=8, max_size=8)), flags=flags, alignment=8)
        symbols.append(
            writer.add_symbol(f"in{name.replace('.', '_')}", section=section, size=8, type=SymbolType.OBJECT)
        )
    return symbols


def _add_code(
    draw: DrawFn,
    writer: ElfWriter,
    section: str,
    names: list[str],
    references: tuple[list[int], list[int]],
    placed: list[tuple[str, str, int]],
) -> list[int]:
    """One code section; each function ends in exit and refers to some of `references` (data, functions)."""
    data, functions = references
    code = bytearray()
    spans = []
    relocations: list[tuple[int, int, int]] = []
    for name in names:
        start = len(code)
        placed.append((section, name, start))
        insns = draw(st.lists(instructions(), max_size=4))
        code += encode(insns, writer.byteorder)
        for symbol in draw(st.lists(st.sampled_from(data), max_size=2)) if data else ():
            relocations.append((len(code), symbol, _R_BPF_64_64))
            code += encode([_LOADABLE], writer.byteorder)
        for symbol in draw(st.lists(st.sampled_from(functions), max_size=2)) if functions else ():
            relocations.append((len(code), symbol, _R_BPF_64_32))
            code += encode([_CALLING], writer.byteorder)
        code += encode([Insn(EXIT)], writer.byteorder)
        spans.append((name, start, len(code) - start))
    index = writer.add_section(section, bytes(code), flags=SHF_ALLOC | SHF_EXECINSTR, alignment=8)
    for offset, symbol, kind in relocations:
        writer.add_relocation(index, offset, symbol, kind)
    return [
        writer.add_symbol(
            name,
            section=index,
            value=start,
            size=size,
            type=SymbolType.FUNC,
            binding=draw(_SUBPROGRAM_BINDINGS) if section == ".text" else SymbolBinding.GLOBAL,
        )
        for name, start, size in spans
    ]


def _add_types(draw: DrawFn, writer: ElfWriter, placed: list[tuple[str, str, int]]) -> None:
    """.BTF and .BTF.ext with a record of each kind for some of the functions."""
    btf = BtfWriter(byteorder=writer.byteorder)
    ext = BtfExtWriter(btf)
    integer = btf.add(Int("int", 4, 32, signed=True))
    proto = btf.add(FunctionProto(integer, ()))
    for section, name, start in placed:
        function = btf.add(Function(name, proto, Linkage.GLOBAL))
        ext.func(section, start, function)
        ext.line(section, start, "x.c", f"int {name}()", draw(st.integers(0, 99)), draw(st.integers(0, 99)))
        if draw(st.booleans()):
            ext.core(section, start, integer, "0", draw(st.sampled_from(tuple(CoreKind))))
    extension = ext.build()
    writer.add_section(".BTF", btf.build(), alignment=4)
    writer.add_section(".BTF.ext", extension, alignment=4)
