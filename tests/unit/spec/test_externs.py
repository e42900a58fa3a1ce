"""What an object asks the kernel for."""

from dataclasses import replace

import pytest

from purebpf.btf import (
    Array,
    DataSection,
    Enum,
    Float,
    Function,
    FunctionProto,
    Int,
    Linkage,
    Parameter,
    SectionVariable,
    Typedef,
    Variable,
)
from purebpf.elf import SymbolBinding
from purebpf.errors import SpecError
from purebpf.plan.stages import open_object
from purebpf.spec import ExternKind, ExternSpec, ObjectSpec
from purebpf.spec.model import KconfigForm, MapOrigin
from purebpf.units import TypeId
from tests.unit.spec.types import Types
from tests.writers import ObjectWriter

EXIT = b"\x95" + bytes(7)
CALL = b"\x85\x10\0\0\xff\xff\xff\xff"


def opened(file: ObjectWriter) -> ObjectSpec:
    return open_object(file.build(), name="test")


def asking(types: Types, *names: str, weak: bool = False) -> ObjectSpec:
    """An object with these undefined symbols."""
    file = ObjectWriter().function("entry", EXIT, section="xdp")
    for name in names:
        file.extern(name, weak=weak)
    return opened(file.section(".BTF", types.writer.build()))


def kernel_functions(types: Types, *functions: tuple[str, TypeId]) -> None:
    """A `.ksyms` of functions, as clang writes it."""
    entries = [
        SectionVariable(types.writer.add(Function(name, proto, Linkage.EXTERN)), 0, 0) for name, proto in functions
    ]
    types.writer.add(DataSection(".ksyms", 0, tuple(entries)))


def test_the_section_of_its_variable_says_what_an_extern_is() -> None:
    types = Types()
    types.section(".kconfig", [("CONFIG_HZ", types.u64, 0, 8)])
    types.section(".ksyms", [("jiffies", types.u64, 0, 8)])
    assert asking(types, "CONFIG_HZ", "jiffies").externs == {
        "CONFIG_HZ": ExternSpec(
            "CONFIG_HZ", ExternKind.KCONFIG, types.u64, weak=False, size=8, alignment=8, section=".kconfig",
            form=KconfigForm.INT,
        ),
        "jiffies": ExternSpec("jiffies", ExternKind.KSYM, types.u64, weak=False, section=".ksyms"),
    }  # fmt: skip


def test_a_function_among_the_ksyms_is_a_kfunc() -> None:
    types = Types()
    kernel_functions(types, ("bpf_kfunc", types.function))
    assert asking(types, "bpf_kfunc", weak=True).externs == {
        "bpf_kfunc": ExternSpec("bpf_kfunc", ExternKind.KFUNC, types.function, weak=True, section=".ksyms")
    }


def test_a_variable_declared_void_has_no_type() -> None:
    types = Types()
    types.section(".ksyms", [("_text", TypeId(0), 0, 0)])
    assert asking(types, "_text").externs["_text"].type == 0


def test_a_variable_has_the_type_behind_its_typedef() -> None:
    types = Types()
    named = types.writer.add(Typedef("counter", types.u64))
    types.section(".ksyms", [("jiffies", named, 0, 8)])
    assert asking(types, "jiffies").externs["jiffies"].type == types.u64


def test_without_types_what_is_called_is_a_function_and_nothing_is_declared() -> None:
    file = ObjectWriter().function("entry", CALL + EXIT, section="xdp").extern("called").extern("other")
    found = opened(file.call("entry", 0, "called")).externs
    assert {name: (extern.kind, extern.section) for name, extern in found.items()} == {
        "called": (ExternKind.KFUNC, ""),
        "other": (ExternKind.KSYM, ""),
    }


def test_defined_and_local_symbols_are_no_externs() -> None:
    file = ObjectWriter().function("entry", EXIT, section="xdp").variable("v", b"x", binding=SymbolBinding.LOCAL)
    assert not opened(file).externs


# ------------------------------------------------------------------ kconfig values


def test_kconfig_values_stand_by_alignment_size_and_name_and_symbols_behind_them() -> None:
    types = Types()
    char = types.writer.add(Int("char", 1, 8, signed=True))
    text = types.writer.add(Array(char, types.u32, 5))
    types.section(
        ".kconfig",
        [("CONFIG_TEXT", text, 0, 5), ("CONFIG_B", types.u32, 0, 4), ("CONFIG_A", types.u32, 0, 4),
         ("CONFIG_C", char, 0, 1), ("CONFIG_LONG", types.u64, 0, 8)],
    )  # fmt: skip
    types.section(".ksyms", [("zebra", types.u32, 0, 4), ("ant", types.u32, 0, 4)])
    spec = asking(types, "zebra", "CONFIG_B", "CONFIG_TEXT", "CONFIG_A", "CONFIG_C", "CONFIG_LONG", "ant")
    assert [(extern.name, extern.offset) for extern in spec.externs.values()] == [
        ("CONFIG_LONG", 0), ("CONFIG_A", 8), ("CONFIG_B", 12), ("CONFIG_C", 16), ("CONFIG_TEXT", 17),
        ("ant", 0), ("zebra", 0),
    ]  # fmt: skip
    kconfig = spec.maps[".kconfig"]
    assert (kconfig.value_size, kconfig.max_entries, kconfig.frozen) == (22, 1, True)
    assert (kconfig.origin, kconfig.flags) == (MapOrigin.KCONFIG, 1 << 7 | 1 << 10)
    assert {name: variable.offset for name, variable in spec.variables.items()} == {
        "CONFIG_LONG": 0, "CONFIG_A": 8, "CONFIG_B": 12, "CONFIG_C": 16, "CONFIG_TEXT": 17,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("declared", "form"),
    [
        (Int("_Bool", 1, 8, boolean=True), KconfigForm.BOOL),
        (Int("char", 1, 8, signed=True), KconfigForm.CHAR),
        (Int("unsigned short", 2, 16), KconfigForm.INT),
        (Enum("libbpf_tristate", 4, ()), KconfigForm.TRISTATE),
        (Enum("libbpf_tristate", 8, (), wide=True), KconfigForm.TRISTATE),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_the_type_says_what_the_configuration_may_say(declared, form) -> None:
    types = Types()
    type_id = types.writer.add(Typedef("alias", TypeId(types.writer.next_id + 1)))
    types.writer.add(declared)
    types.section(".kconfig", [("CONFIG_X", type_id, 0, declared.size)])
    assert asking(types, "CONFIG_X").externs["CONFIG_X"].form is form


@pytest.mark.parametrize(
    "declared",
    [
        Int("__int128", 16, 128),
        Int("wide_bool", 4, 32, boolean=True),
        Enum("colour", 4, ()),
        Float("float", 4),
        Array(TypeId(1), TypeId(1), 4),
        FunctionProto(TypeId(0), ()),
    ],
    ids=lambda declared: declared.name or type(declared).__name__,
)
def test_a_type_that_no_configuration_fits_is_the_files_fault(declared) -> None:
    types = Types()
    type_id = types.writer.add(declared)
    types.section(".kconfig", [("CONFIG_X", type_id, 0, 4)])
    with pytest.raises(SpecError, match=r"'CONFIG_X' is of type .*: a kconfig value is a bool, a char"):
        asking(types, "CONFIG_X")


def test_a_text_needs_a_length() -> None:
    types = Types()
    char = types.writer.add(Int("char", 1, 8))
    text = types.writer.add(Array(char, types.u32, 0))
    types.section(".kconfig", [("CONFIG_CC_VERSION_TEXT", text, 0, 0)])
    with pytest.raises(SpecError, match="an array of char with a length"):
        asking(types, "CONFIG_CC_VERSION_TEXT")


def test_a_kconfig_value_cannot_be_set_as_a_variable() -> None:
    types = Types()
    types.section(".kconfig", [("CONFIG_HZ", types.u32, 0, 4)])
    spec = asking(types, "CONFIG_HZ")
    with pytest.raises(ValueError, match="the option kconfig gives another"):
        spec.with_values(CONFIG_HZ=3)
    with pytest.raises(ValueError, match="known when the object is loaded"):
        spec.value("CONFIG_HZ")
    with pytest.raises(ValueError, match="of the kernel's configuration: its size and type are the file's"):
        spec.with_map(".kconfig", max_entries=2)


# ------------------------------------------------------------------ types


def test_kconfig_types_get_their_places() -> None:
    types = Types()
    section = types.section(".kconfig", [("CONFIG_A", types.u32, 0, 4), ("CONFIG_B", types.u64, 0, 8)])
    btf = asking(types, "CONFIG_A", "CONFIG_B").btf
    assert btf is not None
    datasec = btf[section]
    assert isinstance(datasec, DataSection)
    assert datasec.size == 12
    assert [(btf.name_of(v.type), v.offset, v.size) for v in datasec.variables] == [
        ("CONFIG_B", 0, 8),
        ("CONFIG_A", 8, 4),
    ]
    assert all(btf[v.type].linkage == Linkage.GLOBAL for v in datasec.variables)  # type: ignore[union-attr]


def test_typed_kernel_variables_become_ints() -> None:
    types = Types()
    section = types.section(".ksyms", [("first", types.u64, 0, 0), ("second", TypeId(0), 0, 0)])
    btf = asking(types, "first", "second").btf
    assert btf is not None
    datasec = btf[section]
    assert isinstance(datasec, DataSection)
    assert (datasec.size, [(v.offset, v.size) for v in datasec.variables]) == (8, [(0, 4), (4, 4)])
    assert [btf[v.type] for v in datasec.variables] == [
        Variable("first", types.u32, Linkage.GLOBAL),
        Variable("second", types.u32, Linkage.GLOBAL),
    ]


def test_kernel_functions_become_global_and_their_section_lists_a_dummy() -> None:
    types = Types()
    proto = types.writer.add(FunctionProto(types.u32, (Parameter("", types.u32), Parameter("given", types.u32))))
    variadic = types.writer.add(FunctionProto(types.u32, (Parameter("", TypeId(0)),)))
    kernel_functions(types, ("bpf_a", proto), ("bpf_b", variadic))
    end = types.writer.next_id
    btf = asking(types, "bpf_a", "bpf_b").btf
    assert btf is not None
    assert btf[end] == Variable("dummy_ksym", types.u32, Linkage.GLOBAL)
    assert len(btf) == end + 1
    datasec = btf[btf.find_one(".ksyms") or 0]
    assert isinstance(datasec, DataSection)
    assert datasec.variables == (SectionVariable(end, 0, 4), SectionVariable(end, 4, 4))
    function = btf[btf.find_one("bpf_a") or 0]
    assert function == Function("bpf_a", proto, Linkage.GLOBAL)
    assert btf[proto] == FunctionProto(types.u32, (Parameter("dummy_ksym", types.u32), Parameter("given", types.u32)))
    assert btf[variadic] == FunctionProto(types.u32, (Parameter("", TypeId(0)),))


def test_a_file_without_an_int_gets_one_for_its_kernel_variables() -> None:
    types = Types()
    types.writer = replace_first_types(types)
    types.section(".ksyms", [("thing", TypeId(0), 0, 0)])
    end = types.writer.next_id
    btf = asking(types, "thing").btf
    assert btf is not None
    assert btf[end] == Int("int", 4, 32, signed=True)
    assert btf[btf.find_one("thing") or 0] == Variable("thing", end, Linkage.GLOBAL)


def replace_first_types(types: Types):
    """A writer whose only type is no int of 32 bits."""
    writer = type(types.writer)()
    writer.add(Int("u64", 8, 64))
    return writer


def test_types_that_list_what_the_file_does_not_ask_for_are_refused() -> None:
    types = Types()
    types.section(".ksyms", [("jiffies", types.u64, 0, 8)])
    with pytest.raises(SpecError, match=r"'\.ksyms': its types list 'jiffies', of which the file has no undefined"):
        asking(types, "other")


def test_a_function_is_no_kconfig_value() -> None:
    types = Types()
    function = types.writer.add(Function("CONFIG_X", types.function, Linkage.EXTERN))
    types.writer.add(DataSection(".kconfig", 0, (SectionVariable(function, 0, 0),)))
    with pytest.raises(SpecError, match="'CONFIG_X', which is no variable"):
        asking(types, "CONFIG_X")


def test_a_spec_without_externs_keeps_its_types() -> None:
    types = Types()
    spec = asking(types)
    assert spec.btf is not None
    assert spec.btf.raw == types.writer.build()
    assert replace(spec, externs={}) == spec
