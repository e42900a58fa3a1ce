"""A writer of cpio archives in the `newc` form, the one the kernel unpacks as its initramfs.

The kernel accepts several archives one after the other, the later overwriting the earlier: so the large parts
(system, kernel modules) are written once and cached, and only the checkout is written anew for each boot.
No compression: unpacking under emulation costs more than reading the bytes.
"""

import stat
from pathlib import Path
from typing import BinaryIO

_TRAILER = "TRAILER!!!"


class Archive:
    """Writes entries to `out`; directories above an entry are added on their own; `close()` ends the archive."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._inode = 0
        self._known: set[str] = {""}

    def __contains__(self, name: str) -> bool:
        return name.strip("/") in self._known

    def directory(self, name: str, mode: int = 0o755) -> None:
        """Add a directory, unless it is already there."""
        if name not in self:
            self._add(name, stat.S_IFDIR | mode, b"", 0)

    def symlink(self, name: str, target: str) -> None:
        """Add a symbolic link."""
        self._add(name, stat.S_IFLNK | 0o777, target.encode(), 0)

    def data(self, name: str, content: bytes, *, mode: int = 0o644, mtime: int = 0) -> None:
        """Add a regular file with this content."""
        self._add(name, stat.S_IFREG | mode, content, mtime)

    def file(self, name: str, source: Path) -> None:
        """Add the file at `source` (a link is followed), with its mode and time."""
        status = source.stat()
        self.data(name, source.read_bytes(), mode=status.st_mode & 0o7777, mtime=int(status.st_mtime))

    def tree(self, name: str, source: Path) -> None:
        """Add everything below `source`; links stay links."""
        for path in sorted(source.rglob("*")):
            entry = f"{name}/{path.relative_to(source)}"
            if path.is_symlink():
                self.symlink(entry, str(path.readlink()))
            elif path.is_dir():
                self.directory(entry)
            else:
                self.file(entry, path)

    def close(self) -> None:
        """Write the trailer; `out` stays open."""
        self._write(_TRAILER, 0, b"", 0)

    def _add(self, name: str, mode: int, content: bytes, mtime: int) -> None:
        name = name.strip("/")
        parent = name.rpartition("/")[0]
        if parent not in self._known:
            self._add(parent, stat.S_IFDIR | 0o755, b"", 0)
        self._known.add(name)
        self._write(name, mode, content, mtime)

    def _write(self, name: str, mode: int, content: bytes, mtime: int) -> None:
        self._inode += 1
        encoded = name.encode() + b"\0"
        # inode, mode, uid, gid, links, mtime, size, device (2), special device (2), name length, checksum
        fields = (self._inode, mode, 0, 0, 1, mtime, len(content), 0, 0, 0, 0, len(encoded), 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields)
        self._out.write(_padded(header + encoded))
        self._out.write(_padded(content))


def _padded(chunk: bytes) -> bytes:
    return chunk + bytes(-len(chunk) % 4)
