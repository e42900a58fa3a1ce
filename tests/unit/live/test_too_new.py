"""Attach types that a kernel is too old for."""

import pytest

from purebpf.live import too_new
from purebpf.plan.target import encode_version
from purebpf.uapi import AttachType


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
