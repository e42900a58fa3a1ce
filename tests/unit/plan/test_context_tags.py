"""Contexts told by tags, for kernels that know them by the name of their type only."""

import struct
from pathlib import Path

import pytest

from purebpf.btf import Btf, DeclTag, Function, FunctionProto, Pointer, Struct
from purebpf.plan.context_tags import CONTEXT_NAMES
from purebpf.plan.stages import open_object, plan_object
from purebpf.plan.steps import LoadBtf, LoadPlan, LoadProgram
from purebpf.plan.target import Feature, Target
from purebpf.spec import ObjectSpec
from purebpf.uapi import ProgramType
from purebpf.units import TypeId

TAGS = Path(__file__).parents[3] / "bpf" / "built" / "tags.bpf.o"


def planned(spec: ObjectSpec, *, known: bool = False) -> LoadPlan:
    features = {Feature.ARG_CTX_TAG: known, Feature.UPROBE_MULTI_LINK: False}
    return plan_object(spec, Target("old", "6.1.1", 0x060101, "little", features=features))


def types(plan: LoadPlan) -> Btf:
    (data,) = (step.data for step in plan.steps if isinstance(step, LoadBtf))
    return Btf.parse(data)


def functions(step: LoadProgram, btf: Btf) -> dict[str, tuple[TypeId, Function]]:
    found = {}
    for _, type_id in struct.iter_unpack("<II", step.func_info):
        function = btf[type_id]
        assert isinstance(function, Function)
        found[function.name] = (TypeId(type_id), function)
    return found


def argument(btf: Btf, function: Function, index: int = 0) -> object:
    """What the pointer that a function takes points to."""
    proto = btf[function.type]
    assert isinstance(proto, FunctionProto)
    pointer = btf[proto.parameters[index].type]
    return btf[pointer.target] if isinstance(pointer, Pointer) else pointer


def test_a_kernel_that_knows_the_tag_gets_the_types_of_the_file() -> None:
    spec = open_object(TAGS)
    assert spec.btf is not None
    assert types(planned(spec, known=True)).raw == spec.btf.raw


@pytest.mark.parametrize(
    ("program", "context"),
    [
        ("on_kprobe", "bpf_user_pt_regs_t"),
        ("on_raw_tracepoint", "bpf_raw_tracepoint_args"),
        ("on_event", "bpf_perf_event_data"),
    ],
)
def test_each_program_has_copies_with_the_name_of_its_own_context(program: str, context: str) -> None:
    spec = open_object(TAGS)
    assert spec.btf is not None
    plan = planned(spec)
    btf = types(plan)
    assert btf.raw.startswith(spec.btf.raw[:4])
    (step,) = (step for step in plan.programs() if step.name == program)
    reached = functions(step, btf)
    for name in {"take_context", "take_two", "take_registers", "take_words"} & reached.keys():
        type_id, function = reached[name]
        assert type_id >= spec.btf.end_id
        assert argument(btf, function) == Struct(context, 0, ())
        tags = [btf[i] for i in btf.ids() if isinstance(btf[i], DeclTag)]
        assert DeclTag("arg:ctx", type_id, 0) in tags
    assert reached[program][0] < spec.btf.end_id


def test_arguments_without_the_tag_stay_what_they_are() -> None:
    spec = open_object(TAGS)
    plan = planned(spec.with_programs("on_kprobe", "with_never_null"))
    btf = types(plan)
    kprobe, never_null = plan.programs()
    assert argument(btf, functions(kprobe, btf)["take_two"][1], 1) != Struct("bpf_user_pt_regs_t", 0, ())
    assert spec.btf is not None
    assert functions(never_null, btf)["take_never_null"][0] < spec.btf.end_id


def test_a_type_of_program_whose_context_has_no_name_is_left_alone() -> None:
    spec = open_object(TAGS).with_programs("on_tracepoint")
    assert spec.btf is not None
    assert types(planned(spec)).raw == spec.btf.raw


def test_only_what_surely_is_a_context_gets_its_name() -> None:
    spec = open_object(TAGS).with_program("on_raw_tracepoint", section="xdp").with_programs("on_raw_tracepoint")
    plan = planned(spec)
    btf = types(plan)
    (step,) = plan.programs()
    reached = functions(step, btf)
    assert spec.btf is not None
    assert argument(btf, reached["take_context"][1]) == Struct("xdp_md", 0, ())
    assert reached["take_words"][0] < spec.btf.end_id


def test_an_old_kernel_without_func_info_is_given_no_copies() -> None:
    spec = open_object(TAGS)
    features = {Feature.ARG_CTX_TAG: False, Feature.BTF: False}
    plan = plan_object(spec, Target("older", "", 0, "little", features=features))
    assert not any(isinstance(step, LoadBtf) for step in plan.steps)
    assert all(not step.func_info for step in plan.programs())


def test_twenty_five_types_of_programs_have_a_named_context() -> None:
    assert len(CONTEXT_NAMES) == 25
    assert ProgramType.TRACING not in CONTEXT_NAMES
