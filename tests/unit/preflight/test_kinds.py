"""Kinds of programs, and whether they may sleep."""

import purebpf
from purebpf.insn import Assembler
from purebpf.insn.asm import R0
from purebpf.plan.target import encode_version
from purebpf.preflight.judge import check
from purebpf.preflight.kinds import Ages, Kind, described, first_as_new, must_not_sleep
from purebpf.preflight.report import Finding
from purebpf.uapi import AttachType, ProgramType
from tests.unit.preflight.kernels import FUNCTIONS, kernel
from tests.writers import TypedObjectWriter

BUILT_WITH = (*FUNCTIONS, "tp_prog_func_proto", "bpf_struct_ops_map_alloc", "bpf_lsm_func_proto", "bpf_lsm_file_open")


def _release(text: str) -> Ages:
    version = encode_version(text)
    return Ages(version, version + 1)


def _findings(
    section: str,
    release: str,
    license: str = "GPL",  # noqa: A002
) -> tuple[Finding, ...]:
    file = TypedObjectWriter(license=license).function("entry", Assembler().mov(R0, 0).exit(), section=section)
    return check(purebpf.open(file.build(), name="object"), kernel(release, functions=BUILT_WITH)).findings


def test_programs_that_no_kernel_lets_sleep_are_told() -> None:
    (finding,) = _findings("tp.s/syscalls/sys_enter_openat", "6.12")
    assert finding.need == "program type"
    assert finding.reason == "programs of type tracepoint could not be sleepable up to Linux 6.12"
    assert _findings("tp.s/syscalls/sys_enter_openat", "9.9") == ()


def test_a_kind_that_one_kernel_let_sleep_is_only_told_where_both_neighbours_agree() -> None:
    kind = Kind(ProgramType.TRACING, AttachType.TRACE_RAW_TP, sleepable=True)
    assert must_not_sleep(kind, _release("6.1")) == ""
    assert must_not_sleep(kind, _release("6.5")) == ""
    assert must_not_sleep(kind, _release("6.12")) == "6.12"
    assert must_not_sleep(kind, Ages(0, 0)) == ""


def test_a_type_that_only_gpl_compatible_programs_may_have_needs_the_license() -> None:
    (finding,) = _findings("lsm/file_open", "6.12", "Proprietary")
    assert (finding.need, finding.name) == ("license", "Proprietary")
    assert _findings("lsm/file_open", "6.12") == ()


def test_all_releases_of_a_series_are_as_new_as_the_kernel_of_it_that_was_asked() -> None:
    assert first_as_new(_release("6.1.255")) == first_as_new(_release("5.4")) == 0
    assert first_as_new(_release("6.2")) == first_as_new(_release("6.12.94")) == 1
    assert first_as_new(_release("9.0")) is None


def test_a_kind_is_named_by_what_tells_it_apart() -> None:
    assert list(Kind(ProgramType.XDP).names()) == ["xdp"]
    assert list(Kind(ProgramType.LSM, AttachType.LSM_MAC, True, "bpf").names()) == [
        "lsm/lsm_mac.s:bpf",
        "lsm/lsm_mac.s",
    ]
    # The attach type of a struct_ops is the number of a member.
    member = Kind(ProgramType.STRUCT_OPS, 4, hook="tcp_congestion_ops:init")
    assert list(member.names()) == ["struct_ops:tcp_congestion_ops:init", "struct_ops:tcp_congestion_ops"]
    assert list(Kind(ProgramType.STRUCT_OPS, 4).names()) == []
    assert list(Kind(ProgramType.XDP, 4711).names()) == []
    assert described(Kind(ProgramType.KPROBE, sleepable=True)) == "sleepable program of type kprobe"
    assert described(Kind(ProgramType.TRACING, AttachType.TRACE_ITER, hook="tcp")) == "program of type tracing for tcp"
