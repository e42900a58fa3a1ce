"""Codecs of arrays: text, bytes, lists, and the flexible array at the end of a struct.

What a one-byte element means is decided by its name, since BTF says it badly: clang and pahole give plain `char` the
encoding SIGNED, and nothing but the name tells it from `signed char`. char[] is text up to the first NUL, an
unsigned byte array is `bytes`, everything else a list.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Set
from typing import TYPE_CHECKING, Any

from purebpf.btf.codec.base import FORMAT_PREFIX, Bind, Codec, Inline, ItemCodec, too_short
from purebpf.btf.codec.misfit import Misfit, OutOfRange, wrong_shape
from purebpf.btf.codec.scalars import exact_bytes

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from purebpf.units import ByteOrder

# A longer array is decoded by its own loop: one generated line an element no longer pays, and the text grows.
INLINE_ITEMS = 32
INLINE_DEPTH = 16


def text_of(raw: bytes) -> str:
    """The text up to the first NUL; bytes that are no UTF-8 become surrogates, which encode to the same bytes."""
    try:
        return raw.partition(b"\0")[0].decode()
    except UnicodeDecodeError:
        # Asking for surrogates from the start costs 40 ns a string.
        return raw.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def raw_text(type_name: str, size: int | None) -> Callable[[Any], bytes]:
    """A function from str or bytes to the bytes of a char array of at most `size` (None: any length)."""

    def to_raw(value: Any) -> bytes:
        if type(value) is str or isinstance(value, str):
            try:
                raw = value.encode("utf-8", "surrogateescape")
            except UnicodeEncodeError:
                raise OutOfRange(f"{value!r} cannot be written as UTF-8 in {type_name}") from None
        elif isinstance(value, bytes | bytearray | memoryview):
            raw = bytes(value)
        else:
            raise wrong_shape(type_name, "str or bytes", value)
        if size is not None and len(raw) > size:
            raise OutOfRange(f"{len(raw)} bytes do not fit {type_name}")
        return raw

    return to_raw


def text_codec(type_name: str, size: int, byteorder: ByteOrder) -> ItemCodec[str]:
    """A codec of char[size]: a string may fill it without a NUL at the end."""

    def explain(value: Any) -> Misfit:
        return wrong_shape(type_name, "str or bytes", value)

    to_raw = raw_text(type_name, size)
    return ItemCodec(type_name, f"{size}s", byteorder, explain=explain, from_raw=text_of, to_raw=to_raw)


def bytes_codec(type_name: str, size: int, byteorder: ByteOrder) -> ItemCodec[bytes]:
    """A codec of an array of unsigned bytes."""

    def explain(value: Any) -> Misfit:
        return wrong_shape(type_name, f"{size} bytes", value)

    return ItemCodec(type_name, f"{size}s", byteorder, explain=explain, to_raw=exact_bytes(type_name, size))


def elements_of(value: Any, type_name: str, count: int | None) -> list[Any]:
    """The elements of a sequence of `count` (None: any number), or a `Misfit`."""
    wanted = "a sequence" if count is None else f"a sequence of {count}"
    textual = isinstance(value, str | bytes | bytearray | Mapping | Set)
    if textual or not hasattr(value, "__len__") or not hasattr(value, "__iter__"):
        raise wrong_shape(type_name, wanted, value)
    elements = list(value)
    if count is not None and len(elements) != count:
        raise OutOfRange(f"{len(elements)} elements do not fit {type_name} ({count} exactly)")
    return elements


def encode_elements(element: Codec[Any], elements: list[Any]) -> bytes:
    """The elements one behind the other; a misfit says which of them it is."""
    encode = element.encode
    raws = []
    for position, value in enumerate(elements):
        try:
            raws.append(encode(value))
        except Misfit as misfit:
            raise misfit.within(position) from None
    return b"".join(raws)


class ListCodec(Codec[list[Any]]):
    """A codec of `count` elements as a list."""

    def __init__(self, type_name: str, element: Codec[Any], count: int, byteorder: ByteOrder) -> None:
        super().__init__(type_name, element.size * count, 1 + element.weight * count)
        self.element = element
        self.count = count
        self.decode = self._decode
        self.encode = self._encode
        part = element.inline
        if part is not None and max(part.items, 1) * count <= INLINE_ITEMS and part.depth < INLINE_DEPTH:
            self.inline = Inline(part.format * count, part.items * count, self._express, part.depth + 1)
        if isinstance(element, ItemCodec) and element.format.isalpha():
            packing = struct.Struct(f"{FORMAT_PREFIX[byteorder]}{count}{element.format}")
            self._use_one_format(packing, element.from_raw, element.to_raw)

    def _express(self, names: Iterator[str], bind: Bind) -> str:
        assert self.element.inline is not None
        express = self.element.inline.express
        return f"[{', '.join(express(names, bind) for _ in range(self.count))}]"

    def _decode(self, buffer: Buffer, offset: int = 0) -> list[Any]:
        element, size = self.element.decode, self.element.size
        if size == 0:
            return [element(buffer, offset) for _ in range(self.count)]
        if memoryview(buffer).nbytes - offset < self.size:
            raise too_short(self.type_name, self.size, buffer, offset)
        return [element(buffer, at) for at in range(offset, offset + self.size, size)]

    def _encode(self, value: Any) -> bytes:
        return encode_elements(self.element, elements_of(value, self.type_name, self.count))

    def _use_one_format(
        self,
        packing: struct.Struct,
        from_raw: Callable[[Any], Any] | None,
        to_raw: Callable[[Any], Any] | None,
    ) -> None:
        unpack, pack = packing.unpack_from, packing.pack

        def decode(buffer: Buffer, offset: int = 0) -> list[Any]:
            try:
                raws = unpack(buffer, offset)
            except struct.error:
                raise too_short(self.type_name, self.size, buffer, offset) from None
            return list(raws) if from_raw is None else [from_raw(raw) for raw in raws]

        def encode(value: Any) -> bytes:
            elements = elements_of(value, self.type_name, self.count)
            try:
                return pack(*elements) if to_raw is None else pack(*[to_raw(element) for element in elements])
            except (Misfit, struct.error, OverflowError):
                return encode_elements(self.element, elements)

        self.decode = decode
        self.encode = encode


class FlexibleCodec(Codec[Any]):
    """The array without a length at the end of a struct: as many whole elements as the buffer holds.

    Text and bytes take the rest of the buffer. Its own `size` is 0, as in C.
    """

    flexible = True

    def __init__(self, type_name: str, element: Codec[Any], form: type[str] | type[bytes] | type[list[Any]]) -> None:
        super().__init__(type_name, 0, 1)
        self.element = element
        self.decode = {str: self._decode_text, bytes: self._decode_bytes}.get(form, self._decode_list)
        self.encode = {str: raw_text(type_name, None), bytes: self._encode_bytes}.get(form, self._encode_list)

    def _decode_bytes(self, buffer: Buffer, offset: int = 0) -> bytes:
        return bytes(memoryview(buffer).cast("B")[offset:])

    def _decode_text(self, buffer: Buffer, offset: int = 0) -> str:
        return text_of(self._decode_bytes(buffer, offset))

    def _decode_list(self, buffer: Buffer, offset: int = 0) -> list[Any]:
        rest = memoryview(buffer).cast("B")[offset:]
        size = self.element.size
        return self.element.decode_many(rest[: len(rest) - len(rest) % size]) if size else []

    def _encode_bytes(self, value: Any) -> bytes:
        if not isinstance(value, bytes | bytearray | memoryview):
            raise wrong_shape(self.type_name, "bytes", value)
        return bytes(value)

    def _encode_list(self, value: Any) -> bytes:
        return encode_elements(self.element, elements_of(value, self.type_name, None))
