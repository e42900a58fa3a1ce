"""Functions that take only some programs. What is claimed was compared with real kernels 6.1 and 6.12."""

import pytest

import purebpf
from purebpf.insn import Assembler
from purebpf.insn.asm import R0
from purebpf.preflight.judge import check
from purebpf.preflight.report import Verdict
from tests.unit.preflight.kernels import FUNCTIONS, kernel
from tests.writers import TypedObjectWriter

INJECTS = "within_error_injection_list"
CALL = "__x64_sys_bpf"
OPTION = "built with CONFIG_FUNCTION_ERROR_INJECTION"
HOOKS = ("file_open", "inode_permission", "path_unlink", "key_free", "bdev_setintegrity")
BUILT_WITH = (
    *FUNCTIONS, "bpf_lsm_func_proto", *(f"bpf_lsm_{hook}" for hook in HOOKS), CALL, "vfs_read", "security_file_open",
)  # fmt: skip


def judged(section: str, release: str, *functions: str) -> tuple[Verdict, str]:
    file = TypedObjectWriter().function("entry", Assembler().mov(R0, 0).exit(), section=section)
    report = check(purebpf.open(file.build(), name="object"), kernel(release, functions=BUILT_WITH + functions))
    return report.verdict, "; ".join(finding.reason for finding in report.findings)


@pytest.mark.parametrize("section", ["fentry.s", "fexit.s", "fmod_ret.s", "fmod_ret"])
def test_a_system_call_takes_them_where_errors_can_be_injected_alone(section: str) -> None:
    verdict, reason = judged(f"{section}/{CALL}", "6.12")
    assert verdict is Verdict.FAILS
    assert f"'{CALL}' only in a kernel that is {OPTION}" in reason
    assert judged(f"{section}/{CALL}", "6.12", INJECTS) == (Verdict.LOADS, "")


@pytest.mark.parametrize("section", ["fentry.s", "fexit.s", "fmod_ret.s", "fmod_ret"])
def test_what_other_functions_take_is_not_told_by_the_types(section: str) -> None:
    for release, functions in (("6.12", ()), ("6.12", (INJECTS,)), ("6.1", (INJECTS,)), ("", ())):
        verdict, reason = judged(f"{section}/vfs_read", release, *functions)
        assert verdict is Verdict.UNKNOWN
        assert "only if the kernel marks it for that, which its types do not tell" in reason


@pytest.mark.parametrize("section", ["fentry.s", "fmod_ret"])
def test_before_6_3_only_the_injection_of_errors_marked_functions(section: str) -> None:
    for release in ("6.1", "6.2", "5.15"):
        verdict, reason = judged(f"{section}/vfs_read", release)
        assert (verdict, OPTION in reason) == (Verdict.FAILS, True)


def test_the_security_modules_may_always_be_overruled() -> None:
    assert judged("fmod_ret/security_file_open", "6.1") == (Verdict.LOADS, "")
    assert judged("fmod_ret.s/security_file_open", "6.1")[0] is Verdict.FAILS


@pytest.mark.parametrize("section", ["fentry", "fexit"])
def test_programs_that_only_look_go_everywhere(section: str) -> None:
    for function in (CALL, "vfs_read"):
        assert judged(f"{section}/{function}", "6.1") == (Verdict.LOADS, "")


@pytest.mark.parametrize(
    ("hook", "release", "expected"),
    [
        ("file_open", "5.11", Verdict.LOADS),
        ("file_open", "9.9", Verdict.LOADS),
        ("inode_permission", "5.11", Verdict.FAILS),
        ("inode_permission", "6.1.170-cloud", Verdict.FAILS),
        ("inode_permission", "7.3.4", Verdict.FAILS),
        ("inode_permission", "9.9", Verdict.UNKNOWN),
        ("inode_permission", "", Verdict.UNKNOWN),
        ("path_unlink", "6.1.170", Verdict.FAILS),
        ("path_unlink", "6.5", Verdict.UNKNOWN),
        ("path_unlink", "6.12.94", Verdict.LOADS),
        ("path_unlink", "6.18", Verdict.LOADS),
        ("key_free", "6.1", Verdict.LOADS),
        ("key_free", "6.12", Verdict.FAILS),
        ("bdev_setintegrity", "6.18", Verdict.UNKNOWN),
        ("bdev_setintegrity", "7.3", Verdict.LOADS),
    ],
)
def test_in_which_hooks_a_program_may_sleep_is_known_by_the_kernels_around(
    hook: str, release: str, expected: Verdict
) -> None:
    assert judged(f"lsm.s/{hook}", release)[0] is expected
    assert judged(f"lsm/{hook}", release)[0] is Verdict.LOADS
