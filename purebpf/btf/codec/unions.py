"""The codec of unions: decoding keeps the bytes, encoding takes exactly one member."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from purebpf.btf.codec.base import ItemCodec
from purebpf.btf.codec.misfit import Misfit, OutOfRange, WrongShape, wrong_shape
from purebpf.btf.codec.records import Field, UnionValue, union_class

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from purebpf.units import ByteOrder


class UnionCodec(ItemCodec[UnionValue]):
    """A codec of a union of `fields`."""

    def __init__(self, type_name: str, size: int, fields: Sequence[Field], byteorder: ByteOrder) -> None:
        self.fields = tuple(fields)
        self.value_class = union_class(type_name, fields)
        self._members = {name: field for field in fields for name in (field.name, *field.hoisted)}
        names = ", ".join(name for field in fields for name in (field.hoisted or (field.name,)))
        self._wanted = f"its {size} bytes, or a mapping with exactly one of {names}"
        self._size = size
        weight = 1 + sum(field.codec.weight for field in fields)
        super().__init__(
            type_name,
            f"{size}s",
            byteorder,
            explain=lambda value: wrong_shape(type_name, self._wanted, value),
            from_raw=self.value_class,
            to_raw=self._raw,
            weight=weight,
        )

    def _raw(self, value: Any) -> bytes:
        if isinstance(value, UnionValue):
            value = bytes(value)
        if isinstance(value, Mapping):
            return self._raw_of_member(value)
        if not isinstance(value, bytes | bytearray | memoryview):
            raise wrong_shape(self.type_name, self._wanted, value)
        raw = bytes(value)
        if len(raw) != self._size:
            raise OutOfRange(f"{len(raw)} bytes do not fit {self.type_name} ({self._size} bytes exactly)")
        return raw

    def _raw_of_member(self, given: Mapping[Any, Any]) -> bytes:
        unknown = [str(name) for name in given if name not in self._members]
        if unknown:
            raise WrongShape(
                f"{self.type_name} has no member {', '.join(map(repr, unknown))} (it takes {self._wanted})"
            )
        chosen = {self._members[name].name for name in given}
        if len(chosen) != 1:
            raise WrongShape(f"{self.type_name} takes {self._wanted}, not {len(chosen)} of them")
        field = next(field for field in self.fields if field.name in chosen)
        direct = field.name in given
        if direct and len(given) > 1:
            raise WrongShape(f"{self.type_name} takes {self._wanted}, not one of them twice")
        try:
            raw = field.codec.encode(given[field.name] if direct else given)
        except Misfit as misfit:
            raise (misfit.within(field.name) if direct else misfit) from None
        return (bytes(field.offset) + raw).ljust(self._size, b"\0")
