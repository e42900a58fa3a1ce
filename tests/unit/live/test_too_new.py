"""Attach types that a kernel is too old for."""

import pytest

from purebpf.errors import NotSupported
from purebpf.host import kconfig
from purebpf.live import too_new
from purebpf.plan.kconfig import ConfigText
from purebpf.plan.target import encode_version
from purebpf.uapi import AttachType, ProgramType


@pytest.fixture
def linux_6_9(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(too_new, "running_version", lambda: encode_version("6.9"))


@pytest.mark.parametrize(
    ("attach_type", "since"),
    [
        (AttachType.TRACE_KPROBE_SESSION, "6.10"),
        (AttachType.TRACE_UPROBE_SESSION, "6.13"),
        (AttachType.TRACE_FSESSION, "7.0"),
        (AttachType.TRACE_FENTRY_MULTI, "7.2"),
        (AttachType.TRACE_FEXIT_MULTI, "7.2"),
        (AttachType.TRACE_FSESSION_MULTI, "7.2"),
    ],
)
@pytest.mark.usefixtures("linux_6_9")
def test_a_type_that_came_later_names_the_version_and_what_to_do_without(attach_type: AttachType, since: str) -> None:
    error = too_new.too_new(attach_type, "p")
    assert error is not None
    assert (error.since, error.evidence) == (since, ("program 'p' is one",))
    assert error.remedy.startswith("use ")


@pytest.mark.parametrize("attach_type", [None, 0, AttachType.TRACE_KPROBE_MULTI, AttachType.TRACE_FENTRY, 1000])
@pytest.mark.usefixtures("linux_6_9")
def test_a_type_that_the_kernel_may_know_is_no_reason(attach_type: int | None) -> None:
    assert too_new.too_new(attach_type, "p") is None


@pytest.mark.parametrize(
    ("program_type", "attach_type", "since"),
    [
        (ProgramType.NETFILTER, AttachType.NETFILTER, "6.4"),
        (ProgramType.CGROUP_SOCK_ADDR, AttachType.CGROUP_UNIX_CONNECT, "6.7"),
        (ProgramType.LSM, AttachType.LSM_CGROUP, "6.0"),
        (ProgramType.SYSCALL, None, "5.14"),
        (ProgramType.TRACING, AttachType.TRACE_FSESSION, "7.0"),
    ],
)
def test_a_kind_of_program_that_came_later_names_the_version(
    monkeypatch: pytest.MonkeyPatch, program_type: ProgramType, attach_type: AttachType | None, since: str
) -> None:
    monkeypatch.setattr(too_new, "running_version", lambda: encode_version("5.13"))
    error = too_new.unknown_kind(program_type, attach_type, "p")
    assert error is not None
    assert error.since == since
    assert f"Linux {since} or newer" in str(error)
    monkeypatch.setattr(too_new, "running_version", lambda: encode_version("7.9"))
    monkeypatch.setattr(
        kconfig, "running_kconfig", lambda: ConfigText(b"CONFIG_NETFILTER_BPF_LINK=y\nCONFIG_BPF_LSM=y\n", "config")
    )
    assert too_new.unknown_kind(program_type, attach_type, "p") is None


def test_the_member_of_a_struct_ops_program_is_no_attach_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(too_new, "running_version", lambda: encode_version("5.13"))
    assert too_new.unknown_kind(ProgramType.STRUCT_OPS, AttachType.TRACE_FSESSION, "p") is None


def test_a_kind_that_the_kernel_is_built_without_names_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(too_new, "running_version", lambda: encode_version("6.9"))
    monkeypatch.setattr(kconfig, "running_kconfig", lambda: ConfigText(b"CONFIG_NETFILTER=y\n", "config"))
    error = too_new.unknown_kind(ProgramType.NETFILTER, AttachType.NETFILTER, "p")
    assert error is not None
    assert error.config == "CONFIG_NETFILTER_BPF_LINK"

    def unreadable() -> ConfigText:
        raise NotSupported("reading its configuration")

    monkeypatch.setattr(kconfig, "running_kconfig", unreadable)
    assert too_new.unknown_kind(ProgramType.NETFILTER, AttachType.NETFILTER, "p") is None
