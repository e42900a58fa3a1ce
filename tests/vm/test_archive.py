"""The cpio archives are what another reader of the format takes them for."""

import subprocess
from pathlib import Path

from tools.vm.archive import Archive


def test_busybox_unpacks_what_was_written(tmp_path: Path) -> None:
    target = tmp_path / "unpacked"
    target.mkdir()
    written = tmp_path / "archive.cpio"
    with written.open("wb") as out:
        archive = Archive(out)
        archive.data("deep/down/file", b"content\n", mode=0o750)
        archive.data("empty", b"")
        archive.symlink("link", "deep/down/file")
        assert "deep/down" in archive
        archive.close()
    with written.open("rb") as source:
        subprocess.run(["busybox", "cpio", "-i", "-d"], stdin=source, cwd=target, check=True, capture_output=True)
    assert (target / "link").read_bytes() == b"content\n"
    assert (target / "deep/down/file").stat().st_mode & 0o777 == 0o750
    assert (target / "empty").read_bytes() == b""
