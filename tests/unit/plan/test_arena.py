"""Where the variables of an arena lie, and what the code says of them."""

from pathlib import Path

import pytest

from purebpf.errors import NotSupported, PlanError
from purebpf.plan.arena import arena_memory, with_variables_placed
from purebpf.plan.stages import open_object, plan_object
from purebpf.plan.steps import CreateMap, LoadProgram, MapMemory
from purebpf.plan.target import Feature, Target
from purebpf.relocate.model import LinkedProgram, MapSlot
from purebpf.spec import MapSpec
from purebpf.uapi import MapType
from purebpf.units import ByteOrder, InsnIndex

BUILT = Path(__file__).parents[3] / "bpf" / "built"
LOAD = b"\x18\x21" + bytes(14)
PAGE = 4096


def target(*, far: bool, arenas: bool = True, page_size: int = PAGE) -> Target:
    features = {Feature.LDIMM64_OFFSET: far, Feature.ARENA: arenas}
    return Target("test", "6.12.3", 0x060C03, "little", page_size=page_size, features=features)


def arena(pages: int, image: bytes | None, address: int = 0) -> MapSpec:
    return MapSpec("arena", MapType.ARENA, 0, 0, pages, flags=1 << 10, map_extra=address, contents=image)


@pytest.mark.parametrize(
    ("pages", "size", "page_size", "offset"),
    [(10, 1, PAGE, 9 * PAGE), (10, PAGE + 1, PAGE, 8 * PAGE), (2, 2 * PAGE, PAGE, 0), (3, 5, 65536, 2 * 65536)],
)
def test_variables_stand_at_the_end_of_an_arena(pages: int, size: int, page_size: int, offset: int) -> None:
    step = arena_memory(arena(pages, bytes(size)), target(far=True, page_size=page_size))
    assert (step.size, step.offset, len(step.contents)) == (pages * page_size, offset, size)


def test_variables_stand_at_the_start_where_the_kernel_takes_no_far_offsets() -> None:
    assert arena_memory(arena(10, b"x"), target(far=False)).offset == 0


def test_an_arena_without_variables_is_mapped_where_it_is_declared() -> None:
    step = arena_memory(arena(10, None, 1 << 44), target(far=True))
    assert step == MapMemory("arena", 10 * PAGE, 1 << 44)
    assert str(step) == "map 40960 bytes of arena 'arena' into the process at 0x100000000000"


def test_an_arena_that_is_too_small_for_its_variables_is_refused() -> None:
    with pytest.raises(PlanError) as caught:
        arena_memory(arena(1, bytes(PAGE + 1)), target(far=True))
    assert "they take 2 pages of 4096 bytes, and it has 1" in str(caught.value)
    assert "spec.with_map('arena', max_entries=2)" in str(caught.value)


def test_a_kernel_without_arenas_is_told_by_the_feature() -> None:
    with pytest.raises(NotSupported, match=r"arenas: needs Linux 6\.9"):
        arena_memory(arena(1, None), target(far=True, arenas=False))


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_addresses_of_variables_count_from_the_start_of_the_arena(byteorder: ByteOrder) -> None:
    code = LOAD * 3
    slots = (MapSlot(InsnIndex(0), "arena"), MapSlot(InsnIndex(2), "arena", 8), MapSlot(InsnIndex(4), ".bss", 8))
    program = LinkedProgram("entry", code, (), slots)
    # More than 31 bits: an arena may have 4 GiB.
    placed = with_variables_placed(program, MapMemory("arena", 1 << 32, 0, 0xFFFF_F000, b"x"), byteorder)
    assert placed.slots == (slots[0], MapSlot(InsnIndex(2), "arena", 0xFFFF_F008), slots[2])
    expected = bytearray(code)
    expected[28:32] = (0xFFFF_F008).to_bytes(4, byteorder)
    assert placed.code == bytes(expected)
    assert with_variables_placed(program, MapMemory("arena", 1 << 32, 0, 0, b"x"), byteorder) is program


def test_the_memory_is_mapped_right_behind_the_arenas_creation_and_before_any_program() -> None:
    spec = open_object(BUILT / "arena.bpf.o")
    for far, offset in ((True, 99 * PAGE), (False, 0)):
        steps = plan_object(spec, target(far=far)).steps
        at = next(i for i, step in enumerate(steps) if isinstance(step, CreateMap) and step.name == "arena")
        memory = steps[at + 1]
        assert isinstance(memory, MapMemory)
        assert memory.offset == offset
        (program,) = (step for step in steps if isinstance(step, LoadProgram))
        total = next(slot for slot in program.slots if slot.map == "arena" and slot.offset == offset)
        assert program.code[total.insn * 8 + 12 : total.insn * 8 + 16] == offset.to_bytes(4, "little")
