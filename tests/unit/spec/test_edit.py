"""Changes of a spec: values, maps, programs; what does not fit is the caller's error."""

from pathlib import Path

import pytest

from purebpf.errors import BpfError
from purebpf.plan.stages import open_object
from purebpf.spec import ObjectSpec, Pinning
from purebpf.uapi import AttachType, MapType, ProgramType
from tests.writers import ObjectWriter

BUILT = Path(__file__).parents[3] / "bpf" / "built"
EXIT = b"\x95" + bytes(7)


@pytest.fixture(scope="module")
def globals_() -> ObjectSpec:
    return open_object(BUILT / "globals.bpf.o")


def untyped() -> ObjectSpec:
    file = ObjectWriter().function("entry", EXIT, section="xdp").legacy_map("m", type=1)
    return open_object(file.variable("raw", b"\1\2\3\4").variable("zero", bytes(4), section=".bss").build())


# ------------------------------------------------------------------ with_values


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("data_int", -7),
        ("data_long", 2**64 - 1),
        ("data_static", -32768),
        ("data_text", "world"),
        ("rodata_limit", 5),
        ("rodata_flag", False),
        ("rodata_double", 2.25),
        ("bss_counter", 3),
        ("custom_static", 99),
        ("hidden_data", 1),
        ("weak_data", 2),
    ],
)
def test_a_value_is_encoded_by_its_type_and_read_back(globals_: ObjectSpec, name: str, value: object) -> None:
    changed = globals_.with_values(**{name: value})
    assert changed.value(name) == value
    assert globals_.value(name) != value


def test_arrays_and_structs_take_sequences_and_mappings(globals_: ObjectSpec) -> None:
    changed = globals_.with_values(data_array=[9, 8, 7, 6], rodata_struct={"a": 1, "b": -1, "tag": "x"})
    assert list(changed.value("data_array")) == [9, 8, 7, 6]
    assert changed.value("rodata_struct").b == -1


def test_only_the_variables_bytes_change(globals_: ObjectSpec) -> None:
    changed = globals_.with_values(data_int=1, bss_counter=2)
    others = [name for name in globals_.maps if name not in (".data", ".bss")]
    assert all(changed.maps[name] == globals_.maps[name] for name in others)
    before, after = globals_.maps[".data"].contents, changed.maps[".data"].contents
    assert before is not None
    assert after is not None
    variable = globals_.variables["data_int"]
    place = slice(variable.offset, variable.offset + 4)
    assert after[place] == b"\1\0\0\0"
    assert after[: place.start] + after[place.stop :] == before[: place.start] + before[place.stop :]
    bss = changed.maps[".bss"].contents
    assert bss is not None
    assert len(bss) == changed.maps[".bss"].value_size


def test_no_values_change_nothing(globals_: ObjectSpec) -> None:
    assert globals_.with_values() == globals_


def test_an_unknown_variable_is_a_value_error_with_the_near_names(globals_: ObjectSpec) -> None:
    with pytest.raises(ValueError, match="the object has no global variable 'data_itn'; near: data_int") as caught:
        globals_.with_values(data_itn=1)
    assert not isinstance(caught.value, BpfError)
    with pytest.raises(ValueError, match="no global variable 'x'; it has: raw, zero"):
        untyped().with_values(x=1)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("data_int", "text", TypeError),
        ("data_int", 1.5, TypeError),
        ("data_int", 2**31, ValueError),
        ("rodata_limit", -1, ValueError),
        ("data_text", "x" * 17, ValueError),
        ("data_array", [1, 2, 3, 4, 5], ValueError),
        ("rodata_struct", 5, TypeError),
    ],
)
def test_a_value_that_does_not_fit_names_the_variable(
    globals_: ObjectSpec, name: str, value: object, error: type[Exception]
) -> None:
    with pytest.raises(error) as caught:
        globals_.with_values(**{name: value})
    assert f"'{name}'" in "\n".join([str(caught.value), *getattr(caught.value, "__notes__", ())])


def test_without_types_a_variable_takes_its_bytes() -> None:
    spec = untyped()
    assert spec.value("raw") == b"\1\2\3\4"
    assert spec.with_values(raw=b"abcd").value("raw") == b"abcd"
    assert spec.with_values(zero=bytearray(b"abcd")).maps[".bss"].contents == b"abcd"
    with pytest.raises(ValueError, match="'raw' takes 4 bytes, not 3"):
        spec.with_values(raw=b"abc")
    with pytest.raises(ValueError, match="'raw' takes 4 bytes, not 5"):
        spec.with_values(raw=b"abcde")
    with pytest.raises(TypeError, match="has no type in the file: give its 4 bytes, not int"):
        spec.with_values(raw=1)


def test_the_value_of_an_unknown_variable_is_a_value_error(globals_: ObjectSpec) -> None:
    with pytest.raises(ValueError, match="no global variable 'nothing'"):
        globals_.value("nothing")


# ------------------------------------------------------------------ with_map


def test_properties_of_a_map_are_replaced() -> None:
    spec = untyped()
    changed = spec.with_map("m", max_entries=7, flags=1, pinning=Pinning.BY_NAME, type=MapType.LRU_HASH)
    found = changed.maps["m"]
    assert (found.max_entries, found.flags, found.pinning, found.type) == (7, 1, Pinning.BY_NAME, MapType.LRU_HASH)
    assert spec.maps["m"].max_entries == 1
    assert list(changed.maps) == list(spec.maps)


def test_map_types_may_be_named() -> None:
    assert untyped().with_map("m", type="lru_hash").maps["m"].type is MapType.LRU_HASH
    assert untyped().with_map("m", type=5).maps["m"].type is MapType.PERCPU_HASH
    assert untyped().with_map("m", type=1000).maps["m"].type == 1000
    with pytest.raises(ValueError, match="no map type 'lru_hsah'; near: lru_hash"):
        untyped().with_map("m", type="lru_hsah")


def test_another_size_takes_the_type_away() -> None:
    spec = open_object(BUILT / "maps.bpf.o")
    before, after = spec.maps["array"], spec.with_map("array", value_size=100, key_size=4).maps["array"]
    assert before.value_type
    assert (after.value_type, after.key_type) == (0, before.key_type)


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_entries", -1), ("max_entries", 2**32), ("map_extra", 2**64), ("type", -1), ("pinning", 2)],
)
def test_a_number_that_no_map_can_have_is_a_value_error(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=name):
        untyped().with_map("m", **{name: value})


@pytest.mark.parametrize(("name", "value"), [("max_entries", "7"), ("flags", 1.0), ("pinning", None)])
def test_what_is_no_number_is_a_type_error(name: str, value: object) -> None:
    with pytest.raises(TypeError, match=name):
        untyped().with_map("m", **{name: value})


def test_an_unknown_map_or_property_is_named() -> None:
    with pytest.raises(ValueError, match=r"the object has no map 'n'; it has: \.bss, \.data, m"):
        untyped().with_map("n", max_entries=1)
    with pytest.raises(TypeError, match="a map has no property 'size'; it has: type, key_size"):
        untyped().with_map("m", size=1)


def test_the_size_of_a_data_section_is_the_files() -> None:
    with pytest.raises(ValueError, match=r"map '\.data' is a data section"):
        untyped().with_map(".data", value_size=8)
    assert untyped().with_map(".data", flags=1 << 10).maps[".data"].flags == 1 << 10


# ------------------------------------------------------------------ with_program(s)


def test_exactly_the_named_programs_are_loaded() -> None:
    spec = open_object(BUILT / "subprogs.bpf.o")
    names = [p.name for p in spec.with_programs("not_loaded_by_itself", "calls_leaf").programs.values() if p.autoload]
    assert sorted(names) == ["calls_leaf", "not_loaded_by_itself"]
    assert not any(p.autoload for p in spec.with_programs().programs.values())
    with pytest.raises(ValueError, match="no program 'calls_laef'; near: calls_leaf"):
        spec.with_programs("calls_laef")


def test_a_section_gives_a_program_all_that_its_sec_would() -> None:
    changed = untyped().with_program("entry", section="?fentry.s/bpf:f").programs["entry"]
    assert (changed.type, changed.expected_attach_type) == (ProgramType.TRACING, AttachType.TRACE_FENTRY)
    assert (changed.attach_to, changed.flags, changed.section) == ("bpf:f", 16, "?fentry.s/bpf:f")
    assert not changed.autoload


def test_a_section_without_a_question_mark_leaves_autoload_as_it_was() -> None:
    spec = untyped().with_program("entry", autoload=False)
    assert not spec.with_program("entry", section="socket").programs["entry"].autoload


def test_properties_of_a_program_are_replaced() -> None:
    changed = untyped().with_program("entry", section="kprobe", attach_to="f", autoload=False).programs["entry"]
    assert (changed.type, changed.attach_to, changed.autoload) == (ProgramType.KPROBE, "f", False)
    assert untyped().with_program("entry", type=ProgramType.SCHED_CLS).programs["entry"].type is ProgramType.SCHED_CLS


def test_mistakes_about_programs_are_the_callers() -> None:
    with pytest.raises(ValueError, match="'no/such' is no section name that tells a program type"):
        untyped().with_program("entry", section="no/such")
    with pytest.raises(TypeError, match="a program has no property 'size'; it has: section, type"):
        untyped().with_program("entry", size=1)
    with pytest.raises(ValueError, match="no program 'entri'; near: entry"):
        untyped().with_program("entri", section="xdp")


def test_types_of_a_program_are_given_by_member_number_or_name() -> None:
    for given in (ProgramType.XDP, int(ProgramType.XDP), "xdp"):
        assert untyped().with_program("entry", type=given).programs["entry"].type is ProgramType.XDP
    for wanted in (AttachType.XDP_CPUMAP, int(AttachType.XDP_CPUMAP), "xdp_cpumap", None):
        changed = untyped().with_program("entry", expected_attach_type=wanted).programs["entry"]
        assert changed.expected_attach_type is (None if wanted is None else AttachType.XDP_CPUMAP)
    assert untyped().with_program("entry", type=4711).programs["entry"].type == 4711


@pytest.mark.parametrize(
    ("key", "value", "error", "reason"),
    [
        ("type", "xpd", ValueError, "there is no 'xpd'; near: xdp"),
        ("type", None, TypeError, "type of a program is a number, not NoneType"),
        ("expected_attach_type", "no_such", ValueError, "there is no 'no_such'"),
        ("flags", "x", TypeError, "flags of a program is a number, not str"),
        ("flags", -1, ValueError, "at least 0 and less than 4294967296, not -1"),
        ("log_level", 1 << 32, ValueError, "log_level of a program is at least 0"),
        ("attach_to", 5, TypeError, "attach_to of a program is a name, not int"),
        ("target_program", "x", TypeError, "target_program of a program is a loaded program or an fd, not str"),
        ("autoload", "no", TypeError, "autoload of a program is True or False, not 'no'"),
        ("autoload", 2, TypeError, "autoload of a program is True or False, not 2"),
    ],
)
def test_a_value_that_a_property_cannot_have_is_refused(
    key: str, value: object, error: type[Exception], reason: str
) -> None:
    with pytest.raises(error) as caught:
        untyped().with_program("entry", **{key: value})
    assert reason in str(caught.value)
