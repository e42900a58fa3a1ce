"""Uprobes on the running kernel, in a copy of a library that only this process has loaded."""

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from purebpf.errors import AttachTargetError
from purebpf.host.binaries import find_binary
from purebpf.host.symbols import function_offset
from purebpf.live.link import Mode, attach_by_section, attach_uprobe
from purebpf.spec.sections import match_section
from purebpf.uapi import LinkType, ProgramType
from tests.kernel.counting import counter

FUNCTION = "cbrt"
ROOT_OF_27 = "import ctypes; f = ctypes.CDLL({!r}).cbrt; f.restype = ctypes.c_double; f(ctypes.c_double(27.0))"

pytestmark = pytest.mark.usefixtures("tracefs")


class Library:
    """A loaded library of this test's own; `call` passes `FUNCTION` once."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self._cbrt = ctypes.CDLL(self.path).cbrt
        self._cbrt.restype = ctypes.c_double

    def call(self) -> None:
        assert abs(self._cbrt(ctypes.c_double(27.0)) - 3) < 1e-9


@pytest.fixture
def library(tmp_path: Path) -> Library:
    path = tmp_path / "libown.so"
    shutil.copy(find_binary("libm.so.6"), path)
    return Library(path)


@pytest.mark.parametrize("returning", [False, True])
@pytest.mark.parametrize("mode", ["", "ioctl", "tracefs"])
def test_the_program_runs_while_it_is_attached(library: Library, returning: bool, mode: Mode) -> None:
    with counter(ProgramType.KPROBE) as program:
        with attach_uprobe(program, library.path, FUNCTION, returning=returning, mode=mode) as link:
            library.call()
            library.call()
            assert program.runs == 2
            assert link.info().type is (None if mode else LinkType.PERF_EVENT)
        library.call()
        assert program.runs == 2


@pytest.mark.parametrize("prefix", ["uprobe", "uretprobe"])
def test_a_section_names_file_and_function(library: Library, prefix: str) -> None:
    section = match_section(f"{prefix}/{library.path}:{FUNCTION}")
    assert section is not None
    with counter(ProgramType.KPROBE) as program, attach_by_section(program, *section, pid=0):
        library.call()
        assert program.runs == 1


def test_an_offset_into_the_file_is_a_place_too(library: Library) -> None:
    offset = function_offset(library.path, FUNCTION)
    with counter(ProgramType.KPROBE) as program, attach_uprobe(program, library.path, offset=offset, pid=os.getpid()):
        library.call()
        assert program.runs == 1


def test_the_program_gets_the_cookie(library: Library) -> None:
    with (
        counter(ProgramType.KPROBE, cookie=True) as program,
        attach_uprobe(program, library.path, FUNCTION, cookie=99) as link,
    ):
        library.call()
        assert program.cookie == 99
        assert link.info().details.get("cookie", 99) == 99


def test_info_names_the_file_since_6_6(library: Library) -> None:
    with counter(ProgramType.KPROBE) as program, attach_uprobe(program, library.path, FUNCTION) as link:
        details = link.info().details
        assert details.get("file_name", library.path) == library.path
        assert details.get("event", "uprobe") == "uprobe"
        assert details.get("offset", function_offset(library.path, FUNCTION)) == function_offset(library.path, FUNCTION)


@pytest.mark.parametrize("mode", ["", "tracefs"])
def test_a_probe_of_one_process_leaves_others_alone(library: Library, mode: Mode) -> None:
    with counter(ProgramType.KPROBE, everyone=True) as program:
        with attach_uprobe(program, library.path, FUNCTION, pid=os.getpid(), mode=mode):
            subprocess.run([sys.executable, "-c", ROOT_OF_27.format(library.path)], check=True)
            assert program.runs == 0
        with attach_uprobe(program, library.path, FUNCTION, mode=mode):
            subprocess.run([sys.executable, "-c", ROOT_OF_27.format(library.path)], check=True)
            assert program.runs == 1


def test_a_reference_counter_is_raised_while_somebody_probes(tmp_path: Path, library: Library) -> None:
    counter_offset, read = _spare_word(library.path)
    with counter(ProgramType.KPROBE) as program:
        assert read() == 0
        with attach_uprobe(program, library.path, FUNCTION, pid=os.getpid(), ref_ctr_offset=counter_offset):
            library.call()
            assert read() == 1
        assert read() == 0


def _spare_word(path: str) -> tuple[int, Callable[[], int]]:
    """File offset of a 16-bit word that nobody uses, and a function that reads it in this process.

    It is the last one of the page where the library's data ends: what is loaded there is filled up with zeros.
    """
    lines = [line.split() for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith(path)]
    writable = next(line for line in lines if line[1].startswith("rw"))
    start, end = (int(address, 16) for address in writable[0].split("-"))
    return int(writable[2], 16) + end - start - 2, lambda: ctypes.c_uint16.from_address(end - 2).value


def test_a_missing_function_names_near_ones(library: Library) -> None:
    with (
        counter(ProgramType.KPROBE) as program,
        pytest.raises(AttachTargetError, match=r"no function 'cbrtt'(?s:.*)did you mean 'cbrt'"),
    ):
        attach_uprobe(program, library.path, "cbrtt")


def test_a_process_that_is_gone_is_named(library: Library) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    with counter(ProgramType.KPROBE) as program, pytest.raises(AttachTargetError, match=f"no process {child.pid}"):
        attach_uprobe(program, library.path, FUNCTION, pid=child.pid)


def test_an_offset_beyond_the_file_is_refused(library: Library) -> None:
    with counter(ProgramType.KPROBE) as program, pytest.raises(OSError, match="beyond the file's end"):
        attach_uprobe(program, library.path, offset=1 << 40)


@pytest.fixture(autouse=True)
def _no_probe_stays_in_tracefs(tracefs: Path) -> Iterator[None]:
    yield
    assert f"_{os.getpid()}_" not in (tracefs / "uprobe_events").read_text()
