"""Programs put together from functions: libbpf's order, distances, records, and what has no end."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from struct import Struct, pack

import pytest

from purebpf.errors import RelocationError
from purebpf.relocate.link import link
from purebpf.relocate.model import LinkedProgram, MapSlot, PlacedFunction
from purebpf.spec import (
    ExternCall,
    ExternValue,
    FunctionSpec,
    MapAddress,
    MapValue,
    ObjectSpec,
    Reference,
    SubprogramAddress,
    SubprogramCall,
    UnknownReference,
)
from purebpf.units import ByteOrder, InsnIndex

EXIT = b"\x95" + bytes(7)
CALL = {"little": b"\x85\x10\0\0\xff\xff\xff\xff", "big": b"\x85\x01\0\0\xff\xff\xff\xff"}
LOAD = {"little": b"\x18\x01" + bytes(14), "big": b"\x18\x10" + bytes(14)}


def function(
    name: str, code: bytes, *references: Reference, insn: int = 0, func_info: bytes = b"", line_info: bytes = b""
) -> FunctionSpec:
    return FunctionSpec(name, ".text", InsnIndex(insn), code, True, references, func_info, line_info)


def caller(name: str, *callees: str, byteorder: ByteOrder = "little") -> FunctionSpec:
    """A function that calls others, one instruction each, and exits."""
    calls = (SubprogramCall(InsnIndex(at), callee) for at, callee in enumerate(callees))
    return function(name, CALL[byteorder] * len(callees) + EXIT, *calls)


def linked(functions: Sequence[FunctionSpec], byteorder: ByteOrder = "little") -> LinkedProgram:
    """The first function with all it reaches."""
    by_name = {f.name: f for f in functions}
    return link(spec_of(by_name, byteorder), by_name, functions[0].name)


def spec_of(functions: Mapping[str, FunctionSpec], byteorder: ByteOrder = "little") -> ObjectSpec:
    return ObjectSpec("test", "test.o", byteorder, "GPL", 0, None, {}, functions, {})


def order(program: LinkedProgram) -> list[str]:
    return [placed.name for placed in program.functions]


def targets(program: LinkedProgram, byteorder: ByteOrder = "little") -> list[tuple[int, int]]:
    """(instruction, instruction called) of every call."""
    immediate = Struct("<4xi" if byteorder == "little" else ">4xi").unpack_from
    calls = (insn for insn in range(len(program.code) // 8) if program.code[insn * 8] == 0x85)
    return [(insn, insn + 1 + immediate(program.code, insn * 8)[0]) for insn in calls]


def starts(program: LinkedProgram) -> dict[str, int]:
    return {placed.name: placed.start for placed in program.functions}


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_a_call_counts_from_the_instruction_behind_it(byteorder: ByteOrder) -> None:
    program = linked(
        [caller("entry", "a", "b", byteorder=byteorder), function("a", EXIT), function("b", EXIT)], byteorder
    )
    assert program.functions == (
        PlacedFunction("entry", InsnIndex(0), 3),
        PlacedFunction("a", InsnIndex(3), 1),
        PlacedFunction("b", InsnIndex(4), 1),
    )
    assert targets(program, byteorder) == [(0, 3), (1, 4)]


def test_a_function_is_appended_where_it_is_first_met_and_walked_at_once() -> None:
    program = linked(
        [caller("entry", "a", "d"), caller("a", "b", "c"), caller("b"), caller("c", "d"), caller("d"), caller("unused")]
    )
    assert order(program) == ["entry", "a", "b", "c", "d"]
    at = starts(program)
    assert targets(program) == [
        (0, at["a"]),
        (1, at["d"]),
        (at["a"], at["b"]),
        (at["a"] + 1, at["c"]),
        (at["c"], at["d"]),
    ]


def test_a_diamond_holds_each_function_once() -> None:
    program = linked([caller("entry", "a", "b"), caller("a", "c"), caller("b", "c"), caller("c")])
    assert order(program) == ["entry", "a", "c", "b"]
    assert len(program.code) == 8 * (3 + 2 + 1 + 2)


@pytest.mark.parametrize("cycle", [("a",), ("b", "a"), ("b", "c", "a")])
def test_cycles_of_calls_end(cycle: tuple[str, ...]) -> None:
    names = ["a", *cycle[:-1]]
    functions = [caller("entry", "a"), *(caller(name, callee) for name, callee in zip(names, cycle, strict=True))]
    program = linked(functions)
    assert order(program) == ["entry", *names]
    assert targets(program)[-1][1] == starts(program)["a"]


def test_a_program_may_be_reached_from_its_own_subprogram() -> None:
    program = linked([caller("entry", "a"), caller("a", "entry")])
    assert targets(program) == [(0, 2), (2, 0)]


def test_a_chain_of_100_000_calls_is_linked_within_a_second() -> None:
    depth = 100_000
    functions = {f"f{n}": caller(f"f{n}", f"f{n + 1}") for n in range(depth)}
    functions[f"f{depth}"] = caller(f"f{depth}")
    spec = spec_of(functions)
    took = []
    # A busy machine may double what one of them takes.
    while not took or (took[-1] >= 1 and len(took) < 3):
        began = time.process_time()
        program = link(spec, functions, "f0")
        took.append(time.process_time() - began)
    assert min(took) < 1
    assert len(program.functions) == depth + 1
    assert targets(program)[-1] == (2 * depth - 2, 2 * depth)


def test_more_code_than_any_kernel_takes_is_refused_before_it_is_built() -> None:
    big = function("big", EXIT * 600_000)
    with pytest.raises(RelocationError, match="exceeds 1000000 instructions") as caught:
        linked([caller("entry", "big", "more"), big, replace(big, name="more")])
    assert caught.value.program == "entry"


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_map_addresses_leave_room_for_the_fd(byteorder: ByteOrder) -> None:
    references = MapAddress(InsnIndex(0), "m"), MapValue(InsnIndex(2), ".data", 0x1234, "v")
    program = linked([function("entry", LOAD[byteorder] * 2 + EXIT, *references)], byteorder)
    registers = (0x11, 0x21) if byteorder == "little" else (0x11, 0x12)
    assert [program.code[1], program.code[17]] == list(registers)
    assert program.code[4:8] == program.code[20:24] == bytes(4)
    assert program.code[28:32] == (0x1234).to_bytes(4, byteorder)
    assert program.slots == (MapSlot(InsnIndex(0), "m"), MapSlot(InsnIndex(2), ".data", 0x1234))


def test_what_clang_left_in_the_immediate_of_a_map_address_goes_away() -> None:
    code = b"\x18\x01\0\0\x08\0\0\0" + bytes(8) + EXIT
    program = linked([function("entry", code, MapValue(InsnIndex(0), ".bss", 8))])
    assert program.code[:16] == b"\x18\x21" + bytes(10) + b"\x08\0\0\0"


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_a_callbacks_address_is_its_distance(byteorder: ByteOrder) -> None:
    entry = function("entry", LOAD[byteorder] + EXIT, SubprogramAddress(InsnIndex(0), "callback"))
    program = linked([entry, function("callback", EXIT)], byteorder)
    assert program.code[1] == 0x41 if byteorder == "little" else 0x14
    assert int.from_bytes(program.code[4:8], byteorder, signed=True) == 2
    assert order(program) == ["entry", "callback"]


def test_references_of_subprograms_move_with_them() -> None:
    helper = function("helper", LOAD["little"] + EXIT, MapAddress(InsnIndex(0), "m"))
    program = linked([caller("entry", "helper"), helper])
    assert program.slots == (MapSlot(InsnIndex(2), "m"),)


def test_externs_are_handed_on_by_place() -> None:
    code = LOAD["little"] + CALL["little"] + EXIT
    helper = function("helper", code, ExternValue(InsnIndex(0), "CONFIG_HZ"), ExternCall(InsnIndex(2), "kfunc"))
    program = linked([caller("entry", "helper"), helper])
    assert program.externs == (ExternValue(InsnIndex(2), "CONFIG_HZ"), ExternCall(InsnIndex(4), "kfunc"))


def test_a_reference_that_cannot_be_placed_is_an_error_of_the_program() -> None:
    helper = function("helper", EXIT, UnknownReference(InsnIndex(0), "lost", "it is gone"))
    with pytest.raises(RelocationError) as caught:
        linked([caller("entry", "helper"), helper])
    assert str(caught.value) == (
        "cannot prepare program 'entry', instruction 2: relocation against 'lost' cannot be resolved: it is gone"
    )
    assert not linked([caller("entry"), helper]).externs


def test_a_program_is_linked_from_the_functions_it_is_given() -> None:
    file = {"entry": caller("entry", "a"), "a": function("a", EXIT)}
    adapted = {**file, "a": function("a", b"\xb7\0\0\0\1\0\0\0" + EXIT)}
    assert len(link(spec_of(file), adapted, "entry").code) == 8 * 4


# ------------------------------------------------------------------ records


def words(mark: str, *numbers: int) -> bytes:
    return pack(f"{mark}{len(numbers)}I", *numbers)


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_records_become_instruction_indices_of_the_program(byteorder: ByteOrder) -> None:
    mark = "<" if byteorder == "little" else ">"
    entry = replace(
        caller("entry", "helper", byteorder=byteorder),
        section_insn=InsnIndex(5),
        func_info=words(mark, 40, 7),
        line_info=words(mark, 40, 1, 2, 3) + words(mark, 48, 1, 2, 4),
    )
    helper = function("helper", EXIT, insn=3, func_info=words(mark, 24, 8), line_info=words(mark, 24, 5, 6, 7))
    program = linked([entry, helper], byteorder)
    assert program.func_info == words(mark, 0, 7, 2, 8)
    assert program.line_info == words(mark, 0, 1, 2, 3, 1, 1, 2, 4, 2, 5, 6, 7)


def test_records_keep_what_newer_compilers_add() -> None:
    entry = replace(caller("entry", "helper"), func_info=words("<", 0, 7, 99))
    helper = function("helper", EXIT, insn=3, func_info=words("<", 24, 8, 98))
    functions = {"entry": entry, "helper": helper}
    program = link(replace(spec_of(functions), func_info_record_size=12), functions, "entry")
    assert program.func_info == words("<", 0, 7, 99, 2, 8, 98)


@pytest.mark.parametrize("part", ["func_info", "line_info"])
def test_a_program_without_records_gets_none_of_its_subprograms(part: str) -> None:
    helper = function("helper", EXIT, func_info=words("<", 0, 1), line_info=words("<", 0, 1, 2, 3))
    assert getattr(linked([caller("entry", "helper"), helper]), part) == b""


def test_a_subprogram_without_records_is_refused_where_others_have_them() -> None:
    entry = replace(caller("entry", "helper"), func_info=words("<", 0, 7))
    with pytest.raises(RelocationError, match=r"'helper' has no func_info .* compile all with -g"):
        linked([entry, function("helper", EXIT)])
