"""What every codec offers, and how small codecs become part of a larger one.

A codec is immutable once built and holds no reference to the BTF it came from. `decode` and `encode` are functions
stored on the instance rather than methods: the ones of a struct are made for it, and a loop over a million events
binds `decode = codec.decode` once and pays for no lookup.

Speed rests on `Inline`: a codec that has one can be part of its container's single `struct` format, so that a flat
or nested struct is decoded by one `unpack_from` and one generated expression. The generated text holds only names
made up here (v0, k0, ...) and integers; nothing of the file, whose names are anybody's, is ever put into it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from purebpf.frozen import Frozen

if TYPE_CHECKING:
    from types import CodeType

    from typing_extensions import Buffer

    from purebpf.btf.codec.misfit import Misfit
    from purebpf.units import ByteOrder

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

FORMAT_PREFIX: dict[ByteOrder, str] = {"little": "<", "big": ">"}

Bind = Callable[[object], str]
"""Gives the name under which the generated function sees an object."""


class Decode(Protocol[T_co]):
    """Decode the value at `offset` of a buffer (at least `size` bytes; `offset` is not negative)."""

    def __call__(self, buffer: Buffer, offset: int = 0) -> T_co:
        """Give the value; ValueError if the buffer is too short."""


Encode = Callable[[Any], bytes]


class Inline(Frozen):
    """A codec as part of a larger `struct` format.

    `format` takes `items` values; `express` writes the expression that makes the decoded value of the variables that
    hold them. `depth` counts the brackets it nests, which Python's parser limits to 200.
    """

    format: str
    items: int
    express: Callable[[Iterator[str], Bind], str]
    depth: int = 0


class Codec(Generic[T]):
    """Turns the bytes of one C type into Python values and back.

    `size` is the C size; `type_name` the type in C, for messages; `weight` an upper bound for the number of Python
    objects that one decoded value consists of. `flexible` says that the last member is a flexible array, which takes
    what whole elements the buffer holds beyond the fixed part, so that a buffer must end where the value ends.
    """

    type_name: str
    size: int
    weight: int
    flexible: bool = False
    inline: Inline | None = None
    decode: Decode[T]
    encode: Encode

    def __init__(self, type_name: str, size: int, weight: int = 1) -> None:
        self.type_name = type_name
        self.size = size
        self.weight = weight

    def __repr__(self) -> str:
        return f"<Codec of {self.type_name}, {self.size} bytes>"

    def decode_many(self, buffer: Buffer) -> list[T]:
        """Decode values that stand one behind the other; the buffer must hold a whole number of them."""
        view = memoryview(buffer).cast("B")
        length, size, decode = len(view), self.size, self.decode
        if self.flexible:
            raise ValueError(f"cannot decode many {self.type_name}: its last member has no fixed length")
        if size == 0 or length % size:
            raise ValueError(f"cannot decode many {self.type_name}: {length} bytes are no multiple of {size}")
        return [decode(view, offset) for offset in range(0, length, size)]


class ItemCodec(Codec[T]):
    """A codec whose value is one item of a `struct` format: numbers, strings, unions.

    `from_raw` makes the value of the unpacked item, `to_raw` the item of a value (raising a `Misfit`); None where
    they are the same. `explain` gives the error for a value that `struct` refused.
    """

    def __init__(
        self,
        type_name: str,
        format: str,  # noqa: A002
        byteorder: ByteOrder,
        *,
        explain: Callable[[Any], Misfit],
        from_raw: Callable[[Any], T] | None = None,
        to_raw: Callable[[Any], Any] | None = None,
        weight: int = 1,
    ) -> None:
        packing = struct.Struct(FORMAT_PREFIX[byteorder] + format)
        super().__init__(type_name, packing.size, weight)
        self.format = format
        self.byteorder = byteorder
        self.from_raw = from_raw
        self.to_raw = to_raw
        self.inline = Inline(format, 1, self._express)
        self.decode = _item_decoder(packing, from_raw, type_name)
        self.encode = _item_encoder(packing, to_raw, explain)

    def _express(self, names: Iterator[str], bind: Bind) -> str:
        name = next(names)
        return name if self.from_raw is None else f"{bind(self.from_raw)}({name})"


def _item_decoder(packing: struct.Struct, from_raw: Callable[[Any], Any] | None, type_name: str) -> Decode[Any]:
    unpack = packing.unpack_from

    def decode(buffer: Buffer, offset: int = 0) -> Any:
        try:
            return unpack(buffer, offset)[0]
        except struct.error:
            raise too_short(type_name, packing.size, buffer, offset) from None

    def decode_and_convert(buffer: Buffer, offset: int = 0) -> Any:
        try:
            (raw,) = unpack(buffer, offset)
        except struct.error:
            raise too_short(type_name, packing.size, buffer, offset) from None
        return convert(raw)

    if from_raw is None:
        return decode
    convert = from_raw
    return decode_and_convert


def _item_encoder(
    packing: struct.Struct, to_raw: Callable[[Any], Any] | None, explain: Callable[[Any], Misfit]
) -> Encode:
    pack = packing.pack

    def encode(value: Any) -> bytes:
        try:
            return pack(value)
        except (struct.error, OverflowError):
            raise explain(value) from None

    def convert_and_encode(value: Any) -> bytes:
        try:
            return pack(convert(value))
        except (struct.error, OverflowError):
            raise explain(value) from None

    if to_raw is None:
        return encode
    convert = to_raw
    return convert_and_encode


def too_short(type_name: str, size: int, buffer: Buffer, offset: int) -> ValueError:
    """The error for a buffer that ends before the value does."""
    length = memoryview(buffer).nbytes
    return ValueError(f"cannot decode {type_name}: it takes {size} bytes at offset {offset} of a buffer of {length}")


@lru_cache(maxsize=512)
def compiled(source: str) -> CodeType:
    """The code of a generated function; structs of the same shape have the same text (compiling costs 0.1 ms)."""
    return compile(source, "<purebpf codec>", "exec")
