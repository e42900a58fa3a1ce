"""Integers that must not be mixed up, told apart by the type checker only (no cost at run time)."""

from typing import Literal, NewType

TypeId = NewType("TypeId", int)
"""Index of a type in a BTF; 0 is void."""

VOID = TypeId(0)
"""The type without a size; as a reference, "no type"."""

InsnIndex = NewType("InsnIndex", int)
"""Index of an 8-byte instruction slot (a 16-byte ldimm64 takes two)."""

ByteOffset = NewType("ByteOffset", int)
BitOffset = NewType("BitOffset", int)

ByteOrder = Literal["little", "big"]
