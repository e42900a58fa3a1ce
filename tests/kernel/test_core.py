"""CO-RE on this kernel: each kind of question has the answer that the kernel itself gives, and the verifier's complaint
about an access that it has not says which and what is near.
"""

import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import purebpf
from purebpf.btf import Kind, Struct
from purebpf.errors import VerifierError
from purebpf.live.object import BpfObject
from purebpf.plan.target import Target

BpfFile = Callable[[str], Path]


@pytest.fixture
def answers(bpf_object: BpfFile) -> Iterator[BpfObject]:
    """Every program has run once, in this thread."""
    with purebpf.load(bpf_object("core")) as loaded:
        for program in loaded.programs.values():
            assert program.test_run().retval == 0
        yield loaded


def test_fields_are_read_where_this_kernel_has_them(answers: BpfObject) -> None:
    said = answers.variables
    assert (said["pid"], said["tgid"]) == (threading.get_native_id(), os.getpid())
    assert said["direct_pid"] == said["pid"]
    assert said["parent_tgid"] == os.getppid()
    assert said["comm"] == Path("/proc/self/comm").read_text().rstrip("\n")
    assert (said["comm_size"], said["pid_signed"]) == (16, True)
    assert said["pid_offset"] == offset_in_task("pid")


def offset_in_task(name: str) -> int:
    types = purebpf.running_target().btf
    assert types is not None
    task = types[types.find("task_struct")[0]]
    assert isinstance(task, Struct)
    return next(member.bit_offset // 8 for member in task.members if member.name == name)


def test_a_bitfield_is_the_one_that_the_kernel_sets(bpf_object: BpfFile) -> None:
    normal = os.sched_param(0)
    with purebpf.load(purebpf.open(bpf_object("core")).with_programs("fields")) as loaded:
        program = loaded.programs["fields"]
        seen = []
        for policy in (os.SCHED_OTHER, os.SCHED_OTHER | os.SCHED_RESET_ON_FORK, os.SCHED_OTHER):
            os.sched_setscheduler(0, policy, normal)
            program.test_run()
            seen.append(loaded.variables["reset_on_fork"])
    assert seen == [0, 1, 0]


def test_a_renamed_field_is_found_by_its_flavour(answers: BpfObject) -> None:
    said = answers.variables
    assert (said["state_renamed"], said["state_kept"], said["no_such_member"]) == (True, False, False)
    assert said["state"] == 0, "the task runs"


def test_types_are_known_by_the_ids_and_sizes_of_this_kernel(answers: BpfObject) -> None:
    said, kernel, local = answers.variables, purebpf.running_target().btf, answers.spec.btf
    assert kernel is not None
    assert local is not None
    assert said["task_type"] == kernel.find("task_struct")[0]
    assert said["local_task_type"] == local.find("task_struct")[0]
    assert (said["list_exists"], said["list_size"]) == (True, 16)
    assert (said["no_such_struct_exists"], said["no_such_struct_size"]) == (False, 0)


def test_enumerators_have_the_values_of_this_kernel(answers: BpfObject) -> None:
    said = answers.variables
    assert (said["ringbuf"], said["ringbuf_exists"], said["no_such_type_exists"]) == (27, True, False)


def test_a_type_matches_only_one_with_the_same_members(bpf_object: BpfFile) -> None:
    with purebpf.load(bpf_object("core_matches")) as loaded:
        loaded.programs["matches"].test_run()
        assert (loaded.variables["same"], loaded.variables["other"]) == (True, False)


def test_an_object_that_asks_about_its_own_types_needs_none_of_the_kernel(bpf_object: BpfFile) -> None:
    spec = purebpf.open(bpf_object("core_local"))
    assert spec.btf is not None
    known = purebpf.running_target()
    without = Target(known.name, known.release, known.kernel_version, known.byteorder, features=known.features)
    with purebpf.load(purebpf.plan(spec, without)) as loaded:
        loaded.programs["local"].test_run()
        assert loaded.variables["record_type"] == spec.btf.find("record")[0]


@pytest.mark.usefixtures("netns")
def test_types_of_a_module_are_found_where_the_kernel_has_none_of_the_name(bpf_object: BpfFile) -> None:
    # A pair of veth devices is there: the module is loaded, or the kernel has it built in.
    target = purebpf.running_target()
    kernel = [types for types in (target.btf, *(module.btf for module in target.modules())) if types is not None]
    sizes = {types.size_or_type(found) for types in kernel for found in types.find("veth_priv", Kind.STRUCT)}
    with purebpf.load(bpf_object("core_module")) as loaded:
        loaded.programs["veth"].test_run()
        assert (loaded.variables["exists"], loaded.variables["peer_size"]) == (True, 8)
        assert {loaded.variables["size"]} == sizes


REFUSALS = {
    "renamed": (
        r"'task_struct\.state' is not in this kernel; near: '__state'",
        "result = BPF_CORE_READ(task, real_parent",
    ),
    "retyped": (r"'task_struct\.comm' is something else in this kernel: 'char \[16\]', not 'unsigned long'", "task"),
    "resized": (r"'task_struct\.pid' has 4 bytes in this kernel, not 8 as in the object", "result = task->pid;"),
    "no_type": (r"'struct task_structure' is not in this kernel; near: 'task_struct'", "task"),
    "no_enumerator": (
        r"enumerator 'BPF_MAP_TYPE_RINGBUFFER' of 'enum bpf_map_type' is not in this kernel; near: '",
        "number",
    ),
}


@pytest.mark.parametrize("program", REFUSALS)
def test_what_the_verifier_reaches_is_told_as_the_access_with_its_source_line(
    bpf_object: BpfFile, program: str
) -> None:
    reason, source = REFUSALS[program]
    with pytest.raises(VerifierError) as caught:
        purebpf.load(purebpf.open(bpf_object("core_missing")).with_programs(program))
    text = str(caught.value)
    first, second, *_ = text.splitlines()
    assert re.match(rf"cannot load program '{program}' \(raw_tracepoint\): {reason}", first)
    assert re.match(r"  verifier at instruction \d+, core_missing\.bpf\.c:\d+  ", second)
    assert source in second
    assert "asked for: " in text
    assert "call unknown#195896080" in caught.value.log


def test_a_guarded_access_to_what_is_missing_costs_nothing(answers: BpfObject) -> None:
    poisoned = purebpf.plan(answers.spec).programs()
    assert [step.name for step in poisoned if step.poisoned] == ["flavours"]
