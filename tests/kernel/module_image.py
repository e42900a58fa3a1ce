"""A kernel module's file with other contents in some of its sections: what a module built apart from its kernel is."""

from __future__ import annotations

import struct

_HEADER = struct.Struct("<IIQQQQIIQQ")
_TABLE_AT, _COUNTS_AT, _ENTRY = 40, 58, 64
_PROGBITS = 1


def with_sections(image: bytes, replaced: dict[str, bytes]) -> bytes:
    """A little-endian ELF64 file with these sections, in place of those of that name or besides the others."""
    (table,) = struct.unpack_from("<Q", image, _TABLE_AT)
    _, count, names_index = struct.unpack_from("<HHH", image, _COUNTS_AT)
    headers = [list(_HEADER.unpack_from(image, table + each * _ENTRY)) for each in range(count)]
    names_at, names_size = headers[names_index][4:6]
    names = image[names_at : names_at + names_size]
    out = bytearray(image)
    for name, data in replaced.items():
        found = [each for each in headers if names[each[0] :].startswith(name.encode() + b"\0")]
        header = found[0] if found else [len(names), _PROGBITS, 0, 0, 0, 0, 0, 0, 1, 0]
        if not found:
            names += name.encode() + b"\0"
            headers.append(header)
        header[4:6] = _appended(out, data), len(data)
    headers[names_index][4:6] = _appended(out, names), len(names)
    table = _appended(out, b"".join(_HEADER.pack(*header) for header in headers))
    struct.pack_into("<Q", out, _TABLE_AT, table)
    struct.pack_into("<H", out, _COUNTS_AT + 2, len(headers))
    return bytes(out)


def _appended(out: bytearray, data: bytes) -> int:
    out += bytes(-len(out) % 8)
    at = len(out)
    out += data
    return at
