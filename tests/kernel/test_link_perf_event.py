"""Sampling on the running kernel."""

import os

import pytest

from purebpf import uapi
from purebpf.errors import AttachTargetError
from purebpf.live.link import PerfEvent, attach_by_section, attach_perf_event
from purebpf.spec.sections import match_section
from purebpf.syscall import perf
from purebpf.uapi import LinkType, ProgramType
from tests.kernel.counting import counter


def busy() -> None:
    sum(range(20_000))


def test_the_cpu_clock_of_this_process_samples_it() -> None:
    event = PerfEvent(period=1_000_000, pid=os.getpid())
    with counter(ProgramType.PERF_EVENT) as program:
        with attach_perf_event(program, event) as link:
            assert program.runs_again(busy)
            assert link.info().type is LinkType.PERF_EVENT
        before = program.runs
        for _ in range(50):
            busy()
        assert program.runs == before


def test_a_section_leaves_the_event_to_the_caller() -> None:
    section = match_section("perf_event")
    assert section is not None
    with counter(ProgramType.PERF_EVENT) as program:
        with attach_by_section(program, *section, event=PerfEvent(frequency=1000, pid=os.getpid())):
            assert program.runs_again(busy)
        with pytest.raises(AttachTargetError, match="event="):
            attach_by_section(program, *section)


def test_an_event_of_the_caller_stays_the_callers() -> None:
    fd = perf.open_clock(period_ns=1_000_000, pid=os.getpid())
    try:
        with counter(ProgramType.PERF_EVENT) as program:
            attach_perf_event(program, fd).close()
            with attach_perf_event(program, fd, cookie=5):
                assert program.runs_again(busy)
        os.fstat(fd)
    finally:
        os.close(fd)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"pid": 0}, "frequency or a period"),
        ({"period": 1}, "cpu or a pid"),
        ({"period": 1, "frequency": 1, "cpu": 0}, "either"),
    ],
)
def test_an_event_that_makes_no_sense_is_a_value_error(fields: dict[str, int], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        PerfEvent(**fields)


def test_an_event_that_the_machine_does_not_have_is_refused_by_name() -> None:
    with counter(ProgramType.PERF_EVENT) as program, pytest.raises(OSError, match="to perf event '1:0x3e7'"):
        attach_perf_event(program, PerfEvent(period=1, pid=os.getpid(), type=uapi.PERF_TYPE_SOFTWARE, config=999))
