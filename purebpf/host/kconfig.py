"""The running kernel's configuration: /boot/config-RELEASE as distributions install it, else /proc/config.gz."""

import gzip
import os
import zlib
from functools import cache
from io import BytesIO
from pathlib import Path

from purebpf.errors import NotSupported
from purebpf.plan.kconfig import ConfigText

_GZIP_MAGIC = b"\x1f\x8b"
# A .config has 250 KB. What unpacks to a hundred times as much is none.
_LARGEST = 32 << 20


@cache
def running_kconfig() -> ConfigText:
    """The configuration the kernel was built with; `NotSupported` where neither file is there."""
    return read_kconfig((f"/boot/config-{os.uname().release}", "/proc/config.gz"))


def read_kconfig(paths: tuple[str, ...]) -> ConfigText:
    """The first of these files that can be read, gzipped or not."""
    tried = []
    for path in paths:
        try:
            return ConfigText(_unpacked(Path(path).read_bytes()), path)
        except (OSError, EOFError, zlib.error) as error:
            tried.append(f"{path}: {error.strerror or error if isinstance(error, OSError) else error}")
    raise NotSupported(
        "reading its configuration",
        config="CONFIG_IKCONFIG_PROC, or with its .config in /boot",
        evidence=tried,
        remedy="say what the object asks for with the option kconfig, as text or as a mapping: kconfig='CONFIG_HZ=250'",
    )


def _unpacked(data: bytes) -> bytes:
    if not data.startswith(_GZIP_MAGIC):
        return data
    with gzip.GzipFile(fileobj=BytesIO(data)) as file:
        return file.read(_LARGEST)
