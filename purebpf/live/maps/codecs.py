"""How the entries of a map become Python values: which integers the C side converts, raw bytes, a list per CPU."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from purebpf.btf import Btf
    from purebpf.units import TypeId

# Kinds of the C side (`Entries`).
BYTES, UNSIGNED, SIGNED = 0, 1, 2

_INTEGERS = {letter: (SIGNED if letter.islower() else UNSIGNED) for letter in "bBhHiIqQ"}


class ValueCodec(Protocol):
    """What a map needs of a codec; those of `purebpf.btf` have it."""

    @property
    def size(self) -> int: ...
    @property
    def decode(self) -> Any: ...
    @property
    def encode(self) -> Any: ...


class RawCodec:
    """Bytes as they are, of one exact length."""

    def __init__(self, size: int) -> None:
        self.size = size

    def decode(self, buffer: "Buffer", offset: int = 0) -> bytes:
        """A copy of `size` bytes at `offset`."""
        return bytes(memoryview(buffer)[offset : offset + self.size])

    def encode(self, value: "Buffer") -> bytes:
        """The bytes, if they have the length."""
        if not isinstance(value, bytes | bytearray | memoryview):
            raise TypeError(f"expected {self.size} bytes, got {type(value).__name__} {value!r}")
        if len(value) != self.size:
            raise ValueError(f"expected {self.size} bytes, got {len(value)}")
        return bytes(value)


class PerCpuCodec:
    """A list with one value for each possible CPU; in the kernel each takes a multiple of 8 bytes."""

    def __init__(self, value: ValueCodec, cpus: int) -> None:
        self.value = value
        self.cpus = cpus
        self.stride = -(-value.size // 8) * 8
        self.size = self.stride * cpus
        self._offsets = tuple(range(0, self.size, self.stride)) if self.stride else ()

    def decode(self, buffer: "Buffer", offset: int = 0) -> list[Any]:
        """Every CPU's value, in the order of their numbers."""
        decode = self.value.decode
        return [decode(buffer, offset + start) for start in self._offsets]

    def encode(self, value: Sequence[Any]) -> bytes:
        """The bytes of a list with a value for every possible CPU."""
        if isinstance(value, str | bytes) or not isinstance(value, Sequence):
            raise TypeError(f"expected a list of {self.cpus} values, one for each CPU, got {type(value).__name__}")
        if len(value) != self.cpus:
            raise ValueError(f"expected {self.cpus} values, one for each possible CPU, got {len(value)}")
        encode, stride = self.value.encode, self.stride
        return b"".join(encode(item).ljust(stride, b"\0") for item in value)


def integer_kind(codec: ValueCodec) -> int:
    """UNSIGNED or SIGNED where the codec is a plain integer of this machine, which the C side converts itself."""
    if getattr(codec, "byteorder", sys.byteorder) != sys.byteorder:
        return BYTES
    if getattr(codec, "from_raw", None) is not None or getattr(codec, "to_raw", None) is not None:
        return BYTES
    return _INTEGERS.get(getattr(codec, "format", ""), BYTES)


def entry_codec(btf: "Btf | None", type_id: "TypeId | int", size: int) -> ValueCodec:
    """The codec of a declared key or value type, raw bytes without one or where its size is not the map's."""
    if btf is None or not type_id:
        return RawCodec(size)
    from purebpf.btf import codec_for

    codec = codec_for(btf, type_id)
    return codec if codec.size == size else RawCodec(size)
