"""The limit of locked memory, raised for old kernels only."""

import os
import resource

import pytest

from purebpf.host.memlock import raise_limit
from purebpf.live.kernel import RunningKernel
from purebpf.plan.steps import LoadBtf
from purebpf.plan.target import encode_version
from purebpf.syscall import calls

OLD, NEW = encode_version("5.10.9"), encode_version("5.11")
INFINITE = resource.RLIM_INFINITY


class Limits:
    """RLIMIT_MEMLOCK of a process that may, or may not, go beyond its hard limit."""

    def __init__(self, soft: int, hard: int, *, privileged: bool) -> None:
        self.now = (soft, hard)
        self.privileged = privileged

    def get(self, _: int) -> tuple[int, int]:
        return self.now

    def set(self, _: int, limits: tuple[int, int]) -> None:
        if limits[1] != self.now[1] and not self.privileged:
            raise ValueError("not allowed to raise maximum limit")
        self.now = limits


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Limits:
    made = Limits(65536, 65536, privileged=True)
    monkeypatch.setattr(resource, "getrlimit", made.get)
    monkeypatch.setattr(resource, "setrlimit", made.set)
    return made


def test_an_old_kernel_gets_no_limit_from_the_privileged(limits: Limits) -> None:
    assert raise_limit(OLD)
    assert limits.now == (INFINITE, INFINITE)
    assert not raise_limit(OLD)


def test_the_unprivileged_go_up_to_the_hard_limit_once(limits: Limits) -> None:
    limits.now, limits.privileged = (65536, 1 << 20), False
    assert raise_limit(OLD)
    assert limits.now == (1 << 20, 1 << 20)
    assert not raise_limit(OLD)


def test_a_newer_kernel_and_one_of_unknown_version_change_nothing(limits: Limits) -> None:
    assert not raise_limit(NEW)
    assert not raise_limit(0)
    assert limits.now == (65536, 65536)


def test_a_refused_request_is_tried_again_with_the_limit_raised(
    limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("purebpf.host.memlock.running_version", lambda: OLD)
    asked = []

    def btf_load(data: bytes) -> int:
        asked.append(limits.now[0])
        if limits.now[0] != INFINITE:
            raise PermissionError(1, "Operation not permitted")
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    monkeypatch.setattr(calls, "btf_load", btf_load)
    RunningKernel().load_btf(LoadBtf(b"")).close()
    assert asked == [65536, INFINITE]
