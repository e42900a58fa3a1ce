"""Integers that must not be mixed up: told apart by the type checker only, or named as the kernel names them.

And what owns the commonest of them, a file descriptor.

What a load imports does without the module typing, which with what it draws in costs as much as twenty modules of
ours: names for annotations come from it under TYPE_CHECKING, and what has to be there at run time is here.
"""

from __future__ import annotations

from purebpf.enums import IntEnum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, NewType, Self
    from typing import Protocol as Protocol

    TypeId = NewType("TypeId", int)
    """Index of a type in a BTF; 0 is void."""

    InsnIndex = NewType("InsnIndex", int)
    """Index of an 8-byte instruction slot (a 16-byte ldimm64 takes two)."""

    ByteOffset = NewType("ByteOffset", int)
    BitOffset = NewType("BitOffset", int)

    ByteOrder = Literal["little", "big"]
else:
    Protocol = object
    TypeId = InsnIndex = ByteOffset = BitOffset = int
    ByteOrder = str

VOID = TypeId(0)
"""The type without a size; as a reference, "no type"."""


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
