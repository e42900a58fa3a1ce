"""Jump tables in a file."""

from struct import pack

import pytest

from purebpf.errors import RelocationError, SpecError
from purebpf.plan.stages import open_object
from purebpf.relocate.link import link
from purebpf.spec import JumpTable, ObjectSpec, UnknownReference
from purebpf.units import ByteOrder
from tests.writers import ObjectWriter

LOAD = b"\x18\x01" + bytes(14)
MOVE = b"\xb7" + bytes(7)
EXIT = b"\x95" + bytes(7)
# Five instructions: the table's address in 0 and 1, then what it may lead to.
CODE = LOAD + MOVE * 2 + EXIT


def object_with(*entries: int, byteorder: ByteOrder = "little") -> ObjectWriter:
    """`first` and `second` in one section; `second`, from instruction 5 on, uses table `table`."""
    file = ObjectWriter(byteorder).function("first", MOVE * 4 + EXIT, section="syscall")
    file.function("second", CODE, section="syscall")
    order = "<" if byteorder == "little" else ">"
    file.variable("table", pack(f"{order}{len(entries)}Q", *entries), section=".jumptables", alignment=8)
    return file.address("second", 0, "table")


def reference(file: ObjectWriter) -> JumpTable | UnknownReference:
    (found,) = open_object(file.build()).functions["second"].references
    assert isinstance(found, JumpTable | UnknownReference)
    return found


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_targets_are_instructions_of_the_function(byteorder: ByteOrder) -> None:
    found = reference(object_with(7 * 8, 8 * 8, 7 * 8, 9 * 8, byteorder=byteorder))
    assert found == JumpTable(0, "table", 0, 0, (2, 3, 2, 4))  # type: ignore[arg-type]


def test_each_symbol_is_a_table_of_its_own() -> None:
    file = object_with(7 * 8)
    file.variable("other", pack("<2Q", 8 * 8, 9 * 8), section=".jumptables", alignment=8)
    file.address("second", 2, "other")
    spec = open_object(file.build())
    assert [r.offset for r in spec.functions["second"].references if isinstance(r, JumpTable)] == [0]
    assert not spec.maps


@pytest.mark.parametrize("entry", [0, 4 * 8, 10 * 8, 7 * 8 + 1, 1 << 60])
def test_a_target_outside_the_function_is_an_error_only_when_it_is_loaded(entry: int) -> None:
    spec = open_object(object_with(7 * 8, entry).build())
    (found,) = spec.functions["second"].references
    assert isinstance(found, UnknownReference)
    assert f"leads to offset {entry:#x} of the section, which is outside the function" in found.reason
    with pytest.raises(RelocationError, match="'table' cannot be resolved"):
        link(spec, spec.functions, "second")


def test_a_table_that_is_not_made_of_whole_numbers_is_told() -> None:
    file = ObjectWriter().function("second", CODE, section="syscall")
    file.variable("table", bytes(12), section=".jumptables").address("second", 0, "table")
    found = reference(file)
    assert isinstance(found, UnknownReference)
    assert "of 12 bytes at offset 0x0 is not made of 64-bit numbers" in found.reason


def test_the_section_itself_is_no_table() -> None:
    file = ObjectWriter().function("second", CODE, section="syscall")
    file.variable("table", bytes(8), section=".jumptables").address("second", 0, ".jumptables")
    assert isinstance(reference(file), UnknownReference)


# ---------------------------------------------------------------- linked


def linked_with_subprogram() -> ObjectSpec:
    """Program `second` calls `sub`, which has a table of its own at offset 8."""
    call = b"\x85\x10\0\0\xff\xff\xff\xff"
    file = ObjectWriter().function("unused", EXIT).function("sub", LOAD + MOVE + EXIT)
    file.function("second", LOAD + call + EXIT, section="syscall")
    file.function("third", LOAD + call + EXIT, section="xdp")
    file.variable("table", pack("<Q", 3 * 8), section=".jumptables", alignment=8)
    file.variable("inner", pack("<Q", 4 * 8), section=".jumptables", alignment=8)
    for name in ("second", "third"):
        file.call(name, 2, "sub")
    return open_object(file.address("second", 0, "table").address("sub", 0, "inner").build())


def test_targets_move_with_their_function_and_each_program_has_its_own_maps() -> None:
    spec = linked_with_subprogram()
    second, third = (link(spec, spec.functions, name) for name in ("second", "third"))
    assert {table.map: table.targets for table in second.tables} == {
        "second.jumptables+0x0": (3,),
        "second.jumptables+0x8": (4 + 3,),
    }
    assert [table.map for table in third.tables] == ["third.jumptables+0x8"]
    assert [(slot.insn, slot.map, slot.offset) for slot in second.slots] == [
        (0, "second.jumptables+0x0", 0),
        (4, "second.jumptables+0x8", 0),
    ]
    # The source register says that the fd is a map's and the second half an offset in its value.
    assert second.code[1] >> 4 == 2


def test_more_tables_than_bytes_are_damage() -> None:
    file = object_with(7 * 8, 8 * 8, 7 * 8)
    data = bytearray(file.variable("more", bytes(8), section=".jumptables", alignment=8).build())
    # Symbol `more` made to lie over `table`: found by its value and size in the symbol table.
    at = data.find(pack("<QQ", 24, 8))
    assert at > 0
    data[at : at + 16] = pack("<QQ", 0, 32)
    file.address("second", 2, "more")
    with pytest.raises(SpecError, match="lies over another one"):
        _use_both(bytes(data))


def _use_both(data: bytes) -> None:
    from purebpf.elf import read_elf
    from purebpf.spec.jumptables import JumpTables
    from purebpf.units import InsnIndex

    elf = read_elf(data)
    tables = JumpTables(elf)
    for symbol in elf.symbols:
        if symbol.name in ("table", "more"):
            tables.reference(InsnIndex(0), symbol, 0, 5, 5)
