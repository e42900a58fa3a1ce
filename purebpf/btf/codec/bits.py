"""Integers that take some bits of some bytes: bitfields, and integers narrower than their storage.

BTF counts a bit offset from the least significant bit of the first byte on a little-endian machine and from the most
significant bit of the first byte on a big-endian one. Seen as one integer in its byte order, the span of bytes that a
field touches therefore holds it at `shift` from the right in both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from purebpf.btf.codec.base import Bind, Codec, too_short
from purebpf.btf.codec.scalars import EnumMembers, checked_bool, checked_int

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

    from purebpf.units import ByteOrder


class BitCodec(Codec[Any]):
    """`width` bits, `bit_offset` (0 to 7) into the first byte; `size` counts the bytes that hold any of them.

    `encode` gives these bytes with all other bits 0. As a member of a struct it has no `inline`: fields that share
    bytes are read together, with `express_bits`.
    """

    def __init__(
        self,
        type_name: str,
        bit_offset: int,
        width: int,
        byteorder: ByteOrder,
        *,
        signed: bool = False,
        boolean: bool = False,
        members: EnumMembers | None = None,
        size: int | None = None,
    ) -> None:
        span = (bit_offset + width + 7) // 8 if size is None else size
        super().__init__(type_name, span)
        self.width = width
        self.shift = bit_offset if byteorder == "little" else 8 * span - bit_offset - width
        self.byteorder = byteorder
        self.signed = signed
        self.boolean = boolean
        self.members = members
        self.decode = self._decode
        self.encode = self._encode

    def _decode(self, buffer: Buffer, offset: int = 0) -> Any:
        raw = memoryview(buffer).cast("B")[offset : offset + self.size]
        if len(raw) != self.size:
            raise too_short(self.type_name, self.size, buffer, offset)
        bits = int.from_bytes(raw, self.byteorder) >> self.shift & ((1 << self.width) - 1)
        if self.signed:
            sign = 1 << (self.width - 1)
            bits = (bits ^ sign) - sign
        if self.boolean:
            return bits != 0
        return bits if self.members is None else self.members[bits]

    def _encode(self, value: Any) -> bytes:
        if self.boolean:
            number = int(checked_bool(value, self.type_name))
        else:
            named = value if self.members is None else self.members.number(value)
            full = 8 * self.size == self.width
            name = self.type_name if full else f"{self.type_name}:{self.width}"
            number = checked_int(named, name, self.width, self.signed)
        bits = (number & ((1 << self.width) - 1)) << self.shift
        return bits.to_bytes(self.size, self.byteorder)

    def express_bits(self, source: str, shift: int, bind: Bind) -> str:
        """The expression of the field's value, where `source` is an integer that holds it at `shift`."""
        bits = f"({source} >> {shift} & {(1 << self.width) - 1})"
        if self.signed:
            sign = 1 << (self.width - 1)
            bits = f"(({bits} ^ {sign}) - {sign})"
        if self.boolean:
            return f"({bits} != 0)"
        return bits if self.members is None else f"{bind(self.members)}[{bits}]"


def big_span_reader(byteorder: ByteOrder) -> Callable[[bytes], int]:
    """A function that reads a span of bytes as one integer, for lengths that `struct` has no letter for."""

    def read(raw: bytes) -> int:
        return int.from_bytes(raw, byteorder)

    return read
