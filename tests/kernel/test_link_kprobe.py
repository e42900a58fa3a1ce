"""Kprobes on the running kernel, where it has them."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from purebpf.errors import AttachTargetError, NotSupported
from purebpf.host.kallsyms import read_kallsyms
from purebpf.live.link import Mode, attach_by_section, attach_kprobe
from purebpf.spec.sections import match_section
from purebpf.uapi import LinkType, ProgramType
from tests.kernel.counting import counter

FUNCTION = "do_unlinkat"

pytestmark = pytest.mark.usefixtures("tracefs")


@pytest.fixture
def unlink(tmp_path: Path) -> Callable[[], None]:
    """Passes `FUNCTION` once."""

    def act() -> None:
        file = tmp_path / "file"
        file.touch()
        os.unlink(file)

    return act


@pytest.mark.parametrize("returning", [False, True])
@pytest.mark.parametrize("mode", ["", "ioctl", "tracefs"])
def test_the_program_runs_while_it_is_attached(unlink: Callable[[], None], returning: bool, mode: Mode) -> None:
    with counter(ProgramType.KPROBE) as program:
        with attach_kprobe(program, FUNCTION, returning=returning, mode=mode) as link:
            unlink()
            assert program.runs == 1
            info = link.info()
            assert info.type is (None if mode else LinkType.PERF_EVENT)
        unlink()
        assert program.runs == 1


@pytest.mark.parametrize("prefix", ["kprobe", "kretprobe"])
def test_a_section_names_the_function(unlink: Callable[[], None], prefix: str) -> None:
    section = match_section(f"{prefix}/{FUNCTION}")
    assert section is not None
    with counter(ProgramType.KPROBE) as program, attach_by_section(program, *section):
        unlink()
        assert program.runs == 1


def test_the_program_gets_the_cookie(unlink: Callable[[], None]) -> None:
    with counter(ProgramType.KPROBE, cookie=True) as program, attach_kprobe(program, FUNCTION, cookie=4711):
        unlink()
        assert program.cookie == 4711


def test_a_cookie_without_a_link_is_not_dropped_in_silence() -> None:
    with counter(ProgramType.KPROBE) as program:
        attach_kprobe(program, FUNCTION).close()
        with pytest.raises(NotSupported, match="a cookie at a kprobe"):
            attach_kprobe(program, FUNCTION, cookie=1, mode="ioctl")


def test_a_missing_function_names_near_ones() -> None:
    with counter(ProgramType.KPROBE) as program:
        attach_kprobe(program, FUNCTION).close()
        for mode in ("", "tracefs"):
            with pytest.raises(AttachTargetError, match=r"no function 'do_unlinkatt'\n  did you mean 'do_unlinkat'"):
                attach_kprobe(program, "do_unlinkatt", mode=mode)


def test_an_offset_beyond_the_function_is_refused() -> None:
    with counter(ProgramType.KPROBE) as program:
        attach_kprobe(program, FUNCTION).close()
        with pytest.raises(OSError, match="cannot attach program 'count' to kprobe 'do_unlinkat\\+0x100000'"):
            attach_kprobe(program, FUNCTION, offset=1 << 20)


def test_a_return_has_no_offset() -> None:
    with counter(ProgramType.KPROBE) as program, pytest.raises(ValueError, match="offset"):
        attach_kprobe(program, FUNCTION, offset=4, returning=True)


def test_a_kernel_built_without_kprobes_says_so() -> None:
    if read_kallsyms().find("register_kprobe"):
        with counter(ProgramType.KPROBE) as program:
            attach_kprobe(program, FUNCTION).close()
        return
    with counter(ProgramType.KPROBE) as program:
        for mode in ("", "tracefs", "link"):
            with pytest.raises(NotSupported, match="CONFIG_KPROBES"):
                attach_kprobe(program, FUNCTION, mode=mode)
