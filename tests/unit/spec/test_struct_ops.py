"""struct_ops in a file: maps, the programs in them, what is loaded, what can be changed."""

import pytest

from purebpf.btf import Member, Struct
from purebpf.errors import SpecError
from purebpf.plan.stages import open_object
from purebpf.spec import MapOrigin, ObjectSpec
from purebpf.spec.programs import programs_to_load
from purebpf.spec.struct_ops import F_LINK
from purebpf.uapi import MapType
from purebpf.units import BitOffset
from tests.unit.spec.ops import EXIT, OpsWriter, ops_object


def opened(file: OpsWriter) -> ObjectSpec:
    return open_object(file.build(), name="test")


def refusal(file: OpsWriter) -> str:
    with pytest.raises(SpecError) as caught:
        opened(file)
    return str(caught.value)


@pytest.mark.parametrize(
    ("section", "flags", "made"),
    [
        (".struct_ops", 0, True),
        (".struct_ops.link", F_LINK, True),
        ("?.struct_ops", 0, False),
        ("?.struct_ops.link", F_LINK, False),
    ],
)
def test_a_variable_of_each_section_is_a_map(section: str, flags: int, made: bool) -> None:
    found = opened(ops_object(section)).maps["table"]
    assert (found.type, found.origin) == (MapType.STRUCT_OPS, MapOrigin.STRUCT_OPS)
    assert (found.key_size, found.value_size, found.max_entries) == (4, 24, 1)
    assert (found.flags, found.autocreate, found.section) == (flags, made, section)
    assert found.slots == ((0, "first"),)
    assert found.contents == bytes(16) + (7).to_bytes(8, "little")


def test_what_the_compiler_left_in_a_bound_pointer_counts_for_nothing() -> None:
    file = ops_object()
    file.variable("more", b"\x55" * 24, section=".struct_ops", alignment=8, type=file.struct("more", ("run", file.callback(), 0), size=24))  # fmt: skip  # noqa: E501
    found = opened(file.relocation(".struct_ops", 24, 2, "second")).maps["more"]
    assert found.contents == bytes(8) + b"\x55" * 16


def test_maps_of_one_section_have_their_own_programs() -> None:
    file = ops_object()
    pair = file.struct("pair", ("run", file.callback(), 0), ("stop", file.callback(), 8))
    file.variable("other", bytes(16), section=".struct_ops", alignment=8, type=pair)
    spec = opened(file.relocation(".struct_ops", 24, 2, "second").relocation(".struct_ops", 32, 2, "first"))
    assert spec.maps["other"].slots == ((0, "second"), (1, "first"))
    assert spec.maps["table"].slots == ((0, "first"),)


def test_without_variables_of_it_the_section_makes_no_map() -> None:
    assert not opened(OpsWriter().function("first", EXIT, section="struct_ops")).maps


# ---------------------------------------------------------------- what is refused


def test_a_file_without_types_is_refused() -> None:
    from tests.writers import ObjectWriter

    file = ObjectWriter().function("first", EXIT, section="struct_ops")
    with pytest.raises(SpecError, match=r"no \.BTF \(compile with -g\)"):
        open_object(file.variable("table", bytes(8), section=".struct_ops").build())


def test_an_anonymous_struct_and_what_is_no_struct_are_refused() -> None:
    file = OpsWriter()
    file.variable("table", bytes(8), section=".struct_ops", type=file.struct("", ("run", file.callback(), 0)))
    assert "is of an anonymous struct" in refusal(file)
    file = OpsWriter()
    file.variable("table", bytes(8), section=".struct_ops", type=file.integer(8))
    assert "is no struct" in refusal(file)


def test_a_struct_that_is_larger_than_its_section_is_refused() -> None:
    file = OpsWriter()
    file.variable("table", bytes(8), section=".struct_ops", type=file.struct("ops", size=64))
    assert "reaches outside its section" in refusal(file)


def test_structs_that_lie_over_each_other_are_refused() -> None:
    file = OpsWriter()
    wide = file.struct("wide", size=16)
    for name in ("one", "two"):
        file.variable(name, bytes(8), section=".struct_ops", type=wide)
    file.variable("three", bytes(8), section=".struct_ops", type=file.integer(8))
    assert "map 'two' lies over the one before it" in refusal(file)


@pytest.mark.parametrize(
    ("offset", "symbol", "reason"),
    [
        (4, "second", "'second' does not stand at a member of struct_ops map 'table'"),
        (16, "second", "member 'number' of struct_ops map 'table', which is no function pointer"),
        (8, "text", "'text' in member 'stop' of struct_ops map 'table' is no entry program"),
        (8, "tracer", "program 'tracer' in member 'stop' of struct_ops map 'table' is no struct_ops program"),
        (24, "second", "'second' is put where no struct_ops map is"),
    ],
)
def test_a_relocation_that_binds_no_program_to_a_member_is_refused(offset: int, symbol: str, reason: str) -> None:
    file = ops_object().section(".struct_ops", bytes(8))
    file.function("tracer", EXIT, section="raw_tp/sched_switch").function("text", EXIT)
    assert reason in refusal(file.relocation(".struct_ops", offset, 2, symbol))


# ---------------------------------------------------------------- what is loaded


def test_programs_are_loaded_as_the_maps_that_use_them_are_made() -> None:
    spec = opened(ops_object())
    assert programs_to_load(spec) == ("first", "second")
    assert programs_to_load(spec.with_programs("second")) == ("first", "second")
    unmade = spec.with_map("table", autocreate=False)
    assert programs_to_load(unmade) == ("second",)
    assert programs_to_load(opened(ops_object("?.struct_ops")).with_map("table", autocreate=True)) == (
        "first",
        "second",
    )


def test_a_program_is_loaded_if_one_of_the_maps_that_use_it_is_made() -> None:
    file = ops_object()
    file.variable("more", bytes(8), section=".struct_ops.link", type=file.struct("more", ("run", file.callback(), 0)))
    spec = opened(file.relocation(".struct_ops.link", 0, 2, "first")).with_map("table", autocreate=False)
    assert "first" in programs_to_load(spec)
    assert "first" not in programs_to_load(spec.with_map("more", autocreate=False))


# ---------------------------------------------------------------- changes


def test_members_are_shown_and_changed_by_name() -> None:
    spec = opened(ops_object())
    assert spec.struct_ops("table") == {"run": "first", "stop": None, "number": 7}
    changed = spec.with_struct_ops("table", run="second", stop=spec.programs["first"], number=-1)
    assert changed.struct_ops("table") == {"run": "second", "stop": "first", "number": -1}
    assert spec.struct_ops("table")["number"] == 7


def test_a_program_that_is_taken_out_is_not_loaded_any_more() -> None:
    spec = opened(ops_object())
    assert programs_to_load(spec.with_struct_ops("table", run=None)) == ("second",)
    assert programs_to_load(spec.with_struct_ops("table", run="second")) == ("second",)
    assert programs_to_load(spec.with_struct_ops("table", run="first")) == ("first", "second")
    assert programs_to_load(spec.with_struct_ops("table", run=None, stop="first")) == ("first", "second")


@pytest.mark.parametrize(
    ("members", "error", "text"),
    [
        ({"runn": "first"}, ValueError, "has no member 'runn'; did you mean 'run'?"),
        ({"run": "frist"}, ValueError, "no program 'frist'; near: first"),
        ({"run": 3}, TypeError, "table.run is a pointer: give a program's name or None, not int"),
        ({"run": "tracer"}, ValueError, "takes a struct_ops program, and 'tracer' is of type raw_tracepoint"),
        ({"number": "x"}, TypeError, ""),
        ({"number": 1 << 80}, ValueError, ""),
    ],
)
def test_what_does_not_fit_a_member_is_the_callers_mistake(
    members: dict[str, object], error: type[Exception], text: str
) -> None:
    spec = opened(ops_object().function("tracer", EXIT, section="raw_tp/sched_switch"))
    with pytest.raises(error) as caught:
        spec.with_struct_ops("table", **members)
    assert text in str(caught.value)


def test_only_struct_ops_have_members() -> None:
    file = ops_object().variable("counter", bytes(4))
    with pytest.raises(ValueError, match=r"no struct_ops map '\.data'"):
        opened(file).with_struct_ops(".data", run=None)
    with pytest.raises(ValueError, match="no struct_ops map 'tabel'; near: table"):
        opened(file).struct_ops("tabel")


def test_a_bitfield_can_be_neither_seen_nor_set() -> None:
    file = OpsWriter()
    bits = Struct("ops", 8, (Member("low", file.integer(4), BitOffset(0), 4),), kind_flag=True)
    file.variable("table", bytes(8), section=".struct_ops", type=file.types.add(bits))
    spec = opened(file)
    assert spec.struct_ops("table") == {}
    with pytest.raises(ValueError, match=r"table\.low is a bitfield"):
        spec.with_struct_ops("table", low=1)


def test_the_size_of_a_struct_ops_is_the_files() -> None:
    with pytest.raises(ValueError, match="'table' is a struct_ops: its size and type are the file's"):
        opened(ops_object()).with_map("table", max_entries=2)


def test_a_member_outside_its_struct_can_be_neither_seen_nor_set() -> None:
    file = OpsWriter()
    file.variable(
        "table", bytes(8), section=".struct_ops", type=file.struct("ops", ("far", file.integer(8), 64), size=8)
    )
    spec = opened(file)
    assert spec.struct_ops("table") == {}
    with pytest.raises(ValueError, match=r"table\.far cannot be set: its 8 bytes reach outside the struct"):
        spec.with_struct_ops("table", far=1)
