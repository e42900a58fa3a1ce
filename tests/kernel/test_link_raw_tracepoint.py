"""Raw tracepoints on the running kernel."""

from pathlib import Path

import pytest

from purebpf.errors import AttachTargetError
from purebpf.live.link import attach_by_section, attach_raw_tracepoint
from purebpf.spec.sections import match_section
from purebpf.syscall import objects
from purebpf.uapi import LinkType, ProgramType
from tests.kernel.counting import counter

NAME = "task_rename"


def rename() -> None:
    comm = Path("/proc/self/comm")
    comm.write_text(comm.read_text())


def test_the_program_runs_while_it_is_attached() -> None:
    with counter(ProgramType.RAW_TRACEPOINT) as program:
        with attach_raw_tracepoint(program, NAME) as link:
            rename()
            assert program.runs == 1
            info = link.info()
            assert (info.type, info.prog_id) == (LinkType.RAW_TRACEPOINT, objects.prog_info(program.fd).id)
            assert info.details["tp_name"] == NAME
        rename()
        assert program.runs == 1


def test_a_section_names_the_tracepoint() -> None:
    section = match_section(f"raw_tp/{NAME}")
    assert section is not None
    with counter(ProgramType.RAW_TRACEPOINT) as program, attach_by_section(program, *section):
        rename()
        assert program.runs == 1


def test_the_program_gets_the_cookie() -> None:
    with counter(ProgramType.RAW_TRACEPOINT) as program:
        attach_raw_tracepoint(program, NAME, cookie=77).close()
    with (
        counter(ProgramType.RAW_TRACEPOINT, cookie=True) as program,
        attach_raw_tracepoint(program, NAME, cookie=77) as link,
    ):
        rename()
        assert program.cookie == 77
        assert link.info().details.get("cookie", 77) == 77


def test_a_missing_tracepoint_names_near_ones() -> None:
    with (
        counter(ProgramType.RAW_TRACEPOINT) as program,
        pytest.raises(AttachTargetError, match="did you mean 'task_rename'"),
    ):
        attach_raw_tracepoint(program, "task_renam")
