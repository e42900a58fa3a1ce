"""`@frozen`: the frozen dataclasses that a load makes by the dozen, at half the cost.

A class under it is what `@dataclass(frozen=True, slots=True)` makes of it, to its users and to the type checker, but
for how it is filled. dataclasses sets each field of a frozen class by a call of `object.__setattr__`. Here an
instance is of a plain class with the same slots while its fields are assigned, and then of its own. Measured on
Python 3.11: 4.3 us to 1.6 us for 12 fields, 1.7 us to 1.0 us for 4; half a load's objects are such values.

What a class needs besides is made of closures: dataclasses compiles six functions for each frozen class, which for
the hundred classes of a load was half of what importing them cost. Here `__init__` alone is compiled, and once for all
classes with as many fields: the names of the fields are put into the code. Compiled for each class it was 0.13 ms.

Rejected: NamedTuple (a `Const` would equal a `Volatile` of the same type, and every value a tuple), values frozen
only for the type checker, and classes that wrap a C struct.
"""

from collections.abc import Callable
from dataclasses import MISSING, FrozenInstanceError, dataclass, field, fields
from functools import cache
from operator import attrgetter
from reprlib import recursive_repr
from types import CodeType, FunctionType
from typing import Any, NoReturn, TypeVar, dataclass_transform

_Class = TypeVar("_Class")

_become: Callable[[object, type], None] = object.__dict__["__class__"].__set__
_ABSENT: Any = type("_Absent", (), {"__repr__": lambda _: "<made when absent>"})()


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[_Class]) -> type[_Class]:
    """A frozen dataclass with slots; no class can be derived from it."""
    if not cls.__doc__:
        # dataclasses would ask inspect for the signature, which takes up to 5 ms for a class.
        cls.__doc__ = f"{cls.__name__}({', '.join(cls.__annotations__)})"
    made: Any = dataclass(init=False, repr=False, eq=False, slots=True)(cls)
    _add_comparison(made)
    if made.__repr__ is object.__repr__:
        made.__repr__ = recursive_repr()(_repr)
    made.__setattr__, made.__delattr__ = _refuse_setting, _refuse_deleting
    made.__getstate__, made.__setstate__ = _state, _set_state
    made.__init__ = _initializer(made)
    made.__init_subclass__ = classmethod(_refuse_subclass)
    return made  # type: ignore[no-any-return]


def _add_comparison(cls: Any) -> None:
    """Equality and hash by the fields that count, unless the class has its own."""
    names = [item.name for item in fields(cls) if item.compare]
    key: Callable[[Any], Any] = attrgetter(*names) if names else _nothing

    def equal(self: Any, other: object) -> bool:
        return self is other or key(self) == key(other) if other.__class__ is cls else NotImplemented

    def hashed(self: Any) -> int:
        return hash(key(self))

    if cls.__eq__ is object.__eq__:
        cls.__eq__, cls.__hash__ = equal, hashed


def _nothing(_: object) -> tuple[()]:
    return ()


def _repr(self: Any) -> str:
    told = [f"{item.name}={getattr(self, item.name)!r}" for item in fields(self) if item.repr]
    return f"{self.__class__.__qualname__}({', '.join(told)})"


def _refuse_setting(self: object, name: str, value: object) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_deleting(self: object, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, item.name) for item in fields(self)]


def _set_state(self: Any, state: list[Any]) -> None:
    for item, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, item.name, value)


def _initializer(cls: Any) -> Callable[..., None]:
    """`__init__` of a frozen class, as if written out for it: a loop over the fields costs more."""
    wanted = [item for item in fields(cls) if item.init]
    made_when_absent = tuple(item.default_factory is not MISSING for item in wanted)
    written = _written(made_when_absent, hasattr(cls, "__post_init__"))
    names = {f"field{number}": item.name for number, item in enumerate(wanted)}
    code = written.replace(
        co_varnames=tuple(names.get(name, name) for name in written.co_varnames),
        co_names=tuple(names.get(name, name) for name in written.co_names),
        co_qualname=f"{cls.__qualname__}.__init__",
    )
    draft = type(cls.__name__, (), {"__slots__": cls.__slots__})
    made_by = {f"make{number}": item.default_factory for number, item in enumerate(wanted)}
    known = {"become": _become, "draft": draft, "final": cls, "absent": _ABSENT, **made_by}
    defaults = tuple(_ABSENT if makes else item.default for item, makes in zip(wanted, made_when_absent, strict=True))
    given = tuple(default for default in defaults if default is not MISSING)
    if MISSING in defaults[len(defaults) - len(given) :]:
        raise TypeError(f"class {cls.__name__}: a non-default argument follows a default argument")
    made = FunctionType(code, known, "__init__", given)
    made.__module__ = cls.__module__
    made.__annotations__ = {**{item.name: item.type for item in wanted}, "return": None}
    return made


@cache
def _written(made_when_absent: tuple[bool, ...], has_post_init: bool) -> CodeType:
    """`__init__` of every class with so many fields, compiled once; `_initializer` puts the fields' names in."""
    numbers = range(len(made_when_absent))
    lines = ["become(self, draft)"]
    for number in numbers:
        value = f"field{number}"
        if made_when_absent[number]:
            value = f"make{number}() if {value} is absent else {value}"
        lines.append(f"self.field{number} = {value}")
    lines.append("self.__class__ = final")
    if has_post_init:
        lines.append("self.__post_init__()")
    parameters = ", ".join(("self", *(f"field{number}" for number in numbers)))
    body = "".join(f"    {line}\n" for line in lines)
    defined: dict[str, FunctionType] = {}
    exec(f"def __init__({parameters}):\n{body}", defined)
    return defined["__init__"].__code__


def _refuse_subclass(cls: type, /, **_: object) -> NoReturn:
    raise TypeError(f"class {cls.__name__}: a frozen class cannot be derived from")
