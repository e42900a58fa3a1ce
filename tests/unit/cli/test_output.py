"""Files that a command writes: whole or not at all."""

import errno
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from purebpf.cli.output import write_output
from tests.conftest import BUILT

EXECS = str(BUILT / "execs.bpf.o")


def test_a_new_file_gets_the_bytes_and_the_usual_permissions(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    write_output(str(tmp_path / "out"), b"data", force=False)
    assert (tmp_path / "out").read_bytes() == b"data"
    assert (tmp_path / "out").stat().st_mode == plain.stat().st_mode
    assert sorted(os.listdir(tmp_path)) == ["out", "plain"]


def test_a_file_that_exists_is_kept_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")
    path.chmod(0o640)
    with pytest.raises(FileExistsError, match=r"cannot write '.*out': it exists \(--force replaces it\)"):
        write_output(str(path), b"new", force=False)
    assert path.read_bytes() == b"old"
    write_output(str(path), b"new", force=True)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_failure_halfway_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")

    def full(_number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"cannot write '.*out': No space left on device"):
        write_output(str(path), b"new", force=True)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["out"]


def test_a_directory_and_a_missing_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="it is a directory"):
        write_output(str(tmp_path), b"", force=True)
    with pytest.raises(OSError, match=r"cannot write '.*none/out': No such file or directory"):
        write_output(str(tmp_path / "none" / "out"), b"", force=False)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    write_output(str(tmp_path / "link"), b"new", force=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_a_device_is_written_to(tmp_path: Path) -> None:
    write_output("/dev/null", b"data", force=False)
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_device_that_is_full_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="cannot write '/dev/full': No space left on device"):
        write_output("/dev/full", b"data", force=False)


def test_a_standard_output_that_is_full_is_told_by_every_command() -> None:
    for words in (["link", "-o", "-", EXECS], ["btf", "c", EXECS], ["btf", "json", EXECS, "event"], ["stages", EXECS]):
        with open("/dev/full", "wb") as full:
            done = subprocess.run(
                [sys.executable, "-m", "purebpf", *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False
            )
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert re.match(r"purebpf: (cannot write standard output: )?No space left on device", done.stderr)


def test_an_output_needs_a_name() -> None:
    with pytest.raises(ValueError, match="its name is empty"):
        write_output("", b"data", force=True)


def test_a_dash_is_standard_output(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    write_output("-", b"\0data", force=False)
    assert capfdbinary.readouterr().out == b"\0data"
