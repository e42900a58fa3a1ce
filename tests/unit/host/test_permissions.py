"""What stands in the way, from facts."""

import errno

import pytest

from purebpf.errors import KernelError, NotPermitted
from purebpf.host import kernel_error, permissions
from purebpf.host.permissions import CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON, CAP_SYS_ADMIN, Facts, collect, diagnose
from purebpf.plan.target import encode_version
from purebpf.uapi import ProgramType

NOW = encode_version("6.1")
ALL = (1 << 41) - 1


def facts(*capabilities, **others):
    others.setdefault("kernel_version", NOW)
    others.setdefault("lockdown", "none")
    return Facts(capabilities=sum(1 << number for number in capabilities), **others)


def said(*arguments, **keywords):
    return "\n".join(diagnose(*arguments, **keywords))


def test_other_errnos_are_not_about_permission():
    assert diagnose("load program", errno.EINVAL, facts=facts()) == []


@pytest.mark.parametrize(
    ("program_type", "lacks"),
    [
        (ProgramType.SOCKET_FILTER, "CAP_BPF for"),
        (ProgramType.KPROBE, "CAP_BPF and CAP_PERFMON for"),
        (ProgramType.XDP, "CAP_BPF and CAP_NET_ADMIN for"),
        (ProgramType.EXT, "CAP_BPF and CAP_PERFMON and CAP_NET_ADMIN for"),
    ],
)
def test_the_capabilities_needed_depend_on_the_programs_type(program_type, lacks):
    assert f"lacks {lacks}" in said("load program", errno.EPERM, program_type=program_type, facts=facts())


def test_cap_sys_admin_stands_for_bpf_and_perfmon_but_not_for_net_admin():
    text = said("load program", errno.EPERM, program_type=ProgramType.EXT, facts=facts(CAP_SYS_ADMIN))
    assert "lacks CAP_NET_ADMIN for" in text


def test_before_5_8_it_is_cap_sys_admin_that_is_missing():
    old = facts(kernel_version=encode_version("5.4"))
    assert "lacks CAP_SYS_ADMIN for programs" in said(
        "load program", errno.EPERM, program_type=ProgramType.KPROBE, facts=old
    )


def test_unprivileged_bpf_disabled_is_named_only_to_the_unprivileged():
    assert "unprivileged_bpf_disabled = 2" in said("create map", errno.EPERM, facts=facts(unprivileged_bpf_disabled=2))
    assert "until the next boot" in said("create map", errno.EPERM, facts=facts(unprivileged_bpf_disabled=1))
    root = facts(CAP_BPF, unprivileged_bpf_disabled=2)
    assert "unprivileged_bpf_disabled" not in said("create map", errno.EPERM, facts=root)


def test_perf_event_paranoid_matters_to_programs_on_perf_events():
    paranoid = facts(perf_event_paranoid=3)
    kprobe = ProgramType.KPROBE
    assert "perf_event_paranoid = 3" in said("attach", errno.EACCES, program_type=kprobe, facts=paranoid)
    assert "perf_event_paranoid" not in said("attach", errno.EACCES, program_type=ProgramType.XDP, facts=paranoid)
    able = facts(CAP_PERFMON, perf_event_paranoid=3)
    assert "perf_event_paranoid" not in said("attach", errno.EACCES, program_type=kprobe, facts=able)


def test_lockdown_is_named_and_where_it_cannot_be_seen_that_is_said():
    locked = Facts(ALL, NOW, lockdown="integrity")
    assert "locked down (integrity)" in said("load program", errno.EPERM, facts=locked)
    unseen = said("attach program", errno.EPERM, program_type=ProgramType.TRACING, facts=Facts(ALL, NOW))
    assert "likely locked down" in unseen
    assert "mount -t securityfs none /sys/kernel/security" in unseen


def test_a_user_namespace_makes_capabilities_void():
    inside = Facts(ALL, NOW, lockdown="none", initial_user_namespace=False)
    assert "user namespace" in said("create map", errno.EPERM, facts=inside)


def test_memlock_matters_before_5_11_only():
    assert "RLIMIT_MEMLOCK, here 65536 bytes" in said(
        "create map", errno.EPERM, facts=Facts(ALL, encode_version("5.10"), lockdown="none", memlock=65536)
    )
    assert "MEMLOCK" not in said("create map", errno.EPERM, facts=Facts(ALL, NOW, lockdown="none", memlock=65536))


def test_seccomp_and_confinement_are_named():
    text = said(
        "create map", errno.EPERM, facts=Facts(ALL, NOW, "none", seccomp=2, confinement="docker-default (enforce)")
    )
    assert "seccomp filter" in text
    assert "docker-default" in text


def test_pinning_without_bpffs_tells_the_command():
    assert "mount -t bpf bpf /sys/fs/bpf" in said("pin map", errno.EPERM, facts=Facts(ALL, NOW, lockdown="none"))


def test_where_nothing_is_found_a_security_module_is_left():
    assert diagnose("create map", errno.EPERM, facts=Facts(ALL, NOW, lockdown="none")) == [
        "the process has the capabilities needed: a security module (SELinux, AppArmor, BPF LSM) may refuse"
    ]


def test_an_error_for_a_refusal_has_evidence_and_remedy(monkeypatch):
    monkeypatch.setattr(permissions, "collect", lambda: facts(CAP_NET_ADMIN))
    error = kernel_error("load program", "trace", OSError(errno.EPERM, ""), program_type=ProgramType.KPROBE)
    assert isinstance(error, NotPermitted)
    assert str(error).splitlines() == [
        "cannot load program 'trace': Operation not permitted [EPERM]",
        "  this process lacks CAP_BPF and CAP_PERFMON for programs of type kprobe",
        "run as root, or give the process CAP_BPF and CAP_PERFMON",
    ]


def test_an_error_for_anything_else_is_a_plain_kernel_error():
    error = kernel_error("create map", "counts", OSError(errno.E2BIG, ""))
    assert type(error) is KernelError
    assert error.errno == errno.E2BIG


def test_collecting_works_on_any_machine():
    assert collect().kernel_version > 0


def test_an_object_that_may_not_even_be_planned_needs_what_all_its_programs_need(monkeypatch):
    monkeypatch.setattr(permissions, "collect", facts)
    probing = NotPermitted("probe the kernel for", "names", errno.EPERM)
    types = [ProgramType.TRACEPOINT, ProgramType.XDP, ProgramType.TRACEPOINT]
    error = permissions.load_refused("mixed", types, probing)
    assert str(error).startswith("cannot load object 'mixed': Operation not permitted [EPERM]")
    assert [line for line in error.evidence if "lacks" in line] == [
        "this process lacks CAP_BPF and CAP_PERFMON for programs of type tracepoint",
        "this process lacks CAP_BPF and CAP_NET_ADMIN for programs of type xdp",
    ]
    assert error.remedy == "run as root, or give the process CAP_BPF and CAP_PERFMON and CAP_NET_ADMIN"
