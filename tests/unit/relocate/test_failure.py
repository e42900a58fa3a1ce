# ruff: noqa: E501 (texts as they are read)
"""The commonest failures of CO-RE, in words for somebody who has never seen a loader's source: whole texts."""

import errno
from collections.abc import Callable

import pytest

from purebpf.btf import CoreKind, CoreRelocation
from purebpf.errors import BpfError, VerifierError
from purebpf.relocate.failure import explain_poison
from purebpf.relocate.model import Fixup, PoisonedAccess
from purebpf.relocate.patch import Change, apply
from purebpf.units import InsnIndex, TypeId
from tests.unit.relocate.shapes import Types, decide, record

FAILURES: dict[str, tuple[Callable[[], str], str]] = {}


def failure(expected: str) -> Callable[[Callable[[], str]], Callable[[], str]]:
    """The text that a failure has."""

    def keep(make: Callable[[], str]) -> Callable[[], str]:
        FAILURES[make.__name__] = (make, expected.strip("\n"))
        return make

    return keep


def refused(local: Types, target: Types | None, what: CoreRelocation) -> str:
    """The text with which the verifier's refusal of the poisoned instruction is reported."""
    fixup = Fixup(InsnIndex(3), decide(local, target, what), poisoned=True)
    told = PoisonedAccess(InsnIndex(3), fixup.decision.question, fixup).failure()
    assert told == explain_poison(fixup)
    return str(
        VerifierError(
            "trace_exec",
            errno.EINVAL,
            program_type="kprobe",
            log="3: (85) call unknown#195896080\ninvalid func unknown#195896080\n",
            complaint="3: (85) call unknown#195896080",
            source="trace.bpf.c:12  return task->state;",
            insn=3,
            reason=told.reason,
            evidence=told.evidence,
            remedy=told.remedy,
        )
    )


def task(types: Types, *members: tuple[str, TypeId, int], name: str = "task_struct") -> TypeId:
    return types.struct(name, 64, *members)


def object_with(member: str, kind: str = "int") -> tuple[Types, TypeId]:
    local = Types()
    return local, task(local, (member, getattr(local, kind), 0), name="task_struct___mine")


@failure("""
cannot load program 'trace_exec' (kprobe): 'task_struct.state' is not in this kernel; near: '__state', 'exit_state' [EINVAL]
  verifier at instruction 3, trace.bpf.c:12  return task->state;
    3: (85) call unknown#195896080
  asked for: the byte offset of 'task_struct___mine.state'
  'struct task_struct' [6] there: no member 'state'
  (2 log lines in .log)
ask bpf_core_field_exists() first, and go another way where it says no: a field that was renamed is read through a type of your own, 'struct task_struct___new', that has the new name
""")
def a_renamed_field() -> str:
    local, mine = object_with("state")
    target = Types()
    task(target, ("__state", target.u32, 24), ("exit_state", target.int, 28))
    return refused(local, target, record(mine, "0:0"))


@failure("""
cannot load program 'trace_exec' (kprobe): 'struct task_struct' is not in this kernel; near: 'task_struct_v2' [EINVAL]
  verifier at instruction 3, trace.bpf.c:12  return task->state;
    3: (85) call unknown#195896080
  asked for: the byte offset of 'task_struct___mine.state'
  a name counts up to its last ___: 'task_struct___mine' stands for 'task_struct'
  (2 log lines in .log)
it may be in a module that is not loaded, or in a part of the kernel that was not built; where it may be missing, ask bpf_core_type_exists() first
""")
def a_missing_type() -> str:
    local, mine = object_with("state")
    target = Types()
    task(target, ("state", target.u32, 24), name="task_struct_v2")
    return refused(local, target, record(mine, "0:0"))


@failure("""
cannot load program 'trace_exec' (kprobe): 'task_struct.comm' is something else in this kernel: 'char [16]', not 'int' as in the object [EINVAL]
  verifier at instruction 3, trace.bpf.c:12  return task->state;
    3: (85) call unknown#195896080
  asked for: the byte offset of 'task_struct___mine.comm'
  'struct task_struct' [7] there: 'char [16]', not 'int' as in the object
  (2 log lines in .log)
ask bpf_core_field_exists() first, and go another way where it says no
""")
def a_field_of_another_type() -> str:
    local, mine = object_with("comm")
    target = Types()
    task(target, ("comm", target.array(target.char, 16), 0))
    return refused(local, target, record(mine, "0:0"))


@failure("""
cannot load program 'trace_exec' (kprobe): 'task_struct.cpus[7]' is something else in this kernel: the array has 4 elements, asked for is [7] [EINVAL]
  verifier at instruction 3, trace.bpf.c:12  return task->state;
    3: (85) call unknown#195896080
  asked for: the byte offset of 'task_struct.cpus[7]'
  'struct task_struct' [7] there: the array has 4 elements, asked for is [7]
  (2 log lines in .log)
ask bpf_core_field_exists() first, and go another way where it says no
""")
def an_array_that_is_shorter() -> str:
    local, target = Types(), Types()
    mine = task(local, ("cpus", local.array(local.int, 8), 0))
    task(target, ("cpus", target.array(target.int, 4), 0))
    return refused(local, target, record(mine, "0:0:7"))


@failure("""
cannot load program 'trace_exec' (kprobe): enumerator 'RUNNING' of 'enum states' is not in this kernel; near: 'TASK_RUNNING' [EINVAL]
  verifier at instruction 3, trace.bpf.c:12  return task->state;
    3: (85) call unknown#195896080
  asked for: the value of 'states.RUNNING'
  'enum states' [6] there: no enumerator 'RUNNING'
  (2 log lines in .log)
ask bpf_core_enum_value_exists() first, and go another way where it says no
""")
def a_missing_enumerator() -> str:
    local, target = Types(), Types()
    mine = local.enum("states", RUNNING=1)
    target.enum("states", TASK_RUNNING=0)
    return refused(local, target, record(mine, "0", CoreKind.ENUMVAL_VALUE))


@failure("""
cannot load program 'trace_exec' (kprobe): 'task_struct.pid' has 8 bytes in this kernel, not 4 as in the object [EINVAL]
  verifier at instruction 3, trace.bpf.c:12  return task->state;
    3: (85) call unknown#195896080
  asked for: the byte offset of 'task_struct___mine.pid'
  in the object: 'int', 4 bytes
  in the kernel: 'unsigned long', 8 bytes
  a load or store of another size is right for pointers and unsigned integers only
  (2 log lines in .log)
declare it in the object with the kernel's type and size, or read it with bpf_core_read(), which copies bytes
""")
def a_signed_field_of_another_size() -> str:
    local, mine = object_with("pid")
    target = Types()
    task(target, ("pid", target.u64, 8))
    return refused(local, target, record(mine, "0:0"))


def said(make: Callable[[], object]) -> str:
    with pytest.raises(BpfError) as caught:
        make()
    return str(caught.value)


@failure("""
the byte offset of 'task_struct___mine.pid' is ambiguous: types of that name disagree in the target
  'struct task_struct' [6] of vmlinux: 8 at bit 64
  'struct task_struct' [7] of vmlinux: 12 at bit 96
ask for a field that only the type you mean has before this one, to rule the others out
""")
def two_types_that_disagree() -> str:
    local, mine = object_with("pid")
    target = Types()
    task(target, ("pid", target.int, 8))
    task(target, ("pid", target.int, 12))
    return said(lambda: decide(local, target, record(mine, "0:0")))


@failure("""
this kernel does not support CO-RE: the test's kernel offers no BTF, the description of its types: needs Linux 5.2 or newer and a kernel built with CONFIG_DEBUG_INFO_BTF
  the object asks for the byte offset of 'task_struct___mine.pid'
if you have the BTF of this very kernel in a file, give it: purebpf.load(..., btf=file), or Target.from_btf(file) to plan
""")
def a_kernel_without_types() -> str:
    local, mine = object_with("pid")
    return said(lambda: decide(local, None, record(mine, "0:0")))


@failure("""
the instruction holds 16, the object's own types say 8: code and types do not belong together
  the file may have been changed after it was compiled, or two were joined wrongly
compile it anew
""")
def code_that_does_not_fit_its_types() -> str:
    code = bytearray(b"\x61\x11\x10\0\0\0\0\0")
    return said(lambda: apply(code, 0, Change(8, 24), "little"))


@failure("""
the offset 32768 is too large for a load or store (32767 at most)
the field lies that far in the kernel's type: read it with bpf_core_read(), which adds the offset to the pointer
""")
def a_field_beyond_what_an_instruction_reaches() -> str:
    code = bytearray(b"\x61\x11\x08\0\0\0\0\0")
    return said(lambda: apply(code, 0, Change(8, 32768), "little"))


@failure("""
no load or store moves the 12 bytes that the field has in the target
read it with bpf_core_read(), which copies any number of bytes
""")
def a_field_of_a_size_that_no_instruction_moves() -> str:
    code = bytearray(b"\x61\x11\x08\0\0\0\0\0")
    return said(lambda: apply(code, 0, Change(8, 16, 4, 12), "little"))


@failure("""
a CO-RE record asks for 'struct {...}', which has no name to look for in the target
give the struct the name that it has in the kernel
""")
def a_type_without_a_name() -> str:
    local = Types()
    mine = local.struct("", 4, ("pid", local.int, 0))
    return said(lambda: decide(local, Types(), record(mine, "0:0")))


@failure("""
the path '0:0:3' into 'task_struct' of a CO-RE record asks for element 3 of 1: 'task_struct.numbers[3]'
""")
def an_element_that_the_object_itself_does_not_have() -> str:
    local = Types()
    mine = task(local, ("numbers", local.array(local.int, 1), 0), ("last", local.int, 8))
    return said(lambda: decide(local, Types(), record(mine, "0:0:3")))


@failure("""
cannot load program 'trace_exec' (kprobe): 'enum states' is not in this kernel [EINVAL]
  verifier at instruction 3, trace.bpf.c:12  return task->state;
    3: (85) call unknown#195896080
  asked for: the value of 'states.RUNNING'
  (2 log lines in .log)
it may be in a module that is not loaded, or in a part of the kernel that was not built; where it may be missing, ask bpf_core_enum_value_exists() first
""")
def an_enumerator_of_a_missing_type() -> str:
    local = Types()
    return refused(local, Types(), record(local.enum("states", RUNNING=1), "0", CoreKind.ENUMVAL_VALUE))


@failure("""
the path '0:7' into 'task_struct___mine' of a CO-RE record asks for member 7 of 1
""")
def a_record_that_makes_no_sense() -> str:
    local, mine = object_with("pid")
    return said(lambda: decide(local, Types(), record(mine, "0:7")))


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_reads_well(name: str) -> None:
    make, expected = FAILURES[name]
    assert make() == expected
