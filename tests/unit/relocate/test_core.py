"""The stage `core`: records in the order of the file, in what the programs to be loaded reach."""

import pytest

from purebpf.btf import BtfExtWriter, BtfWriter, CoreKind, Int, Member, Struct
from purebpf.errors import NotSupported, RelocationError
from purebpf.plan.stages import open_object
from purebpf.plan.target import Target
from purebpf.relocate.core import adapt, reached
from purebpf.relocate.patch import POISON, is_poisoned
from purebpf.spec import ObjectSpec
from purebpf.units import BitOffset, TypeId
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
