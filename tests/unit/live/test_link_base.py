"""What an error of a hook says, whatever the hook."""

import errno
import os
from dataclasses import dataclass

import pytest

from purebpf.live.link.base import refused
from purebpf.live.link.socket_filter import attach_socket
from purebpf.uapi import ProgramType


@dataclass
class FakeProgram:
    type: ProgramType
    fd: int = 11
    name: str = "entry"


def said(given: ProgramType, wanted: ProgramType, code: int = errno.EINVAL) -> str:
    error = OSError(code, os.strerror(code))
    return str(refused(FakeProgram(given), "hook", "place", error, program_type=wanted))


def test_a_program_of_another_type_is_told_so() -> None:
    assert said(ProgramType.TRACEPOINT, ProgramType.XDP) == (
        "cannot attach program 'entry' to hook 'place': it takes programs of type xdp, and this one was loaded as "
        "tracepoint [EINVAL]"
    )


@pytest.mark.parametrize(
    ("given", "wanted", "code"),
    [
        (ProgramType.XDP, ProgramType.XDP, errno.EINVAL),
        (ProgramType.TRACING, ProgramType.RAW_TRACEPOINT, errno.EINVAL),
        (ProgramType.RAW_TRACEPOINT_WRITABLE, ProgramType.RAW_TRACEPOINT, errno.EINVAL),
        (ProgramType.TRACEPOINT, ProgramType.XDP, errno.EBUSY),
    ],
)
def test_the_type_is_not_blamed_for_what_it_is_not_the_cause_of(
    given: ProgramType, wanted: ProgramType, code: int
) -> None:
    assert "takes programs" not in said(given, wanted, code)


def test_what_is_no_socket_is_a_type_error() -> None:
    with pytest.raises(TypeError, match=r"expected a socket or its fd, got float 3\.5"):
        attach_socket(FakeProgram(ProgramType.SOCKET_FILTER), 3.5)  # type: ignore[arg-type]
