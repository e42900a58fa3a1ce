"""`IntEnum`, `StrEnum` and `Enum` for the enumerations of this package, made at a tenth of the cost.

To the type checker and to editors they are those of the module `enum`, with all that these know of them. What is there
at run time behaves alike where a member or an enumeration is used (the tests ask both the same questions): names,
values, aliases, iteration, look-up by value and by name, `in` as of Python 3.12, `_missing_`, texts, equality, copies
and pickles. It differs in these:

- `isinstance(member, enum.Enum)` is False, and so is `isinstance(MapType, enum.EnumMeta)`: a member of ours is an
  instance of the `Enum` here, and of `int` or `str`. A library that makes the difference (hypothesis' `sampled_from`)
  takes `list(MapType)`.
- An enumeration has no `auto`, `Flag`, `_ignore_`, `_order_`, `__new__` of its own or members whose name starts with
  an underscore, and its values can be hashed. A name given twice is for the type checker to find.

Importing `enum` with what it draws in (functools, collections, operator, reprlib, keyword, types) and making 26
enumerations of 250 members with it took a fifth of the first load in a process: 10 us a member, of which 1 is left.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from enum import Enum as Enum
    from enum import IntEnum as IntEnum
    from enum import StrEnum as StrEnum
    from typing import Any, NoReturn

__all__ = ["Enum", "IntEnum", "StrEnum"]

_WITHOUT_GET = frozenset((int, str, tuple))
_GIVEN = frozenset(("name", "value"))
_read_only = type(type.__dict__)
_set_attribute = type.__setattr__
_become = object.__dict__["__class__"].__set__


class _EnumType(type):
    """The class of an enumeration: makes the members from the body's values, and answers for them."""

    _member_map_: dict[str, Any]
    _member_names_: list[str]
    _value2member_map_: dict[Any, Any]

    def __new__(metacls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> Any:
        for base in bases:
            if getattr(base, "_member_map_", None):
                raise TypeError(f"<enum {name!r}> cannot extend {base!r}")
        values: dict[str, Any] = {}
        others: dict[str, Any] = {"_member_map_": {}, "_member_names_": [], "_value2member_map_": {}}
        for key, value in namespace.items():
            if key[0] != "_" and (value.__class__ in _WITHOUT_GET or not hasattr(value, "__get__")):
                values[key] = value
            else:
                others[key] = value
        if not values:
            return type.__new__(metacls, name, bases, others)
        # The members are there before their class, of its base: to set an attribute of a class costs more than to
        # begin with it.
        by_name = others["_member_map_"] = _members(name, bases[-1], values, others)
        cls: Any = type.__new__(metacls, name, bases, {**others, **by_name})
        initialize = cls.__init__ if cls.__init__ is not object.__init__ else None
        for value, member in others["_value2member_map_"].items():
            _become(member, cls)
            if initialize:
                initialize(member, *(value if isinstance(value, tuple) else (value,)))
        return cls

    def __call__(cls, value: Any) -> Any:
        """The member of a value."""
        if value.__class__ is cls:
            return value
        try:
            return cls._value2member_map_[value]
        except (KeyError, TypeError):  # TypeError: it has no hash
            pass
        return _missing(cls, value)

    def __getitem__(cls, name: str) -> Any:
        return cls._member_map_[name]

    def __iter__(cls) -> Iterator[Any]:
        return map(cls._member_map_.__getitem__, cls._member_names_)

    def __reversed__(cls) -> Iterator[Any]:
        return map(cls._member_map_.__getitem__, reversed(cls._member_names_))

    def __len__(cls) -> int:
        return len(cls._member_names_)

    def __bool__(cls) -> bool:
        return True

    def __contains__(cls, value: object) -> bool:
        if isinstance(value, cls):
            return True
        try:
            return value in cls._value2member_map_
        except TypeError:
            return False

    @property
    def __members__(cls) -> Any:
        """All names, aliases too, with their members."""
        return _read_only(cls._member_map_)

    def __setattr__(cls, name: str, value: object) -> None:
        if name in cls._member_map_:
            raise AttributeError(f"cannot reassign member {name!r}")
        _set_attribute(cls, name, value)

    def __delattr__(cls, name: str) -> None:
        if name in cls._member_map_:
            raise AttributeError(f"{cls.__name__!r} cannot delete member {name!r}.")
        type.__delattr__(cls, name)

    def __repr__(cls) -> str:
        return f"<enum {cls.__name__!r}>"


def _members(name: str, base: Any, values: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """A member for each value, by name; a name whose value another has is its alias. `known` learns the others."""
    plain: Any = int if issubclass(base, int) else str if issubclass(base, str) else None
    new: Any = plain.__new__ if plain else object.__new__
    by_value, names, by_name = known["_value2member_map_"], known["_member_names_"], {}
    for own_name, value in values.items():
        if plain and value.__class__ is not plain:
            if not isinstance(value, plain):
                raise TypeError(f"{value!r} of {name}.{own_name} is no {plain.__name__}")
            value = plain(value)
        member = by_value.get(value)
        if member is None:
            member = by_value[value] = new(base, value) if plain else new(base)
            given = member.__dict__
            given["name"] = own_name
            given["value"] = value
            names.append(own_name)
        by_name[own_name] = member
    return by_name


def _missing(cls: Any, value: object) -> Any:
    if not cls._member_map_:
        raise TypeError(f"{cls!r} has no members defined")
    refused = ValueError(f"{value!r} is not a valid {cls.__qualname__}")
    try:
        found = cls._missing_(value)
    except Exception as error:
        if not isinstance(error, ValueError):
            error.__context__ = refused
        raise
    if isinstance(found, cls):
        return found
    if found is None:
        raise refused
    raise TypeError(f"error in {cls.__name__}._missing_: returned {found!r} instead of None or a valid member")


def _refuse(self: Any, name: str) -> NoReturn:
    raise AttributeError(f"<enum {self.__class__.__name__!r}> cannot set attribute {name!r}")


if not TYPE_CHECKING:

    class Enum(metaclass=_EnumType):
        """An enumeration whose members are equal to themselves alone."""

        _name_ = property(lambda self: self.name)
        _value_ = property(lambda self: self.value)

        @classmethod
        def _missing_(cls, value):
            return None

        def __repr__(self):
            return f"<{self.__class__.__name__}.{self.name}: {self.value!r}>"

        def __str__(self):
            return f"{self.__class__.__name__}.{self.name}"

        def __format__(self, form):
            return str.__format__(str(self), form)

        def __setattr__(self, name, value):
            if name in _GIVEN:
                _refuse(self, name)
            object.__setattr__(self, name, value)

        def __delattr__(self, name):
            if name in _GIVEN:
                _refuse(self, name)
            object.__delattr__(self, name)

        def __reduce_ex__(self, protocol):
            return self.__class__, (self.value,)

        def __copy__(self):
            return self

        def __deepcopy__(self, memo):
            return self

    class IntEnum(int, Enum):
        """An enumeration whose members are ints."""

        __repr__ = Enum.__repr__
        __str__ = int.__repr__

    class StrEnum(str, Enum):
        """An enumeration whose members are strs."""

        __repr__ = Enum.__repr__
        __str__ = str.__str__
        __format__ = str.__format__
