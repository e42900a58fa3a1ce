"""Gaps between members as C can write them."""

from __future__ import annotations

_UNITS = ((64, "long long"), (32, "int"), (16, "short"), (8, "char"))
_MAX_LINES = 16


def padding(begin: int, end: int) -> list[str]:
    """Unnamed bitfields that fill the bits from `begin` to `end` of a struct; a long gap ends in an array of bytes."""
    lines: list[str] = []
    while begin < end:
        if len(lines) == _MAX_LINES and begin + 8 <= end:
            lines.append(f"char __padding_{begin // 8}[{(end - begin) // 8}];")
            begin = end - end % 8
            continue
        fitting = (each for each in _UNITS if not begin % each[0] and begin + each[0] <= end)
        bits, word = next(fitting, (min(8 - begin % 8, end - begin), "char"))
        lines.append(f"{word}: {bits};")
        begin += bits
    return lines
