"""Externs are refused by name, all of them at once, until they can be resolved."""

import pytest

from purebpf.errors import UnresolvedExtern
from purebpf.relocate.externs import resolve_externs
from purebpf.relocate.model import LinkedProgram
from purebpf.spec import ExternCall, ExternKind, ExternSpec, ExternValue, ObjectSpec
from purebpf.units import VOID, InsnIndex

SPEC = ObjectSpec(
    "test", "test.o", "little", "GPL", 0, None, {}, {}, {},
    externs={
        "CONFIG_HZ": ExternSpec("CONFIG_HZ", ExternKind.KCONFIG, VOID, weak=False),
        "jiffies": ExternSpec("jiffies", ExternKind.KSYM, VOID, weak=True),
        "bpf_kfunc": ExternSpec("bpf_kfunc", ExternKind.KFUNC, VOID, weak=False),
    },
)  # fmt: skip


def test_a_program_without_externs_is_unchanged() -> None:
    program = LinkedProgram("entry", b"", (), ())
    assert resolve_externs(SPEC, program) is program


def test_all_that_a_program_needs_is_named_once() -> None:
    needed = (
        ExternValue(InsnIndex(3), "CONFIG_HZ"),
        ExternValue(InsnIndex(5), "jiffies"),
        ExternCall(InsnIndex(7), "bpf_kfunc"),
        ExternValue(InsnIndex(9), "CONFIG_HZ"),
    )
    with pytest.raises(UnresolvedExtern) as caught:
        resolve_externs(SPEC, LinkedProgram("entry", b"", (), (), externs=needed))
    assert str(caught.value) == (
        "cannot prepare program 'entry', instruction 3: kernel configuration value 'CONFIG_HZ' cannot be resolved: "
        "externs are not supported yet\n"
        "  kernel configuration value 'CONFIG_HZ'\n"
        "  kernel symbol 'jiffies'\n"
        "  kernel function 'bpf_kfunc'"
    )
