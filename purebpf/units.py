"""Integers that must not be mixed up: told apart by the type checker only, or named as the kernel names them.

And what owns the commonest of them, a file descriptor.
"""

from enum import IntEnum
from typing import Literal, NewType, Protocol, Self

TypeId = NewType("TypeId", int)
"""Index of a type in a BTF; 0 is void."""

VOID = TypeId(0)
"""The type without a size; as a reference, "no type"."""

InsnIndex = NewType("InsnIndex", int)
"""Index of an 8-byte instruction slot (a 16-byte ldimm64 takes two)."""

ByteOffset = NewType("ByteOffset", int)
BitOffset = NewType("BitOffset", int)

ByteOrder = Literal["little", "big"]


class HasFd(Protocol):
    """Something open in the kernel, such as a loaded program or a map."""

    def fileno(self) -> int:
        """Its file descriptor."""


class KernelEnum(IntEnum):
    """A number of the kernel's ABI with the kernel's word for it, both ways.

    `str(MapType.RINGBUF)` is 'ringbuf', as libbpf and bpftool write it, and `MapType("ringbuf")` the number again.
    """

    def __str__(self) -> str:
        return self.name.lower()

    def __format__(self, form: str) -> str:
        return format(str(self), form)

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        return cls._member_map_.get(value.upper())  # type: ignore[return-value]
