"""CO-RE accesses are refused by name until they can be adapted, in programs that are loaded only."""

import pytest

from purebpf.btf import BtfExtWriter, BtfWriter, CoreKind, Struct
from purebpf.errors import RelocationError
from purebpf.plan.stages import open_object
from purebpf.relocate.core import adapt, reached
from purebpf.spec import ObjectSpec
from tests.writers import ObjectWriter

EXIT = b"\x95" + bytes(7)
CALL = b"\x85\x10\0\0\xff\xff\xff\xff"


def spec() -> ObjectSpec:
    """`plain` calls `harmless`; `needy` calls `sub`, which has an access at instruction 1."""
    file = ObjectWriter().function("plain", CALL + EXIT, section="xdp").function("needy", CALL + EXIT, section="socket")
    file.function("harmless", EXIT).function("sub", EXIT + EXIT)
    file.call("plain", 0, "harmless").call("needy", 0, "sub")
    btf = BtfWriter()
    ext = BtfExtWriter(btf)
    ext.core(".text", 16, btf.add(Struct("task_struct", 8, ())), "0:7", CoreKind.FIELD_BYTE_OFFSET)
    return open_object(file.section(".BTF.ext", ext.build()).section(".BTF", btf.build()).build())


def test_an_access_is_refused_with_its_type_place_and_path() -> None:
    with pytest.raises(RelocationError) as caught:
        adapt(spec(), ["plain", "needy"])
    assert str(caught.value) == (
        "cannot prepare program 'needy', instruction 1: CO-RE relocation field_byte_offset of struct task_struct (0:7) "
        "is not supported yet\n  in function 'sub', section '.text'"
    )


def test_programs_that_are_not_loaded_need_nothing() -> None:
    object_ = spec()
    assert adapt(object_, ["plain"]).functions == object_.functions


def test_what_a_program_reaches_is_told_once_each() -> None:
    assert [function.name for function in reached(spec(), "needy")] == ["needy", "sub"]


def test_cycles_and_callbacks_are_followed() -> None:
    file = ObjectWriter().function("entry", b"\x18\x01" + bytes(14) + EXIT, section="xdp")
    file.function("a", CALL + EXIT).function("b", CALL + EXIT)
    file.address("entry", 0, "a").call("a", 0, "b").call("b", 0, "a")
    found = [function.name for function in reached(open_object(file.build()), "entry")]
    assert found == ["entry", "a", "b"]
