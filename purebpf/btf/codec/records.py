"""The Python values of structs and unions: `Record` and `UnionValue`, and `plain`, which turns them into JSON's types.

Their classes are made at run time from names in a file, which may be anything: a Python keyword, `count`, `__class__`,
no identifier at all. A member's name becomes an attribute and hides what tuples and objects have by that name; only
names like `__x__` and those in `RESERVED` stay what Python and this module make of them, and such members are reached
by position and by `_asdict()`. Everything here therefore looks at the class, never at attributes of a value.
"""

from __future__ import annotations

import math
from collections import namedtuple
from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar

from purebpf.frozen import Frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from purebpf.btf.codec.base import Codec

RESERVED = frozenset({"_fields", "_asdict", "_layout"})

# The field descriptors of a namedtuple are written in C and a third faster than property(itemgetter(i)); they serve
# any tuple, whatever name they are stored under.
_PLACES = tuple(f"f{position}" for position in range(32))
_PLACED = vars(namedtuple("_Placed", _PLACES))
_GETTERS = [_PLACED[place] for place in _PLACES]


class Field(Frozen):
    """A member as it is stored: `codec` at byte `offset`.

    `hoisted` are the names to be reached through it from outside: the members of an anonymous struct or union.
    """

    name: str
    offset: int
    codec: Codec[Any]
    hoisted: tuple[str, ...] = ()


class Record(tuple[Any, ...]):
    """A decoded struct: a tuple of its members in C's order, each an attribute too.

    Members of anonymous structs are members of the record; an anonymous union is one item, named by its position
    (`_3`), and its members are attributes of the record as well. Records compare equal to tuples of the same values
    and hash by content; a list in a record that serves as a key must not be changed.
    """

    __slots__ = ()
    _fields: ClassVar[tuple[str, ...]] = ()
    _layout: ClassVar[tuple[Field, ...]] = ()

    if TYPE_CHECKING:  # A real __getattr__ would triple the cost of every attribute.

        def __getattr__(self, name: str) -> Any: ...

    def _asdict(self) -> dict[str, Any]:
        """The members by name; `encode` takes this back."""
        return dict(zip(type(self)._fields, self, strict=True))

    def __hash__(self) -> int:
        try:
            return tuple.__hash__(self)
        except TypeError:
            return hash(tuple(_hashable(value) for value in self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({_shown_members(type(self)._layout, self)})"


class UnionValue:
    """A decoded union: its bytes, and each member decoded from them when it is asked for.

    `bytes(value)` gives the bytes. Unions compare by their bytes, with each other and with `bytes`.
    """

    __slots__ = ("__raw",)
    _fields: ClassVar[tuple[str, ...]] = ()
    _layout: ClassVar[tuple[Field, ...]] = ()

    def __init__(self, raw: bytes) -> None:
        self.__raw = raw

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def __setattr__(self, name: str, value: object) -> None:
        if name != "_UnionValue__raw":
            raise AttributeError(f"a decoded union cannot be changed; encode {{'{name}': ...}} instead")
        object.__setattr__(self, name, value)

    def _asdict(self) -> dict[str, Any]:
        """Every member, each decoded from the same bytes."""
        raw = self.__raw
        return {field.name: field.codec.decode(raw, field.offset) for field in type(self)._layout}

    def __bytes__(self) -> bytes:
        return self.__raw

    def __eq__(self, other: object) -> bool:
        if isinstance(other, UnionValue):
            return self.__raw == other.__raw
        return self.__raw == other if isinstance(other, bytes) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.__raw)

    def __repr__(self) -> str:
        members = UnionValue._asdict(self).values()
        return f"{type(self).__name__}({_shown_members(type(self)._layout, members)})"


def _shown_members(layout: Sequence[Field], values: Iterable[Any]) -> str:
    return ", ".join(
        repr(value) if field.hoisted else f"{field.name}={value!r}" for field, value in zip(layout, values, strict=True)
    )


def _hashable(value: Any) -> Any:
    return tuple(_hashable(element) for element in value) if isinstance(value, list) else value


def record_class(name: str, fields: Sequence[Field]) -> type[Record]:
    """A class of records with these members."""
    namespace: dict[str, Any] = {}
    for position, field in enumerate(fields):
        getter = _GETTERS[position] if position < len(_GETTERS) else property(itemgetter(position))
        _add_attributes(namespace, field, getter, itemgetter(position))
    return type(_class_name(name, "struct"), (Record,), _finished(namespace, fields))


def union_class(name: str, fields: Sequence[Field]) -> type[UnionValue]:
    """A class of union values with these members."""
    namespace: dict[str, Any] = {}
    for field in fields:
        read = _member_reader(field)
        _add_attributes(namespace, field, property(read), read)
    return type(_class_name(name, "union"), (UnionValue,), _finished(namespace, fields))


def _member_reader(field: Field) -> Callable[[Any], Any]:
    codec, offset = field.codec, field.offset
    to_bytes = UnionValue.__bytes__

    def read(value: UnionValue) -> Any:
        return codec.decode(to_bytes(value), offset)

    return read


def _add_attributes(namespace: dict[str, Any], field: Field, getter: Any, read: Callable[[Any], Any]) -> None:
    if _may_be_attribute(field.name):
        namespace.setdefault(field.name, getter)
    for name in field.hoisted:
        if _may_be_attribute(name):
            namespace.setdefault(name, property(_hoisted_reader(read, name)))


def _hoisted_reader(read: Callable[[Any], Any], name: str) -> Callable[[Any], Any]:
    return lambda value: getattr(read(value), name)


def _finished(namespace: dict[str, Any], fields: Sequence[Field]) -> dict[str, Any]:
    names = tuple(field.name for field in fields)
    return namespace | {"__slots__": (), "_fields": names, "_layout": tuple(fields), "__match_args__": names}


def _may_be_attribute(name: str) -> bool:
    return name not in RESERVED and not (name.startswith("__") and name.endswith("__"))


def _class_name(type_name: str, otherwise: str) -> str:
    words = type_name.split()
    return words[-1] if words and words[-1].isidentifier() else otherwise


def plain(value: Any) -> Any:
    """A decoded value in JSON's types: records as dicts, enumerators as their names, bytes in hexadecimal.

    A union shows every member; a float that JSON cannot write (nan, inf) becomes text.
    """
    if isinstance(value, Record):
        return _plain_members(type(value)._layout, value)
    if isinstance(value, UnionValue):
        return _plain_members(type(value)._layout, UnionValue._asdict(value).values())
    if isinstance(value, list):
        return [plain(element) for element in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, int) and not isinstance(value, bool) and type(value) is not int:
        return getattr(value, "_name_", int(value))
    return value


def _plain_members(layout: Sequence[Field], values: Iterable[Any]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for field, value in zip(layout, values, strict=True):
        if field.hoisted:
            members.update(plain(value))
        else:
            members[field.name] = plain(value)
    return members
