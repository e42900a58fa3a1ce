"""Which programs may call a helper."""

import pytest

import purebpf
from purebpf.insn import Assembler
from purebpf.insn.asm import R0, R1, R6
from purebpf.plan.target import encode_version
from purebpf.preflight import helper_table
from purebpf.preflight.helpers import denied
from purebpf.preflight.judge import check
from purebpf.preflight.kinds import Ages, Kind
from purebpf.preflight.report import Finding, Verdict
from purebpf.uapi import AttachType, ProgramType
from tests.unit.preflight.kernels import FUNCTIONS, kernel
from tests.writers import TypedObjectWriter

PROBE_READ_USER, TRACE_PRINTK, OVERRIDE_RETURN, SEQ_PRINTF, REDIRECT_MAP = 112, 6, 58, 126, 51
SETSOCKOPT, BIND, COPY_FROM_USER, PERF_EVENT_READ, DYNPTR_DATA = 49, 64, 148, 22, 203
NEWEST = helper_table.SERIES[-1]
BUILT_WITH = (*FUNCTIONS, "tp_prog_func_proto", "raw_tp_prog_func_proto")


def _release(text: str) -> Ages:
    version = encode_version(text)
    return Ages(version, version + 1)


def _findings(code: Assembler, section: str, release: str, license: str = "GPL") -> tuple[Finding, ...]:  # noqa: A002
    file = TypedObjectWriter(license=license)
    spec = purebpf.open(file.function("entry", code.mov(R0, 0).exit(), section=section).build(), name="object")
    return check(spec, kernel(release, functions=BUILT_WITH)).findings


@pytest.mark.parametrize("release", ["4.18", "6.1.0-9-amd64", "6.1.255", "6.5", "6.12.30", NEWEST])
def test_a_pair_that_no_kernel_as_new_gave_is_denied(release: str) -> None:
    assert denied(Kind(ProgramType.TRACEPOINT), OVERRIDE_RETURN, _release(release))
    assert denied(Kind(ProgramType.XDP, AttachType.XDP), REDIRECT_MAP, _release(release)) == ""


def test_a_pair_that_came_later_is_denied_before_and_not_after() -> None:
    kind = Kind(ProgramType.CGROUP_DEVICE)
    assert denied(kind, PERF_EVENT_READ, _release("6.1.170")) == "6.1"
    assert denied(kind, PERF_EVENT_READ, _release("6.18.2")) == ""
    # It came with one of them: nobody knows which, so nobody is refused.
    assert denied(kind, PERF_EVENT_READ, _release("6.13")) == ""


def test_of_a_newer_kernel_or_one_of_unknown_age_nobody_knows() -> None:
    kind = Kind(ProgramType.TRACEPOINT)
    assert denied(kind, OVERRIDE_RETURN, _release("9.9")) == ""
    assert denied(kind, OVERRIDE_RETURN, Ages(0, 0)) == ""
    assert denied(kind, OVERRIDE_RETURN, Ages(encode_version("6.1"), 0)) == ""
    assert denied(kind, OVERRIDE_RETURN, Ages(encode_version("6.1"), encode_version("6.2"))) == "6.1"


def test_of_a_kind_that_no_kernel_was_asked_about_nobody_knows() -> None:
    ages = _release("6.1")
    assert denied(Kind(ProgramType.EXT), OVERRIDE_RETURN, ages) == ""
    assert denied(Kind(ProgramType.STRUCT_OPS, 3, hook="hid_bpf_ops:hid_device_event"), OVERRIDE_RETURN, ages) == ""
    assert denied(Kind(ProgramType.XDP, 4711), OVERRIDE_RETURN, ages) == ""


def test_a_helper_that_is_newer_than_the_kernel_in_the_table_is_not_denied_by_it() -> None:
    assert denied(Kind(ProgramType.XDP), helper_table.HIGHEST[-1] + 1, _release(NEWEST)) == ""


def test_the_attach_type_decides_where_the_kernel_asks_for_it() -> None:
    ages = _release("6.12")
    connect, bind = AttachType.CGROUP_INET4_CONNECT, AttachType.CGROUP_INET4_BIND
    assert denied(Kind(ProgramType.CGROUP_SOCK_ADDR, connect), BIND, ages) == ""
    assert denied(Kind(ProgramType.CGROUP_SOCK_ADDR, bind), BIND, ages) == "6.12"
    assert denied(Kind(ProgramType.TRACING, AttachType.TRACE_ITER, hook="task"), SEQ_PRINTF, ages) == ""
    assert denied(Kind(ProgramType.TRACING, AttachType.TRACE_FENTRY), SEQ_PRINTF, ages) == "6.12"


def test_the_hook_decides_where_the_kernel_asks_for_it() -> None:
    ages = _release("6.12")
    assert denied(Kind(ProgramType.TRACING, AttachType.TRACE_ITER, hook="tcp"), SETSOCKOPT, ages) == ""
    assert denied(Kind(ProgramType.TRACING, AttachType.TRACE_ITER, hook="task"), SETSOCKOPT, ages) == "6.12"
    assert denied(Kind(ProgramType.STRUCT_OPS, hook="tcp_congestion_ops:init"), SETSOCKOPT, ages) == ""
    assert denied(Kind(ProgramType.STRUCT_OPS, hook="tcp_congestion_ops:release"), SETSOCKOPT, ages) == "6.12"


def test_what_needs_another_configuration_than_the_kernels_in_the_table_have_is_not_denied() -> None:
    assert denied(Kind(ProgramType.KPROBE), OVERRIDE_RETURN, _release(NEWEST)) == ""


def test_the_finding_names_the_helper_and_who_may_call_it() -> None:
    code = Assembler().call(OVERRIDE_RETURN)
    (finding,) = _findings(code, "tracepoint/syscalls/sys_enter_openat", "6.12")
    assert (finding.verdict, finding.need, finding.name) == (Verdict.FAILS, "helper", "bpf_override_return")
    assert "bpf_override_return() at instruction 0, which Linux up to 6.12 gives to no program of type tracepoint" in (
        finding.reason
    )
    assert finding.evidence == ("programs that may: kprobe",)


def test_what_no_older_kernel_gives_is_unknown_of_a_newer_one_and_where_no_release_is_told() -> None:
    for release in ("9.9", ""):
        (finding,) = _findings(Assembler().call(OVERRIDE_RETURN), "tracepoint/syscalls/sys_enter_openat", release)
        assert finding.verdict is Verdict.UNKNOWN
        assert f"which Linux up to {NEWEST} gives to no program of type tracepoint" in finding.reason
        assert _findings(Assembler().call(TRACE_PRINTK), "tracepoint/syscalls/sys_enter_openat", release) == ()


def test_a_helper_that_the_kernel_was_built_without_is_told_with_the_option() -> None:
    (finding,) = _findings(Assembler().call(OVERRIDE_RETURN), "kprobe/f", "6.12")
    assert finding.reason.endswith("which the kernel was built without: it needs CONFIG_BPF_KPROBE_OVERRIDE")


def test_a_call_behind_a_branch_that_is_not_taken_is_no_trouble() -> None:
    code = Assembler().mov(R6, 0).jump_if(R6, "==", 0, "end").call(OVERRIDE_RETURN).label("end")
    assert _findings(code, "tracepoint/syscalls/sys_enter_openat", "6.12") == ()


def test_a_helper_for_gpl_compatible_programs_needs_such_a_license() -> None:
    code = Assembler().call(TRACE_PRINTK)
    assert _findings(code, "kprobe/f", "6.12", "Dual MIT/GPL") == ()
    (finding,) = _findings(code, "kprobe/f", "6.12", "Proprietary")
    assert "the license of this one is 'Proprietary'" in finding.reason
    assert 'SEC("license")' in finding.remedy


def test_a_helper_that_sleeps_is_for_programs_that_may() -> None:
    code = Assembler().mov(R1, 0).call(COPY_FROM_USER)
    assert _findings(code, "uprobe.s/f", NEWEST) == ()
    (finding,) = _findings(code, "uprobe/f", NEWEST)
    assert "which may sleep, and this program must not" in finding.reason
