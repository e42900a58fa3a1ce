"""Tracepoints on the running kernel."""

import os
import warnings
from pathlib import Path

import pytest

from purebpf.errors import AttachTargetError
from purebpf.live.link import Link, LinkInfo, attach_by_section, attach_tracepoint
from purebpf.live.link.events import attach_event
from purebpf.live.link.tracepoint import tracepoint_id
from purebpf.spec.sections import match_section
from purebpf.syscall import objects, perf
from purebpf.uapi import LinkType, ProgramType
from tests.kernel.counting import counter

CATEGORY, NAME = "syscalls", "sys_enter_getppid"

pytestmark = pytest.mark.usefixtures("tracefs")


def test_the_program_runs_while_it_is_attached_and_not_before_or_after() -> None:
    with counter(ProgramType.TRACEPOINT) as program:
        os.getppid()
        assert program.runs == 0
        with attach_tracepoint(program, CATEGORY, NAME):
            os.getppid()
            os.getppid()
            assert program.runs == 2
        os.getppid()
        assert program.runs == 2


def test_a_section_names_the_tracepoint() -> None:
    section = match_section(f"tp/{CATEGORY}/{NAME}")
    assert section is not None
    with counter(ProgramType.TRACEPOINT) as program, attach_by_section(program, *section):
        os.getppid()
        assert program.runs == 1


def test_the_program_gets_the_cookie() -> None:
    with (
        counter(ProgramType.TRACEPOINT, cookie=True) as program,
        attach_tracepoint(program, CATEGORY, NAME, cookie=0x1234_5678_9ABC),
    ):
        os.getppid()
        assert program.cookie == 0x1234_5678_9ABC


def test_info_names_the_program_and_since_6_6_the_tracepoint() -> None:
    with counter(ProgramType.TRACEPOINT) as program, attach_tracepoint(program, CATEGORY, NAME) as link:
        info = link.info()
        assert info.type is LinkType.PERF_EVENT
        assert info.prog_id == objects.prog_info(program.fd).id
        assert info.id > 0
        assert info.details.get("tp_name", NAME) == NAME
        assert info.details.get("event", "tracepoint") == "tracepoint"


def test_two_programs_may_be_on_one_tracepoint() -> None:
    with counter(ProgramType.TRACEPOINT) as one, counter(ProgramType.TRACEPOINT) as other:
        with attach_tracepoint(one, CATEGORY, NAME), attach_tracepoint(other, CATEGORY, NAME):
            os.getppid()
        assert (one.runs, other.runs) == (1, 1)


def test_a_kernel_without_links_attaches_by_ioctl() -> None:
    with counter(ProgramType.TRACEPOINT) as program:
        event = perf.open_tracepoint(tracepoint_id(CATEGORY, NAME))
        with attach_event(program, event, "x", "y", program_type=ProgramType.TRACEPOINT, mode="ioctl") as link:
            os.getppid()
            assert program.runs == 1
            info = link.info()
            assert isinstance(info, LinkInfo)
            assert (info.type, info.id) == (None, 0)
            assert info.prog_id == objects.prog_info(program.fd).id
            assert (info.details["event"], info.details["name"]) == ("tracepoint", NAME)
        os.getppid()
        assert program.runs == 1


def test_detaching_takes_the_program_off() -> None:
    with counter(ProgramType.TRACEPOINT) as program:
        link = attach_tracepoint(program, CATEGORY, NAME)
        link.detach()
        os.getppid()
        assert program.runs == 0
        assert link.closed
        link.close()
        with pytest.raises(ValueError, match="closed"):
            link.info()


def test_a_forgotten_link_warns_and_is_detached() -> None:
    def forget(link: Link) -> None:
        assert not link.closed

    with counter(ProgramType.TRACEPOINT) as program:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            forget(attach_tracepoint(program, CATEGORY, NAME))
        assert [str(warning.message) for warning in caught] == [
            f"the link of program 'count' on tracepoint '{CATEGORY}/{NAME}' was never closed"
        ]
        os.getppid()
        assert program.runs == 0


def test_a_missing_tracepoint_names_near_ones() -> None:
    with counter(ProgramType.TRACEPOINT) as program:
        with pytest.raises(AttachTargetError, match=r"did you mean .*'syscalls/sys_enter_getppid'"):
            attach_tracepoint(program, CATEGORY, "sys_enter_getpid_")
        with pytest.raises(AttachTargetError, match="there is syscalls/sys_enter_getppid"):
            attach_tracepoint(program, "sched", NAME)
        with pytest.raises(AttachTargetError, match="did you mean 'syscalls'"):
            attach_tracepoint(program, "syscall", "nothing_of_this_name")


def test_a_program_of_another_type_is_refused_and_nothing_is_left(tracefs: Path) -> None:
    with (
        counter(ProgramType.RAW_TRACEPOINT) as program,
        pytest.raises(OSError, match=r"cannot attach program 'count' to tracepoint .* \[EINVAL\]"),
    ):
        attach_tracepoint(program, CATEGORY, NAME)
