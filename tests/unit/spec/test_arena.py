"""Arenas and their variables in a file."""

from pathlib import Path

import pytest

from purebpf.errors import SpecError
from purebpf.plan.stages import open_object
from purebpf.spec import MapValue
from purebpf.uapi import MapType
from tests.writers import ObjectWriter
from tests.writers.typed import TypedObjectWriter

BUILT = Path(__file__).parents[3] / "bpf" / "built"
LOAD = b"\x18\x01" + bytes(14)
EXIT = b"\x95" + bytes(7)


def arena(*names: str) -> TypedObjectWriter:
    file = TypedObjectWriter()
    for name in names:
        file.map(name, type=MapType.ARENA, map_flags=1 << 10, max_entries=4)
    return file


def test_variables_of_address_space_1_are_values_of_the_arena() -> None:
    file = arena("memory").variable("a", b"\1\0\0\0", section=".addr_space.1", type=None)
    file.variable("b", b"\2\0\0\0", section=".addr_space.1", alignment=4)
    code = LOAD[:4] + (1).to_bytes(4, "little") + bytes(8) + EXIT
    file.function("entry", code, section="syscall").address("entry", 0, "b")
    spec = open_object(file.build())
    assert spec.maps["memory"].contents == b"\1\0\0\0\2\0\0\0"
    assert list(spec.maps) == ["memory"]
    assert (spec.variables["b"].map, spec.variables["b"].offset) == ("memory", 4)
    assert spec.functions["entry"].references == (MapValue(0, "memory", 5, "b"),)  # type: ignore[arg-type]


def test_variables_have_their_types_and_can_be_set() -> None:
    spec = open_object(BUILT / "arena.bpf.o")
    assert spec.value("table") == [1, 2, 3]
    assert spec.with_values(table=[3, 2, 1], total=9).value("table") == [3, 2, 1]
    assert spec.variables["hidden"].is_static


def test_an_arena_without_variables_has_no_image() -> None:
    assert open_object(arena("memory").build()).maps["memory"].contents is None


def test_variables_without_an_arena_are_refused() -> None:
    file = ObjectWriter().variable("a", bytes(4), section=".addr_space.1")
    with pytest.raises(SpecError, match=r"no map of type arena in \.maps for them to be in"):
        open_object(file.build())


def test_a_second_arena_is_refused() -> None:
    with pytest.raises(SpecError, match="maps 'one' and 'two' are both arenas"):
        open_object(arena("one", "two").build())
