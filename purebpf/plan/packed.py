"""Unpacking a module: distributions install .ko.xz, .ko.gz and .ko.zst.

Rules: the first bytes tell the form, not the name. No more than `MOST` bytes are unpacked, and nothing is imported
before it is needed. Python before 3.14 has no zstd; the error says what to do instead.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Final

from purebpf.errors import BtfError

MOST = 128 << 20


def unpacked(data: memoryview | bytes, name: str) -> memoryview | bytes:
    """What is packed in `data`, or `data` itself if it is in no known form; BtfError if it is damaged."""
    for magic, form, unpack in _FORMS:
        if data[: len(magic)] == magic:
            try:
                return unpack(data)
            except BtfError as error:
                raise BtfError(error.reason, file=name) from None
            except Exception as error:
                # Each of the libraries has errors of its own, and some of them are plain Exceptions.
                raise BtfError(f"the packed file ({form}) is damaged: {error}", file=name) from error
    return data


def _of_xz(data: memoryview | bytes) -> bytes:
    import lzma

    unpacker = lzma.LZMADecompressor(memlimit=MOST)
    return _whole(unpacker.decompress(data, MOST), unpacker.eof)


def _of_gzip(data: memoryview | bytes) -> bytes:
    import zlib

    unpacker = zlib.decompressobj(wbits=31)
    return _whole(unpacker.decompress(data, MOST), unpacker.eof)


def _of_zstd(data: memoryview | bytes) -> bytes:
    if sys.version_info < (3, 14):
        raise BtfError("the file is packed with zstd, which Python reads since 3.14: unpack it first (zstd -d FILE)")
    # By name, for a type checker of an older Python.
    zstd = import_module("compression.zstd")
    unpacker = zstd.ZstdDecompressor()
    return _whole(unpacker.decompress(data, MOST), unpacker.eof)


def _whole(unpacked: bytes, ended: bool) -> bytes:
    if ended:
        return unpacked
    if len(unpacked) < MOST:
        raise BtfError("the packed file is cut off")
    raise BtfError(
        f"the file unpacks to more than {MOST >> 20} MB, which no module has; unpack it yourself if it is one"
    )


_FORMS: Final[tuple[tuple[bytes, str, Callable[[memoryview | bytes], bytes]], ...]] = (
    (b"\xfd7zXZ\0", "xz", _of_xz),
    (b"\x1f\x8b", "gzip", _of_gzip),
    (b"\x28\xb5\x2f\xfd", "zstd", _of_zstd),
)
