"""The strategies of files reach the shapes they promise, within a few hundred examples."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

from purebpf.btf import Btf, Kind
from purebpf.elf import read_elf
from purebpf.insn.opcodes import KNOWN_OPCODES
from purebpf.plan.stages import open_object
from purebpf.spec import MapAddress, MapValue, SubprogramCall
from purebpf.testing import btf_files, code, elf_files, instructions, object_files

T = TypeVar("T")


def reached(strategy: SearchStrategy[T], shapes: Callable[[T], Iterable[object]], examples: int = 50) -> set[object]:
    """The shapes seen in so many examples, the same ones every time."""
    seen: set[object] = set()

    @settings(
        deadline=None,
        max_examples=examples,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def look(example: T) -> None:
        seen.update(shapes(example))

    look()
    return seen


def elf_shapes(data: bytes) -> Iterable[object]:
    elf = read_elf(data)
    yield elf.byteorder
    for relocations in elf.relocations.values():
        yield "RELA" if relocations[0].addend is not None else "REL"
    for section in elf.sections:
        yield "NOBITS" if section.size > len(section.data) else "bytes"
    for symbol in elf.symbols:
        yield symbol.section if symbol.section > 0xFF00 else "in a section"
        yield "ASCII" if symbol.name.isascii() else "not ASCII"


def test_elf_files_reach_every_shape() -> None:
    shapes = {"little", "big", "REL", "RELA", "NOBITS", "bytes", 0xFFF1, 0xFFF2, "in a section", "ASCII", "not ASCII"}
    assert reached(elf_files(), elf_shapes) == shapes


def test_btf_files_reach_every_kind() -> None:
    def kinds(data: bytes) -> Iterable[object]:
        btf = Btf.parse(data)
        return [btf.kind(type_id) for type_id in btf.ids()]

    assert reached(btf_files(), kinds) == set(Kind) - {Kind.VOID}


def test_instructions_reach_most_opcodes_and_every_class() -> None:
    opcodes = {insn for insn in reached(instructions(), lambda insn: [insn.opcode], 400) if isinstance(insn, int)}
    assert opcodes <= KNOWN_OPCODES
    assert len(opcodes) > len(KNOWN_OPCODES) / 2
    assert {opcode & 7 for opcode in opcodes} == set(range(8))


def test_code_is_whole_slots_of_any_number() -> None:
    sizes = reached(code(max_size=4), lambda data: [len(data)])
    assert {0, 8, 16, 24, 32} <= sizes
    assert all(isinstance(size, int) and size % 8 == 0 for size in sizes)


def test_object_files_reach_every_kind_of_reference() -> None:
    def shapes(data: bytes) -> Iterable[object]:
        spec = open_object(data, name="x")
        yield spec.byteorder
        yield "typed" if spec.btf is not None else "without types"
        for function in spec.functions.values():
            yield from (type(reference) for reference in function.references)

    wanted = {"little", "big", "typed", "without types", MapAddress, MapValue, SubprogramCall}
    assert wanted <= reached(object_files(), shapes)
