"""Files that a command writes: whole or not at all, and never in place of what somebody may want to keep.

Rules: the bytes are written to a file beside the output, which then takes its name: whoever reads the name finds
the old file or the new one, also when the disk is full or the command is killed. A file that exists is an error
unless the user said --force. `-` is standard output.
"""

import os
import sys
from argparse import ArgumentParser
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

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
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(f"cannot write '{path}': it is a directory")
    if target.exists() and not target.is_file():
        # A device or a pipe: there is nothing to keep, and nothing may take its place.
        target.write_bytes(data)
        return
    if target.exists() and not force:
        raise FileExistsError(f"cannot write '{path}': it exists (--force replaces it)")
    try:
        _replace(target, data)
    except OSError as error:
        raise OSError(f"cannot write '{path}': {error.strerror}") from error


def _replace(target: Path, data: bytes) -> None:
    # A link stays a link: what it points to is replaced.
    target = target.resolve()
    with NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as partial:
        try:
            partial.write(data)
            partial.flush()
            os.fsync(partial.fileno())
            os.chmod(partial.name, _mode_of(target))
            os.replace(partial.name, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(partial.name)
            raise


def _mode_of(target: Path) -> int:
    """The permissions of the file that is replaced, or of any new file."""
    with suppress(FileNotFoundError):
        return target.stat().st_mode & 0o7777
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask
