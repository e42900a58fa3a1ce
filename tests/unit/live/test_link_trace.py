"""Which requests switch on a program that was loaded for a target, on kernels of all ages."""

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from purebpf.errors import AttachTargetError, KernelError, NotSupported
from purebpf.live.link import attach_freplace, attach_lsm, attach_trace, lsm, trace
from purebpf.plan.target import ProgramTypes, encode_version
from purebpf.syscall import links
from purebpf.uapi import AttachType, ProgramType


@dataclass
class FakeProgram:
    expected_attach_type: AttachType | None = AttachType.TRACE_FENTRY
    type: ProgramType = ProgramType.TRACING
    fd: int = 11
    name: str = "entry"


class Requests:
    """What was asked of the kernel; `refusal` is the errno of BPF_LINK_CREATE, 0 for a kernel that knows it."""

    def __init__(self, refusal: int) -> None:
        self.refusal = refusal
        self.made: list[tuple[str, dict[str, int]]] = []

    def link_create(self, **arguments: int) -> int:
        self.made.append(("link_create", arguments))
        if self.refusal:
            raise OSError(self.refusal, os.strerror(self.refusal))
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def raw_tracepoint_open(self, **arguments: int) -> int:
        self.made.append(("raw_tracepoint_open", arguments))
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Requests]:
    def made(refusal: int) -> Requests:
        requests = Requests(refusal)
        monkeypatch.setattr(links, "link_create", requests.link_create)
        monkeypatch.setattr(links, "raw_tracepoint_open", requests.raw_tracepoint_open)
        return requests

    return made


def test_a_link_is_made_with_the_cookie(kernel: Callable[[int], Requests]) -> None:
    requests = kernel(0)
    attach_trace(FakeProgram(), cookie=7).close()
    assert requests.made == [
        ("link_create", {"prog_fd": 11, "attach_type": AttachType.TRACE_FENTRY, "cookie": 7}),
    ]


@pytest.mark.parametrize("refusal", [errno.EINVAL, errno.EOPNOTSUPP])
def test_a_kernel_that_makes_no_such_links_gets_the_older_request(
    kernel: Callable[[int], Requests], refusal: int
) -> None:
    requests = kernel(refusal)
    attach_trace(FakeProgram()).close()
    assert [name for name, _ in requests.made] == ["link_create", "raw_tracepoint_open"]
    assert requests.made[1][1] == {"prog_fd": 11}


def test_the_older_request_takes_no_cookie_and_none_is_dropped(kernel: Callable[[int], Requests]) -> None:
    requests = kernel(errno.EINVAL)
    with pytest.raises(NotSupported, match="cookie"):
        attach_trace(FakeProgram(), cookie=7)
    assert len(requests.made) == 1


def test_a_kernel_that_would_drop_the_cookie_of_a_tracepoint_is_not_asked(
    kernel: Callable[[int], Requests], monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = kernel(0)
    monkeypatch.setattr(trace, "running_version", lambda: encode_version("6.9"))
    with pytest.raises(NotSupported) as caught:
        attach_trace(FakeProgram(AttachType.TRACE_RAW_TP), cookie=7)
    assert caught.value.since == "6.10"
    assert requests.made == []
    attach_trace(FakeProgram(AttachType.TRACE_RAW_TP)).close()


def test_another_refusal_is_told_with_what_it_means(kernel: Callable[[int], Requests]) -> None:
    requests = kernel(errno.EBUSY)
    with pytest.raises(KernelError, match="another program replaces the function already"):
        attach_freplace(FakeProgram(None, ProgramType.EXT))
    assert [name for name, _ in requests.made] == ["link_create"]


def test_freplace_names_another_target_by_its_types(
    kernel: Callable[[int], Requests], monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = kernel(0)
    monkeypatch.setattr("purebpf.host.programs.program_types", lambda _: ProgramTypes("old", 3, None))
    with pytest.raises(AttachTargetError, match="loaded without types"):
        attach_freplace(FakeProgram(None, ProgramType.EXT), 9, "f")
    assert requests.made == []


def test_a_hook_that_never_calls_bpf_is_refused(
    kernel: Callable[[int], Requests], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kernel(0)
    modules = tmp_path / "lsm"
    modules.write_text("capability,landlock,bpf")
    monkeypatch.setattr(lsm, "_LIST", str(modules))
    program = FakeProgram(AttachType.LSM_MAC, ProgramType.LSM)
    attach_lsm(program).close()
    modules.write_text("capability,landlock")
    with pytest.raises(NotSupported, match="would never run") as caught:
        attach_lsm(program)
    assert caught.value.config == "CONFIG_BPF_LSM"
    modules.unlink()
    attach_lsm(program).close()
