"""Values of the kernel's configuration as C sees them.

A .config says `CONFIG_HZ=250`, `CONFIG_IPV6=m`, `CONFIG_DEFAULT_HOSTNAME="(none)"`, and nothing of what is not set.
Rules, libbpf's: y and n fit a bool, a tristate and a char, m only the last two (a char becomes the letter), and a
word counts by its first letter; a number (decimal, 0x... or 0..., after blanks as well) fits a char or an integer in
whose range it lies; a text in quotes an array of char, which cuts it if it is too long. What does not fit is refused,
for the program would take it for something else.
"""

from __future__ import annotations

import re
import warnings

from purebpf.spec.model import ExternSpec, KconfigForm

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from purebpf.units import ByteOrder

_NUMBER: Final = re.compile(r"([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
# So many fit a line of libbpf, and Python converts them at once.
_MOST_DIGITS: Final = 4096
# What C's isspace() takes for space.
_BLANKS: Final = " \t\n\v\f\r"
_TRISTATE: Final = {"n": 0, "y": 1, "m": 2}
_WANTED: Final = {
    KconfigForm.BOOL: "a bool, which is y or n",
    KconfigForm.TRISTATE: "an enum libbpf_tristate, which is y, m or n",
    KconfigForm.CHAR: "a char, which is y, m, n or a number",
    KconfigForm.INT: "an integer",
    KconfigForm.TEXT: "an array of char, which is a text in quotes",
}


def encode(extern: ExternSpec, value: str, byteorder: ByteOrder) -> bytes:
    """The bytes of `extern` for what .config says; ValueError with the reason if the one does not fit the other."""
    if value[:1] in _TRISTATE:
        return _encode_letter(extern, value, byteorder)
    if value.startswith('"'):
        return _encode_text(extern, value)
    number = _number(value)
    if number is None:
        raise ValueError(f"the value {_quoted(value)} is neither y, m or n nor a number nor a text in quotes")
    if extern.form not in (KconfigForm.CHAR, KconfigForm.INT):
        raise _misfit(extern, value)
    return encode_number(extern, number, byteorder)


def encode_number(extern: ExternSpec, number: int, byteorder: ByteOrder) -> bytes:
    """The bytes of a number, for values that the loader itself knows; those may be bools as well."""
    if extern.form is KconfigForm.BOOL:
        if not 0 <= number <= 1:
            raise ValueError(f"the value {number} is neither 0 nor 1, and it is declared as a bool")
    elif extern.form not in (KconfigForm.CHAR, KconfigForm.INT):
        raise _misfit(extern, str(number))
    bits = 8 * extern.size
    # As in C a number has 64 bits: -1 and 0xffffffffffffffff are the same one, and 8 bytes hold either.
    number &= (1 << 64) - 1
    if bits < 64:
        shifted = (number + (1 << (bits - 1)) & (1 << 64) - 1) if extern.signed else number
        if shifted >> bits:
            lowest, highest = (-(1 << bits - 1), (1 << bits - 1) - 1) if extern.signed else (0, (1 << bits) - 1)
            shown = number - (1 << 64) if number >> 63 else number
            size = "1 byte" if extern.size == 1 else f"{extern.size} bytes"
            raise ValueError(f"the value {shown} does not fit its {size} ({lowest} to {highest})")
    return (number & (1 << bits) - 1).to_bytes(extern.size, byteorder)


def _encode_letter(extern: ExternSpec, value: str, byteorder: ByteOrder) -> bytes:
    letter = value[0]
    match extern.form:
        case KconfigForm.BOOL if letter != "m":
            encoded = bytes([letter == "y"])
        case KconfigForm.TRISTATE:
            encoded = _TRISTATE[letter].to_bytes(extern.size, byteorder)
        case KconfigForm.CHAR:
            encoded = letter.encode()
        case _:
            raise _misfit(extern, value)
    if value.rstrip(_BLANKS) != letter:
        warnings.warn(
            f"the value {_quoted(value)} of '{extern.name}' counts by its first letter, {letter}",
            RuntimeWarning,
            stacklevel=2,
        )
    return encoded


def _encode_text(extern: ExternSpec, value: str) -> bytes:
    if extern.form is not KconfigForm.TEXT:
        raise _misfit(extern, value)
    if len(value) < 2 or not value.endswith('"'):
        raise ValueError(f"the text {value} has no closing quote")
    text = value[1:-1].encode("utf-8", "surrogateescape")
    if len(text) >= extern.size:
        warnings.warn(
            f"the value of '{extern.name}' has {len(text)} bytes and is cut to the {extern.size - 1} of its array",
            RuntimeWarning,
            stacklevel=2,
        )
        text = text[: extern.size - 1]
    return text.ljust(extern.size, b"\0")


def _misfit(extern: ExternSpec, value: str) -> ValueError:
    wanted = _WANTED[extern.form] if extern.form is not None else "nothing that a configuration can say"
    return ValueError(f"the value {_quoted(value)} does not fit its declaration as {wanted}")


def _quoted(value: str) -> str:
    """So that spaces show; a text has its own quotes."""
    return value if value.startswith('"') else f"'{value}'"


def _number(text: str) -> int | None:
    """The number as C's strtoull reads it, of at most 64 bits."""
    match = _NUMBER.fullmatch(text.lstrip(_BLANKS)) if len(text) <= _MOST_DIGITS else None
    if match is None:
        return None
    sign, digits = match.groups()
    base = 16 if digits[:2] in ("0x", "0X") else 8 if digits.startswith("0") else 10
    number = int(digits, base)
    if number >> 64:
        return None
    return -number if sign == "-" else number
