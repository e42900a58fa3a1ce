"""Whole objects, from bytes to a plan: damage gives an error of purebpf or a value, soon."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purebpf.elf import SectionType, read_elf
from purebpf.errors import BpfError, ObjectFileError
from purebpf.plan.stages import open_object, plan_object, trace
from purebpf.plan.steps import LoadProgram
from purebpf.plan.target import Target
from purebpf.testing import damaged, object_files
from tests.property.bounded import bounded
from tests.writers import TypedObjectWriter

BUILT = [path.read_bytes() for path in sorted((Path(__file__).parents[2] / "bpf" / "built").rglob("*.o"))]
TARGETS = {byteorder: Target("test", "6.12.0", 0x060C00, byteorder, possible_cpus=2) for byteorder in ("little", "big")}


def prepare(data: bytes) -> str:
    """Run every pure stage; the result is how far it went."""
    with bounded(10):
        try:
            spec = open_object(data, name="any")
        except ObjectFileError as error:
            assert str(error)  # noqa: PT017
            return "refused by the file"
        try:
            plan = plan_object(spec, TARGETS[spec.byteorder])
        except BpfError as error:
            assert str(error)  # noqa: PT017
            return "refused by the plan"
        loaded = [step for step in plan.steps if isinstance(step, LoadProgram)]
        assert len(loaded) == sum(program.autoload for program in spec.programs.values())
        return "planned"


@given(object_files())
def test_sound_objects_are_described(data: bytes) -> None:
    spec = open_object(data, name="any")
    assert spec.programs
    assert spec.license == "GPL"
    assert prepare(data) != "refused by the file"


@given(damaged(object_files()))
def test_damaged_objects_are_refused_or_planned(data: bytes) -> None:
    prepare(data)


@given(damaged(st.sampled_from(BUILT)))
def test_damaged_objects_of_clang_are_refused_or_planned(data: bytes) -> None:
    prepare(data)


@given(object_files() | damaged(object_files()))
def test_the_stages_one_by_one_end_as_the_whole_does(data: bytes) -> None:
    *_, last = trace(data, TARGETS["little"], name="any")
    try:
        plan = plan_object(open_object(data, name="any"), TARGETS["little"])
    except BpfError as error:
        assert str(last.error) == str(error)  # noqa: PT017
    else:
        assert (last.stage, last.value) == ("plan", plan)


def test_each_outcome_is_seen_on_the_objects_of_clang() -> None:
    outcomes = Counter(prepare(data) for data in BUILT)
    assert outcomes["planned"] > len(BUILT) // 2
    assert outcomes["refused by the plan"]


def test_cutting_an_object_anywhere_is_an_error_of_the_file() -> None:
    data = min(BUILT, key=len)
    for length in range(0, len(data), 7):
        with pytest.raises(ObjectFileError):
            open_object(data[:length], name="any")


@pytest.mark.parametrize("name", ["number", "counts"])
def test_a_place_beyond_what_a_type_record_can_say_is_an_error_of_the_file(name: str) -> None:
    # Found by damage: an ELF symbol has 64 bits for its place, the DATASEC that it is copied to has 32.
    file = TypedObjectWriter()
    file.variable("number", bytes(4), section=".data", type=file.integer(4))
    file.map("counts", type=1, max_entries=1, key=file.integer(4), value=file.integer(4))
    data = file.build()
    elf = read_elf(data)
    table = elf.section(".symtab")
    assert table is not None
    (index,) = [symbol.index for symbol in elf.symbols if symbol.name == name]
    damage = bytearray(data)
    damage[table.offset + 24 * index + 12] = 1
    with pytest.raises(ObjectFileError):
        open_object(bytes(damage), name="any")


@pytest.mark.parametrize("section", [".data", ".maps", ".rodata", "license"])
def test_a_section_larger_than_a_type_record_can_say_is_an_error_of_the_file(section: str) -> None:
    # Found by damage, as the one above: NOBITS lets a section be of any size in a small file.
    file = TypedObjectWriter()
    file.variable("number", bytes(4), section=".data", type=file.integer(4))
    file.variable("constant", bytes(4), section=".rodata", type=file.integer(4))
    file.map("counts", type=1, max_entries=1, key=file.integer(4), value=file.integer(4))
    damage = bytearray(file.build())
    found = read_elf(damage).section(section)
    assert found is not None
    header = int.from_bytes(damage[40:48], "little") + 64 * found.index
    damage[header + 4] = SectionType.NOBITS
    damage[header + 32 : header + 40] = (1 << 33).to_bytes(8, "little")
    with bounded(10), pytest.raises(ObjectFileError):
        open_object(bytes(damage), name="any")
