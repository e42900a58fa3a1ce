"""One program at many places: kprobe.multi and uprobe.multi, with sessions, on the kernels that have them."""

import ctypes
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import purebpf
from purebpf.errors import AttachTargetError
from purebpf.host.binaries import find_binary
from purebpf.host.symbols import function_offset
from purebpf.insn.asm import R0, Assembler
from purebpf.live.link import attach_by_section, attach_kprobe_multi, attach_uprobe_multi
from purebpf.spec.sections import match_section
from purebpf.uapi import AttachType, LinkType, ProgramType
from tests.kernel.counting import counter
from tests.writers.typed import TypedObjectWriter

KPROBE, SESSION = AttachType.TRACE_KPROBE_MULTI, AttachType.TRACE_KPROBE_SESSION
UPROBE, UPROBE_SESSION = AttachType.TRACE_UPROBE_MULTI, AttachType.TRACE_UPROBE_SESSION
FUNCTIONS = ["do_unlinkat", "do_mkdirat"]
ROOTS = ["cbrt", "cbrtf"]

pytestmark = pytest.mark.usefixtures("tracefs")


@pytest.fixture
def act(tmp_path: Path) -> Callable[[], None]:
    """Passes each of `FUNCTIONS` once."""

    def once() -> None:
        file, folder = tmp_path / "file", tmp_path / "folder"
        file.touch()
        os.mkdir(folder)
        os.unlink(file)
        os.rmdir(folder)

    return once


class Library:
    """A loaded library of this test's own; `call` passes each of `ROOTS` once."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self._library = ctypes.CDLL(self.path)
        for name, number in zip(ROOTS, (ctypes.c_double, ctypes.c_float), strict=True):
            getattr(self._library, name).restype = number

    def call(self) -> None:
        assert abs(self._library.cbrt(ctypes.c_double(27.0)) - 3) < 1e-9
        assert abs(self._library.cbrtf(ctypes.c_float(27.0)) - 3) < 1e-3


@pytest.fixture
def library(tmp_path: Path) -> Library:
    path = tmp_path / "libown.so"
    shutil.copy(find_binary("libm.so.6"), path)
    return Library(path)


@pytest.mark.parametrize("returning", [False, True])
def test_one_link_holds_a_program_at_several_kernel_functions(act: Callable[[], None], returning: bool) -> None:
    with counter(ProgramType.KPROBE, attach_type=KPROBE) as program:
        with attach_kprobe_multi(program, FUNCTIONS, returning=returning) as link:
            act()
            assert program.runs == 2
            info = link.info()
            assert info.type is LinkType.KPROBE_MULTI
        act()
        assert program.runs == 2


def test_a_pattern_names_the_kernel_functions_that_can_be_probed(act: Callable[[], None]) -> None:
    with counter(ProgramType.KPROBE, attach_type=KPROBE) as program:
        with attach_kprobe_multi(program, ["do_unlink?t", "do_mkdira*"]) as link:
            act()
            assert program.runs == 2
            assert "do_unlinkat, do_mkdirat" in link.what
        with pytest.raises(AttachTargetError, match=r"no function like 'no_such_\*' that can be probed"):
            attach_kprobe_multi(program, "no_such_*")


def test_a_session_runs_at_entry_and_at_return(act: Callable[[], None]) -> None:
    for wants_no_return, runs in ((0, 4), (1, 2)):
        with (
            counter(ProgramType.KPROBE, attach_type=SESSION, result=wants_no_return) as program,
            attach_kprobe_multi(program, FUNCTIONS, session=True),
        ):
            act()
            assert program.runs == runs


@pytest.mark.parametrize(
    ("section", "attach_type", "runs"),
    [
        ("kprobe.multi/do_unlinka*", KPROBE, 1),
        ("kretprobe.multi/do_unlinkat", KPROBE, 1),
        ("kprobe.session/do_unlinkat", SESSION, 2),
    ],
)
def test_a_section_names_the_kernel_functions(
    act: Callable[[], None], section: str, attach_type: AttachType, runs: int
) -> None:
    found = match_section(section)
    assert found is not None
    with counter(ProgramType.KPROBE, attach_type=attach_type) as program, attach_by_section(program, *found):
        act()
        assert program.runs == runs


def test_each_kernel_function_can_have_its_cookie(act: Callable[[], None]) -> None:
    with counter(ProgramType.KPROBE, attach_type=KPROBE, cookie=True) as program:
        with attach_kprobe_multi(program, FUNCTIONS[::-1], cookie=[8, 9]):
            act()
            assert program.cookie == 9
        with pytest.raises(ValueError, match="3 cookies for 2 places"):
            attach_kprobe_multi(program, FUNCTIONS, cookie=[1, 2, 3])


def test_a_kernel_function_that_is_missing_is_named_with_near_ones() -> None:
    with counter(ProgramType.KPROBE, attach_type=KPROBE) as program:
        attach_kprobe_multi(program, FUNCTIONS).close()
        with pytest.raises(AttachTargetError, match=r"no function 'do_unlinkatt'\n  did you mean 'do_unlinkat'"):
            attach_kprobe_multi(program, [*FUNCTIONS, "do_unlinkatt"])


def test_a_program_that_was_loaded_for_one_place_is_told_why_it_cannot_go_to_many() -> None:
    with counter(ProgramType.KPROBE, attach_type=KPROBE) as program:
        attach_kprobe_multi(program, FUNCTIONS).close()
    with counter(ProgramType.KPROBE) as program, pytest.raises(OSError, match="loaded for another way of attaching"):
        attach_kprobe_multi(program, FUNCTIONS)


@pytest.mark.parametrize("returning", [False, True])
def test_one_link_holds_a_program_at_several_functions_of_a_file(library: Library, returning: bool) -> None:
    with counter(ProgramType.KPROBE, attach_type=UPROBE) as program:
        with attach_uprobe_multi(program, library.path, ROOTS, returning=returning, pid=0) as link:
            library.call()
            assert program.runs == 2
            info = link.info()
            assert info.type is LinkType.UPROBE_MULTI
            assert info.details["count"] in (0, 2)
        library.call()
        assert program.runs == 2


def test_a_pattern_names_the_functions_of_a_file_and_offsets_are_further_places(library: Library) -> None:
    with counter(ProgramType.KPROBE, attach_type=UPROBE) as program:
        with attach_uprobe_multi(program, library.path, "cbrt*"):
            library.call()
            assert program.runs == 2
        with attach_uprobe_multi(program, library.path, offsets=[function_offset(library.path, "cbrt")]):
            library.call()
            assert program.runs == 3
        with pytest.raises(AttachTargetError, match=r"has no function like 'nothing\*'"):
            attach_uprobe_multi(program, library.path, "nothing*")
        with pytest.raises(ValueError, match="give symbols or offsets"):
            attach_uprobe_multi(program, library.path)


def test_a_session_runs_at_entry_and_at_return_of_a_files_functions(library: Library) -> None:
    with (
        counter(ProgramType.KPROBE, attach_type=UPROBE_SESSION) as program,
        attach_uprobe_multi(program, library.path, ROOTS, session=True),
    ):
        library.call()
        assert program.runs == 4


@pytest.mark.parametrize("prefix", ["uprobe.multi", "uretprobe.multi"])
def test_a_section_names_file_and_functions(library: Library, prefix: str) -> None:
    found = match_section(f"{prefix}/{library.path}:cbrt*")
    assert found is not None
    with counter(ProgramType.KPROBE, attach_type=UPROBE) as program, attach_by_section(program, *found, cookie=5):
        library.call()
        assert program.runs == 2


def test_each_function_of_a_file_can_have_its_cookie(library: Library) -> None:
    with (
        counter(ProgramType.KPROBE, attach_type=UPROBE, cookie=True) as program,
        attach_uprobe_multi(program, library.path, ROOTS, cookie=[3, 4]),
    ):
        library.call()
        assert program.cookie == 4


@pytest.mark.parametrize(
    "section", ["fsession/vfs_read", "fentry.multi/vfs_*", "fexit.multi/vfs_*", "fsession.multi/vfs_*"]
)
def test_what_the_kernel_is_too_old_for_is_refused_with_the_version_that_has_it(section: str) -> None:
    """A skip on every kernel so far: `NotSupported` names the first that has it."""
    code = Assembler().mov(R0, 0).exit().assemble(sys.byteorder)
    data = TypedObjectWriter().function("program", code, section=section).build()
    with purebpf.load(data):
        pass
