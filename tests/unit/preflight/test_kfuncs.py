"""Which programs may call the kernel's own functions."""

import pytest

import purebpf
from purebpf.insn import Assembler
from purebpf.insn.asm import R0, R1
from purebpf.plan.target import encode_version
from purebpf.preflight.judge import check
from purebpf.preflight.kfuncs import denied, is_built_in
from purebpf.preflight.kinds import Ages, Kind
from purebpf.preflight.report import Finding, Verdict
from purebpf.uapi import AttachType, ProgramType
from tests.unit.preflight.kernels import FUNCTIONS, kernel
from tests.writers import TypedObjectWriter


def _release(text: str) -> Ages:
    version = encode_version(text)
    return Ages(version, version + 1)


@pytest.mark.parametrize(
    ("kind", "function", "may"),
    [
        (Kind(ProgramType.XDP, AttachType.XDP), "bpf_dynptr_from_xdp", True),
        (Kind(ProgramType.SCHED_CLS), "bpf_dynptr_from_xdp", False),
        (Kind(ProgramType.TRACING, AttachType.TRACE_ITER, hook="tcp"), "bpf_sock_destroy", True),
        (Kind(ProgramType.TRACING, AttachType.TRACE_RAW_TP), "bpf_sock_destroy", False),
        (Kind(ProgramType.TRACING, AttachType.TRACE_RAW_TP), "bpf_task_from_pid", True),
        (Kind(ProgramType.RAW_TRACEPOINT), "bpf_task_from_pid", False),
        (Kind(ProgramType.STRUCT_OPS, 2, hook="tcp_congestion_ops:init"), "tcp_slow_start", True),
        (Kind(ProgramType.TRACING, AttachType.TRACE_RAW_TP), "tcp_slow_start", False),
    ],
)
def test_the_kind_of_program_decides(kind: Kind, function: str, may: bool) -> None:
    assert denied(kind, function, _release("6.12.1")) == ("" if may else "6.12")


def test_of_unknown_functions_kinds_and_ages_nobody_knows() -> None:
    kind = Kind(ProgramType.RAW_TRACEPOINT)
    assert denied(kind, "function_of_a_module", _release("6.12")) == ""
    assert denied(kind, "bpf_task_from_pid", _release("9.9")) == ""
    assert denied(kind, "bpf_task_from_pid", Ages(0, 0)) == ""
    assert denied(Kind(ProgramType.EXT), "bpf_task_from_pid", _release("6.12")) == ""
    assert denied(Kind(ProgramType.STRUCT_OPS, 2), "tcp_slow_start", _release("6.12")) == ""


def _findings(section: str, license: str = "GPL") -> tuple[Finding, ...]:  # noqa: A002
    functions = (*FUNCTIONS, "raw_tp_prog_func_proto", "syscall_prog_func_proto", "bpf_task_from_pid")
    target = kernel("6.12", functions=functions)
    assert target.btf is not None
    (function,) = target.btf.find("bpf_task_from_pid")
    code = Assembler().mov(R1, 1).call_kfunc(function).mov(R0, 0).exit()
    file = TypedObjectWriter(license=license).function("entry", code, section=section)
    return check(purebpf.open(file.build(), name="object"), target).findings


def test_the_finding_names_the_function_and_who_may_call_it() -> None:
    (finding,) = _findings("raw_tp/sched_switch")
    assert (finding.verdict, finding.need, finding.name) == (Verdict.FAILS, "kernel function", "bpf_task_from_pid")
    assert "which Linux up to 6.12 gives to no program of type raw_tracepoint" in finding.reason
    assert finding.evidence[0].startswith("programs that may: ")
    assert "syscall" in finding.evidence[0]
    assert _findings("syscall") == ()


def test_a_program_that_calls_the_kernel_needs_a_license_it_takes_for_compatible() -> None:
    (finding,) = _findings("syscall", "Proprietary")
    assert "only GPL-compatible programs" in finding.reason


def test_what_some_kernels_have_in_a_module_is_not_built_in() -> None:
    assert is_built_in("bpf_task_from_pid")
    assert not is_built_in("bpf_skb_ct_lookup")
    assert not is_built_in("unheard_of")
