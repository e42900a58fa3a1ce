"""What an object asks the kernel for."""

from purebpf.btf import DataSection, Function, Linkage, SectionVariable
from purebpf.elf import SymbolBinding
from purebpf.plan.stages import open_object
from purebpf.spec import ExternKind, ExternSpec
from tests.unit.spec.types import Types
from tests.writers import ObjectWriter

EXIT = b"\x95" + bytes(7)
CALL = b"\x85\x10\0\0\xff\xff\xff\xff"


def externs(file: ObjectWriter) -> dict[str, ExternSpec]:
    return dict(open_object(file.build(), name="test").externs)


def test_the_section_of_its_variable_says_what_an_extern_is() -> None:
    types = Types()
    types.section(".kconfig", [("CONFIG_HZ", types.u64, 0, 8)])
    types.section(".ksyms", [("jiffies", types.u64, 0, 8)])
    file = ObjectWriter().function("entry", EXIT, section="xdp").extern("CONFIG_HZ").extern("jiffies", weak=True)
    assert externs(file.section(".BTF", types.writer.build())) == {
        "CONFIG_HZ": ExternSpec("CONFIG_HZ", ExternKind.KCONFIG, types.u64, weak=False, size=8, alignment=8),
        "jiffies": ExternSpec("jiffies", ExternKind.KSYM, types.u64, weak=True),
    }


def test_a_function_among_the_ksyms_is_a_kfunc() -> None:
    types = Types()
    function = types.writer.add(Function("bpf_kfunc", types.function, Linkage.EXTERN))
    types.writer.add(DataSection(".ksyms", 0, (SectionVariable(function, 0, 0),)))
    file = (
        ObjectWriter().function("entry", CALL + EXIT, section="xdp").extern("bpf_kfunc").call("entry", 0, "bpf_kfunc")
    )
    assert externs(file.section(".BTF", types.writer.build())) == {
        "bpf_kfunc": ExternSpec("bpf_kfunc", ExternKind.KFUNC, types.function, weak=False)
    }


def test_without_types_what_is_called_is_a_function() -> None:
    file = ObjectWriter().function("entry", CALL + EXIT, section="xdp").extern("called").extern("other")
    found = externs(file.call("entry", 0, "called"))
    assert {name: extern.kind for name, extern in found.items()} == {
        "called": ExternKind.KFUNC,
        "other": ExternKind.KSYM,
    }


def test_a_kconfig_text_of_unknown_length_has_no_size_yet() -> None:
    types = Types()
    types.section(".kconfig", [("CONFIG_CC_VERSION_TEXT", types.function, 0, 0)])
    file = ObjectWriter().function("entry", EXIT, section="xdp").extern("CONFIG_CC_VERSION_TEXT")
    assert externs(file.section(".BTF", types.writer.build()))["CONFIG_CC_VERSION_TEXT"].size == 0


def test_defined_and_local_symbols_are_no_externs() -> None:
    file = ObjectWriter().function("entry", EXIT, section="xdp").variable("v", b"x", binding=SymbolBinding.LOCAL)
    assert not externs(file)
