"""Codecs of numbers: integers of any width, bool, floats, enumerations, pointers.

Strict where C is not: a float is no int, a number that does not fit is an error and never cut. A bool is accepted
for an int (it is one in Python); for a C bool, 0 and 1 are accepted besides True and False.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from purebpf.btf.codec.base import ItemCodec
from purebpf.btf.codec.misfit import Misfit, OutOfRange, WrongShape, wrong_shape
from purebpf.enums import IntEnum

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from purebpf.units import ByteOrder

INT_FORMAT = {1: "b", 2: "h", 4: "i", 8: "q"}
FLOAT_FORMAT = {2: "e", 4: "f", 8: "d"}


def checked_int(value: Any, type_name: str, bits: int, signed: bool) -> int:
    """`value` as an int if `type_name` (`bits` wide) can hold it, or a `Misfit`."""
    if not hasattr(value, "__index__"):
        raise wrong_shape(type_name, "int", value)
    number = int(value.__index__())
    low = -(1 << (bits - 1)) if signed else 0
    if not low <= number < low + (1 << bits):
        raise OutOfRange(f"{_shown(number)} does not fit {type_name}")
    return number


def checked_bool(value: Any, type_name: str) -> bool:
    """`value` as a bool: True, False, 0 or 1, or a `Misfit`."""
    if value is True or value is False:
        return bool(value)
    if not hasattr(value, "__index__"):
        raise wrong_shape(type_name, "bool", value)
    number = int(value.__index__())
    if number not in (0, 1):
        raise OutOfRange(f"{_shown(number)} does not fit {type_name} (True, False, 0 or 1)")
    return number == 1


def _shown(number: int) -> str:
    return str(number) if -(1 << 256) < number < (1 << 256) else f"an integer of {number.bit_length()} bits"


def _int_misfit(type_name: str, bits: int, signed: bool) -> Callable[[Any], Misfit]:
    def explain(value: Any) -> Misfit:
        try:
            checked_int(value, type_name, bits, signed)
        except Misfit as misfit:
            return misfit
        return wrong_shape(type_name, "int", value)

    return explain


def int_codec(type_name: str, size: int, signed: bool, byteorder: ByteOrder) -> ItemCodec[int]:
    """A codec of an integer that fills `size` bytes."""
    explain = _int_misfit(type_name, 8 * size, signed)
    if size in INT_FORMAT:
        letter = INT_FORMAT[size] if signed else INT_FORMAT[size].upper()
        return ItemCodec(type_name, letter, byteorder, explain=explain)

    def from_raw(raw: bytes) -> int:
        return int.from_bytes(raw, byteorder, signed=signed)

    def to_raw(value: Any) -> bytes:
        return checked_int(value, type_name, 8 * size, signed).to_bytes(size, byteorder, signed=signed)

    return ItemCodec(type_name, f"{size}s", byteorder, explain=explain, from_raw=from_raw, to_raw=to_raw)


def bool_codec(type_name: str, size: int, byteorder: ByteOrder) -> ItemCodec[bool]:
    """A codec of a bool; any byte but 0 decodes as True, as the CPU would take it."""

    def explain(value: Any) -> Misfit:
        return wrong_shape(type_name, "bool", value)

    def to_raw(value: Any) -> bool:
        return checked_bool(value, type_name)

    if size == 1:
        return ItemCodec(type_name, "?", byteorder, explain=explain, to_raw=to_raw)

    def from_bytes(raw: bytes) -> bool:
        return any(raw)

    def to_bytes(value: Any) -> bytes:
        return checked_bool(value, type_name).to_bytes(size, byteorder)

    return ItemCodec(type_name, f"{size}s", byteorder, explain=explain, from_raw=from_bytes, to_raw=to_bytes)


def float_codec(type_name: str, size: int, byteorder: ByteOrder) -> ItemCodec[Any]:
    """A codec of a float; one that Python has no type for (80 or 128 bits) stays bytes."""

    def explain(value: Any) -> Misfit:
        if hasattr(value, "__float__") or hasattr(value, "__index__"):
            return OutOfRange(f"{value!r} does not fit {type_name}")
        return wrong_shape(type_name, "float", value)

    if size in FLOAT_FORMAT:
        return ItemCodec(type_name, FLOAT_FORMAT[size], byteorder, explain=explain)
    return ItemCodec(type_name, f"{size}s", byteorder, explain=explain, to_raw=exact_bytes(type_name, size))


def exact_bytes(type_name: str, size: int) -> Callable[[Any], bytes]:
    """A function that takes bytes-like values of exactly `size` bytes and refuses all others."""

    def to_raw(value: Any) -> bytes:
        if not isinstance(value, bytes | bytearray | memoryview):
            raise wrong_shape(type_name, f"{size} bytes", value)
        raw = bytes(value)
        if len(raw) != size:
            raise OutOfRange(f"{len(raw)} bytes do not fit {type_name} ({size} bytes exactly)")
        return raw

    return to_raw


class EnumMembers(dict[int, Any]):
    """Value -> member of an IntEnum, made when the first value is looked up; an unknown value gives itself.

    Making the class costs something for each enumerator, which a program that never meets the enumeration need not pay.
    """

    def __init__(self, type_name: str, enumerators: Iterable[tuple[str, int]]) -> None:
        super().__init__()
        self.type_name = type_name
        self.names = {name: value for name, value in enumerators if name}
        self.enum: type[IntEnum] | None = None

    def __missing__(self, value: int) -> Any:
        if self.enum is None:
            enum = _make_enum(self.type_name, self.names)
            self.update((int(member), member) for member in enum)
            self.enum = enum
        return self.get(value, value)

    def number(self, value: Any) -> Any:
        """What `value` stands for: an enumerator's name its number; anything else itself."""
        if isinstance(value, str):
            try:
                return self.names[value]
            except KeyError:
                raise OutOfRange(f"{value!r} is no enumerator of {self.type_name}") from None
        return value


def _make_enum(type_name: str, names: dict[str, int]) -> type[IntEnum]:
    # Names that an enumeration gives a meaning of its own (_x_, __x__, mro) or that are no identifiers at all get
    # no member: their values decode as ints, and encoding still knows the names.
    usable = {name: value for name, value in names.items() if name.isidentifier() and name[0] != "_" and name != "mro"}
    title = type_name.split()[-1]
    if not title.isidentifier():
        title = "enum"
    make: Any = type(IntEnum)  # to mypy it takes another kind of dict
    enum: type[IntEnum] = make(title, (IntEnum,), {"__module__": __name__, **usable})
    return enum


def enum_codec(type_name: str, size: int, signed: bool, members: EnumMembers, byteorder: ByteOrder) -> ItemCodec[int]:
    """A codec of an enumeration: members of an IntEnum, ints where the value has no name."""
    as_int = int_codec(type_name, size, signed, byteorder)
    raw_to_int, int_to_raw = as_int.from_raw, as_int.to_raw

    def explain(value: Any) -> Misfit:
        misfit = _int_misfit(type_name, 8 * size, signed)(value)
        if isinstance(misfit, WrongShape):
            return wrong_shape(type_name, "int or enumerator", value)
        return misfit

    def from_raw(raw: Any) -> int:
        member: int = members[raw if raw_to_int is None else raw_to_int(raw)]
        return member

    def to_raw(value: Any) -> Any:
        number = members.number(value)
        return number if int_to_raw is None else int_to_raw(number)

    lookup = members.__getitem__ if raw_to_int is None else from_raw
    return ItemCodec(type_name, as_int.format, byteorder, explain=explain, from_raw=lookup, to_raw=to_raw)
