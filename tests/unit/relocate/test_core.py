"""The stage `core`: records in the order of the file, in what the programs to be loaded reach."""

from struct import pack

import pytest

from purebpf.btf import BtfExtWriter, BtfWriter, CoreKind, Enum, Enumerator, Int, Member, Struct
from purebpf.errors import NotSupported, RelocationError
from purebpf.plan.stages import open_object
from purebpf.plan.target import Target
from purebpf.relocate.core import adapt, reached
from purebpf.relocate.link import link
from purebpf.relocate.model import PoisonedAccess
from purebpf.relocate.patch import POISON, is_poisoned
from purebpf.spec import ObjectSpec
from purebpf.units import BitOffset, ByteOrder, TypeId
from tests.writers import ObjectWriter

EXIT = b"\x95" + bytes(7)
CALL = b"\x85\x10\0\0\xff\xff\xff\xff"


def load(offset: int) -> bytes:
    """The instruction r1 = *(u32 *)(r1 + offset)."""
    return b"\x61\x11" + offset.to_bytes(2, "little") + bytes(4)


def task(writer: BtfWriter, name: str, **offsets: int) -> TypeId:
    """A struct of u32 members at byte offsets."""
    number = writer.add(Int("unsigned int", 4, 32))
    members = [Member(field, number, BitOffset(8 * offset)) for field, offset in offsets.items()]
    return writer.add(Struct(name, max(offsets.values()) + 4, tuple(members)))


def target(*structs: tuple[str, dict[str, int]]) -> Target:
    writer = BtfWriter()
    for name, offsets in structs:
        task(writer, name, **offsets)
    return Target.from_btf(writer.build())


def spec() -> ObjectSpec:
    """`plain` calls `harmless`; `needy` calls `sub`, which reads task.pid and task.state."""
    file = ObjectWriter().function("plain", CALL + EXIT, section="xdp").function("needy", CALL + EXIT, section="socket")
    file.function("harmless", EXIT).function("sub", load(0) + load(4) + EXIT)
    file.call("plain", 0, "harmless").call("needy", 0, "sub")
    btf = BtfWriter()
    ext = BtfExtWriter(btf)
    struct = task(btf, "task___mine", pid=0, state=4)
    ext.core(".text", 8, struct, "0:0", CoreKind.FIELD_BYTE_OFFSET)
    ext.core(".text", 16, struct, "0:1", CoreKind.FIELD_BYTE_OFFSET)
    return open_object(file.section(".BTF.ext", ext.build()).section(".BTF", btf.build()).build())


def test_offsets_become_those_of_the_target() -> None:
    adapted = adapt(spec(), ["plain", "needy"], target(("task", {"state": 12, "pid": 40})))
    assert adapted.functions["sub"].code == load(40) + load(12) + EXIT
    assert [(fixup.insn, fixup.decision.path, fixup.poisoned) for fixup in adapted.fixups["sub"]] == [
        (0, "task___mine.pid", False),
        (1, "task___mine.state", False),
    ]


def test_what_the_target_does_not_have_is_poisoned() -> None:
    adapted = adapt(spec(), ["needy"], target(("task", {"pid": 8})))
    code = adapted.functions["sub"].code
    assert code[:8] == load(8)
    assert is_poisoned(code, 1, "little")
    assert int.from_bytes(code[12:16], "little") == POISON
    assert [fixup.poisoned for fixup in adapted.fixups["sub"]] == [False, True]


def test_programs_that_are_not_loaded_need_nothing() -> None:
    object_ = spec()
    adapted = adapt(object_, ["plain"], Target("bare", "", 0, "little"))
    assert adapted.functions == object_.functions
    assert not adapted.fixups


def test_without_types_of_the_kernel_the_option_is_named() -> None:
    with pytest.raises(NotSupported) as caught:
        adapt(spec(), ["needy"], Target("bare", "", 0, "little"))
    assert caught.value.config == "CONFIG_DEBUG_INFO_BTF"


def test_an_error_tells_program_function_and_instruction() -> None:
    with pytest.raises(RelocationError) as caught:
        adapt(spec(), ["plain", "needy"], target(("task", {"pid": 8}), ("task", {"pid": 16})))
    assert caught.value.program == "needy"
    assert caught.value.insn == 0
    assert caught.value.evidence[0] == "in function 'sub', section '.text'"


def test_what_a_program_reaches_is_told_once_each() -> None:
    assert [function.name for function in reached(spec(), "needy")] == ["needy", "sub"]


def test_cycles_and_callbacks_are_followed() -> None:
    file = ObjectWriter().function("entry", b"\x18\x01" + bytes(14) + EXIT, section="xdp")
    file.function("a", CALL + EXIT).function("b", CALL + EXIT)
    file.address("entry", 0, "a").call("a", 0, "b").call("b", 0, "a")
    found = [function.name for function in reached(open_object(file.build()), "entry")]
    assert found == ["entry", "a", "b"]


def two_sections(first: str, second: str) -> ObjectSpec:
    """`chooses` reads what one candidate alone has, `follows` what two have at different places.

    Their records stand in the file in the order that is given, their functions always the other way round.
    """
    file = ObjectWriter().function("follows", load(0) + EXIT, section="socket")
    file.function("chooses", load(4) + EXIT, section="xdp")
    btf = BtfWriter()
    ext = BtfExtWriter(btf)
    struct = task(btf, "task", pid=0, rare=4)
    for section in (first, second):
        ext.core(section, 0, struct, "0:0" if section == "socket" else "0:1", CoreKind.FIELD_BYTE_OFFSET)
    return open_object(file.section(".BTF.ext", ext.build()).section(".BTF", btf.build()).build())


TWO_TASKS = (("task", {"pid": 8, "rare": 16}), ("task", {"pid": 12}))


def test_records_are_taken_in_the_order_of_the_file_not_of_the_code() -> None:
    adapted = adapt(two_sections("xdp", "socket"), ["follows", "chooses"], target(*TWO_TASKS))
    assert adapted.functions["follows"].code == load(8) + EXIT
    with pytest.raises(RelocationError, match="ambiguous"):
        adapt(two_sections("socket", "xdp"), ["follows", "chooses"], target(*TWO_TASKS))


def test_programs_that_are_not_loaded_rule_nothing_out() -> None:
    with pytest.raises(RelocationError, match="ambiguous"):
        adapt(two_sections("xdp", "socket"), ["follows"], target(*TWO_TASKS))


def test_what_is_wrong_with_a_subprogram_that_nothing_reaches_harms_nobody() -> None:
    object_ = spec()
    assert adapt(object_, ["plain"], target(("task", {"pid": 8}), ("task", {"pid": 16}))).fixups == {}


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_objects_of_either_byte_order_are_adapted(byteorder: ByteOrder) -> None:
    order = "<" if byteorder == "little" else ">"

    def code(offset: int) -> bytes:
        return pack(f"{order}BBhi", 0x61, 0x12, offset, 0) + EXIT

    btf = BtfWriter(byteorder=byteorder)
    ext = BtfExtWriter(btf)
    ext.core("xdp", 0, task(btf, "task", pid=4), "0:0", CoreKind.FIELD_BYTE_OFFSET)
    file = ObjectWriter(byteorder=byteorder).function("entry", code(4), section="xdp")
    object_ = open_object(file.section(".BTF.ext", ext.build()).section(".BTF", btf.build()).build())
    theirs = BtfWriter(byteorder=byteorder)
    task(theirs, "task", pid=40)
    assert adapt(object_, ["entry"], Target.from_btf(theirs.build())).functions["entry"].code == code(40)


def test_poisoned_instructions_are_known_by_their_place_in_the_program() -> None:
    object_ = spec()
    adapted = adapt(object_, ["needy"], target(("task", {"pid": 8})))
    linked = link(object_, adapted.functions, "needy", adapted.fixups)
    (poisoned,) = linked.poisoned
    assert isinstance(poisoned, PoisonedAccess)
    assert (poisoned.insn, poisoned.question) == (3, "the byte offset of 'task___mine.state'")
    assert is_poisoned(linked.code, poisoned.insn, "little")
    assert poisoned.failure().reason == "'task.state' is not in this kernel"


def test_an_enumerator_that_the_compiler_took_as_unsigned_stays_unsigned() -> None:
    def with_enum(value: int) -> BtfWriter:
        writer = BtfWriter()
        writer.add(Enum("flags", 4, (Enumerator("HIGH", value),)))
        return writer

    def wide(value: int) -> bytes:
        return pack("<BBhIBBhI", 0x18, 1, 0, value, 0, 0, 0, 0)

    btf = with_enum(0xFFFFFFFF)
    ext = BtfExtWriter(btf)
    ext.core("xdp", 0, TypeId(1), "0", CoreKind.ENUMVAL_VALUE)
    file = ObjectWriter().function("entry", wide(0xFFFFFFFF) + EXIT, section="xdp")
    object_ = open_object(file.section(".BTF.ext", ext.build()).section(".BTF", btf.build()).build())
    adapted = adapt(object_, ["entry"], Target.from_btf(with_enum(0x80000001).build()))
    assert adapted.functions["entry"].code == wide(0x80000001) + EXIT
