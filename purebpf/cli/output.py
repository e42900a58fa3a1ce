"""Files that a command writes: whole or not at all, and never in place of what somebody may want to keep.

Rules: the bytes are written to a file beside the output, which then takes its name: whoever reads the name finds
the old file or the new one, also when the disk is full or the command is killed. A file that exists is an error
unless the user said --force. `-` is standard output.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterator
    from io import RawIOBase

STANDARD_OUTPUT = "-"


def add_output_options(parser: ArgumentParser, *, required: bool = True) -> None:
    """The options of a command that writes a file; without `required`, none given means standard output."""
    default = None if required else STANDARD_OUTPUT
    parser.add_argument("-o", "--output", required=required, default=default, metavar="OUT",
                        help="file to write; '-' is standard output")  # fmt: skip
    parser.add_argument("-f", "--force", action="store_true", help="replace OUT if it exists")


def write_output(path: str, data: bytes, *, force: bool) -> None:
    """Write `data` to `path`; OSError naming it if that cannot be done, and then nothing is changed."""
    if path == STANDARD_OUTPUT:
        with _named("standard output"):
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        return
    if not path:
        raise ValueError("cannot write the output: its name is empty")
    if os.path.isdir(path):
        raise IsADirectoryError(f"cannot write '{path}': it is a directory")
    if os.path.exists(path) and not os.path.isfile(path):
        # A device or a pipe: there is nothing to keep, and nothing may take its place.
        with _named(f"'{path}'"), open(path, "wb", buffering=0) as device:
            _write_all(device, data)
        return
    if os.path.exists(path) and not force:
        raise FileExistsError(f"cannot write '{path}': it exists (--force replaces it)")
    with _named(f"'{path}'"):
        _replace(path, data)


@contextmanager
def _named(output: str) -> Iterator[None]:
    """Say what could not be written; a reader that is gone is for the command to see."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OSError(f"cannot write {output}: {error.strerror}") from error


def _write_all(device: RawIOBase, data: bytes) -> None:
    # Unbuffered, so that nothing is left to be written when the device is closed after an error.
    rest = memoryview(data)
    while rest:
        rest = rest[device.write(rest) or 0 :]


def _replace(path: str, data: bytes) -> None:
    # A link stays a link: what it points to is replaced.
    target = os.path.realpath(path)
    folder, name = os.path.split(target)
    # tempfile would do, and takes a third as long to import as the rest of a command. A name is there already only if
    # a process of this number was killed over the same file; then it is nobody's.
    partial = os.path.join(folder, f".{name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        os.unlink(partial)
    try:
        with open(partial, "xb", opener=_for_nobody_else) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(partial, _mode_of(target))
        os.replace(partial, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(partial)
        raise


def _for_nobody_else(path: str, flags: int) -> int:
    # What is written may be as secret as what it replaces, until it has that file's permissions.
    return os.open(path, flags, 0o600)


def _mode_of(target: str) -> int:
    """The permissions of the file that is replaced, or of any new file."""
    with suppress(FileNotFoundError):
        return os.stat(target).st_mode & 0o7777
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask
