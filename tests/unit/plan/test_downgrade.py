"""What older kernels are told instead of what the file says."""

import pytest

from purebpf.plan.downgrade import attach_type_for, code_for
from purebpf.plan.stages import open_object
from purebpf.plan.target import Feature, Target
from purebpf.spec import ProgramSpec
from purebpf.uapi import AttachType
from purebpf.units import ByteOrder
from tests.writers import ObjectWriter

EXIT = b"\x95" + bytes(7)


def target(*lacking: Feature, asked: list[Feature] | None = None) -> Target:
    def supports(feature: Feature) -> bool:
        if asked is not None:
            asked.append(feature)
        return feature not in lacking

    return Target("test", "", 0, "little", features=supports)


def program(section: str) -> ProgramSpec:
    return open_object(ObjectWriter().function("entry", EXIT, section=section).build()).programs["entry"]


def call(immediate: int, source: int = 0, *, big: bool = False) -> bytes:
    registers = source if big else source << 4
    return bytes((0x85, registers, 0, 0)) + immediate.to_bytes(4, "big" if big else "little")


@pytest.mark.parametrize("byteorder", ["little", "big"])
@pytest.mark.parametrize(("newer", "older"), [(112, 4), (113, 4), (114, 45), (115, 45)])
def test_helpers_for_one_kind_of_memory_become_those_for_both(newer: int, older: int, byteorder: ByteOrder) -> None:
    big = byteorder == "big"
    code = call(newer, big=big) + EXIT + call(6, big=big)
    wanted = call(older, big=big) + EXIT + call(6, big=big)
    assert code_for(code, byteorder, target(Feature.PROBE_READ_KERNEL)) == wanted
    assert code_for(code, byteorder, target()) is code


def test_only_helpers_are_replaced_and_not_what_looks_like_a_call() -> None:
    wide = b"\x18\x01" + bytes(6) + bytes(4) + (113).to_bytes(4, "little")
    code = call(113, 1) + call(113, 2) + wide + EXIT
    assert code_for(code, "little", target(Feature.PROBE_READ_KERNEL)) == code


def test_nothing_is_asked_of_the_kernel_for_code_without_such_calls() -> None:
    asked: list[Feature] = []
    code_for(call(6) + EXIT, "little", target(asked=asked))
    assert asked == []


@pytest.mark.parametrize(
    ("section", "on_new", "on_old"),
    [
        ("xdp", AttachType.XDP, None),
        ("sk_msg", AttachType.SK_MSG_VERDICT, None),
        ("xdp.frags", AttachType.XDP, AttachType.XDP),
        ("cgroup/bind4", AttachType.CGROUP_INET4_BIND, AttachType.CGROUP_INET4_BIND),
        ("kprobe/f", None, None),
        ("usdt/a:b:c", AttachType.TRACE_UPROBE_MULTI, None),
        ("usdt.s/a:b:c", AttachType.TRACE_UPROBE_MULTI, None),
        ("usdt", AttachType.TRACE_UPROBE_MULTI, None),
    ],
)
def test_attach_types_follow_what_the_kernel_knows(
    section: str, on_new: AttachType | None, on_old: AttachType | None
) -> None:
    assert attach_type_for(program(section), target()) == on_new
    old = target(Feature.EXP_ATTACH_TYPE, Feature.UPROBE_MULTI_LINK)
    assert attach_type_for(program(section), old) == on_old


def test_a_program_without_a_known_section_keeps_what_it_was_given() -> None:
    spec = open_object(ObjectWriter().function("entry", EXIT, section="unknown").build())
    given = spec.with_program("entry", expected_attach_type=AttachType.XDP).programs["entry"]
    assert attach_type_for(given, target(Feature.EXP_ATTACH_TYPE)) is AttachType.XDP
