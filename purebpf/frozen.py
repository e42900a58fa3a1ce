"""`@frozen` and `@mutable`: the value classes that a load makes by the dozen, at a fraction of dataclasses' cost.

To its users and to the type checker a class under `@frozen` is what `@dataclass(frozen=True, slots=True)` makes of it,
and one under `@mutable` what `@dataclass(slots=True)` does; `dataclasses.fields`, `replace` and `is_dataclass` take
both. The module dataclasses itself is imported by those who ask for that, and by nobody else: with what it draws in
(inspect, ast, dis, tokenize) it costs as much as ten modules of ours.

- An instance of a frozen class is of a plain class with the same slots while its fields are assigned, and then of its
  own. dataclasses sets each field by a call of `object.__setattr__`. Measured on Python 3.11: 4.3 us to 1.6 us for 12
  fields, 1.7 us to 1.0 us for 4; half a load's objects are such values.
- `__init__` is made when the first value is: most of the hundred classes that a load imports never have one. It is
  compiled once for all classes with as many fields; the names of the fields are put into the code.
- All other functions are closures or shared; dataclasses compiles six for each class.

Rejected: NamedTuple (a `Const` would equal a `Volatile` of the same type, and every value a tuple), values frozen
only for the type checker, and classes that wrap a C struct.
"""

from __future__ import annotations

from functools import cache
from operator import attrgetter
from reprlib import recursive_repr
from types import FunctionType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import field, replace
    from types import CodeType
    from typing import Any, NoReturn, TypeVar, dataclass_transform

    _Class = TypeVar("_Class")
else:
    # To the type checker these are those of dataclasses, whose rules it knows.

    class field:  # noqa: N801
        """What a field has besides its name and type."""

        __slots__ = ("compare", "default", "default_factory", "init", "repr")

        def __init__(self, *, default=..., default_factory=None, init=True, repr=True, compare=True):  # noqa: A002
            self.default, self.default_factory = default, default_factory
            self.init, self.repr, self.compare = init, repr, compare

    def replace(value, /, **changes):
        """`dataclasses.replace`."""
        described = getattr(value, "__purebpf_fields__", None)
        if described is None:
            from dataclasses import replace as replace_dataclass

            return replace_dataclass(value, **changes)
        for name, told in described.items():
            if told.init and name not in changes:
                changes[name] = getattr(value, name)
        return value.__class__(**changes)

    def dataclass_transform(**_):
        return lambda decorator: decorator


__all__ = ["field", "frozen", "mutable", "replace"]

_become: Callable[[object, type], None] = object.__dict__["__class__"].__set__
_ABSENT: Any = type("_Absent", (), {"__repr__": lambda _: "<made when absent>"})()
_FIELD: Any = field
_ALTERABLE = (list, dict, set, bytearray)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[_Class]) -> type[_Class]:
    """A frozen dataclass with slots; no class can be derived from it."""
    if cls.__bases__ != (object,):
        raise TypeError(
            f"class {cls.__name__}: a frozen class has no bases: its values could not be of a plain class first"
        )
    made: type[_Class] = _made(cls, is_frozen=True)
    return made


@dataclass_transform(field_specifiers=(field,))
def mutable(cls: type[_Class]) -> type[_Class]:
    """A dataclass with slots whose fields may be set; it has no hash."""
    made: type[_Class] = _made(cls, is_frozen=False)
    return made


def _made(cls: Any, *, is_frozen: bool) -> Any:
    """The class again, with slots for its fields and the functions of a dataclass: a slot cannot be added later."""
    namespace = dict(cls.__dict__)
    for name in ("__dict__", "__weakref__"):
        namespace.pop(name, None)
    described = {
        name: _described(name, namespace.pop(name, ...))
        for name, kind in cls.__annotations__.items()
        if "ClassVar" not in str(kind)
    }
    _refuse_late_required(cls.__name__, described)
    first_use = _FirstUse(is_frozen)
    namespace.update(
        __slots__=tuple(described),
        __match_args__=tuple(name for name, told in described.items() if told.init),
        __purebpf_fields__=described,
        __dataclass_fields__=_FIELDS,
        __dataclass_params__=_PARAMS,
        __init__=first_use,
        __replace__=replace,
        __getstate__=_state,
        __setstate__=_set_state,
    )
    if not namespace.get("__doc__"):
        namespace["__doc__"] = f"{cls.__name__}({', '.join(described)})"
    namespace.setdefault("__repr__", _repr)
    if "__eq__" not in namespace:
        namespace["__eq__"], hashed = _comparison(described)
        namespace["__hash__"] = hashed if is_frozen else None
    if is_frozen:
        namespace["__setattr__"], namespace["__delattr__"] = _refuse_setting, _refuse_deleting
        namespace["__init_subclass__"] = classmethod(_refuse_subclass)
    first_use.final = type(cls)(cls.__name__, cls.__bases__, namespace)
    return first_use.final


def _described(name: str, default: Any) -> Any:
    if type(default).__module__ == "dataclasses":
        raise TypeError(f"field {name}: what it has is said by purebpf.frozen.field")
    told: Any = default if isinstance(default, _FIELD) else _FIELD(default=default)
    if isinstance(told.default, _ALTERABLE):
        raise ValueError(f"field {name}: all values would share the {type(told.default).__name__}: use default_factory")
    return told


def _refuse_late_required(name: str, described: dict[str, Any]) -> None:
    optional = [told.default is not ... or told.default_factory is not None for told in described.values() if told.init]
    if sorted(optional) != optional:
        raise TypeError(f"class {name}: a non-default argument follows a default argument")


def _comparison(described: dict[str, Any]) -> tuple[Callable[[Any, object], bool], Callable[[Any], int]]:
    """Equality and hash by the fields that count."""
    names = [name for name, told in described.items() if told.compare]
    key: Callable[[Any], Any] = attrgetter(*names) if names else _nothing

    def equal(self: Any, other: object) -> bool:
        return self is other or key(self) == key(other) if other.__class__ is self.__class__ else NotImplemented

    def hashed(self: Any) -> int:
        return hash(key(self))

    return equal, hashed


def _nothing(_: object) -> tuple[()]:
    return ()


@recursive_repr()
def _repr(self: Any) -> str:
    told = [f"{name}={getattr(self, name)!r}" for name, told in self.__purebpf_fields__.items() if told.repr]
    return f"{self.__class__.__qualname__}({', '.join(told)})"


def _refuse_setting(self: object, name: str, value: object) -> NoReturn:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_deleting(self: object, name: str) -> NoReturn:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _refuse_subclass(cls: type, /, **_: object) -> NoReturn:
    raise TypeError(f"class {cls.__name__}: a frozen class cannot be derived from")


def _state(self: Any) -> list[Any]:
    return [getattr(self, name) for name in self.__purebpf_fields__]


def _set_state(self: Any, state: list[Any]) -> None:
    for name, value in zip(self.__purebpf_fields__, state, strict=True):
        object.__setattr__(self, name, value)


class _FromDataclasses:
    """An attribute by which dataclasses knows its own: made for who asks, of a class made by dataclasses alike."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: object, owner: Any) -> Any:
        import dataclasses

        described = owner.__purebpf_fields__
        given = {
            name: dataclasses.field(
                default=dataclasses.MISSING if told.default is ... else told.default,
                default_factory=told.default_factory or dataclasses.MISSING,
                init=told.init,
                repr=told.repr,
                compare=told.compare,
            )
            for name, told in described.items()
        }
        kinds = {name: owner.__annotations__[name] for name in given}
        stand_in = type(owner.__name__, (), {"__annotations__": kinds, "__doc__": owner.__doc__, **given})
        is_frozen = owner.__setattr__ is _refuse_setting
        value = getattr(dataclasses.dataclass(frozen=is_frozen)(stand_in), self.name)
        setattr(owner, self.name, value)
        return value


_FIELDS, _PARAMS = _FromDataclasses("__dataclass_fields__"), _FromDataclasses("__dataclass_params__")


class _FirstUse:
    """`__init__` of a class until it is first asked for; then the function that it makes takes its place."""

    __slots__ = ("final", "is_frozen")

    def __init__(self, is_frozen: bool) -> None:
        self.is_frozen = is_frozen
        self.final: Any = None

    def __get__(self, instance: object, owner: type) -> Any:
        made = self.final.__init__ = _initializer(self.final, is_frozen=self.is_frozen)
        return made if instance is None else made.__get__(instance, owner)


def _initializer(cls: Any, *, is_frozen: bool) -> FunctionType:
    """`__init__` of a class, as if written out for it: a loop over the fields costs more."""
    wanted = {name: told for name, told in cls.__purebpf_fields__.items() if told.init}
    made_when_absent = tuple(told.default_factory is not None for told in wanted.values())
    written = _written(made_when_absent, is_frozen, hasattr(cls, "__post_init__"))
    names = {f"field{number}": name for number, name in enumerate(wanted)}
    code = written.replace(
        co_varnames=tuple(names.get(name, name) for name in written.co_varnames),
        co_names=tuple(names.get(name, name) for name in written.co_names),
        co_qualname=f"{cls.__qualname__}.__init__",
    )
    draft = type(cls.__name__, (), {"__slots__": cls.__slots__}) if is_frozen else None
    made_by = {f"make{number}": told.default_factory for number, told in enumerate(wanted.values())}
    known = {"become": _become, "draft": draft, "final": cls, "absent": _ABSENT, **made_by}
    defaults = [_ABSENT if told.default_factory else told.default for told in wanted.values()]
    made = FunctionType(code, known, "__init__", tuple(default for default in defaults if default is not ...))
    made.__module__ = cls.__module__
    made.__annotations__ = {**{name: cls.__annotations__[name] for name in wanted}, "return": None}
    return made


@cache
def _written(made_when_absent: tuple[bool, ...], is_frozen: bool, has_post_init: bool) -> CodeType:
    """`__init__` of every class with so many fields, compiled once; `_initializer` puts the fields' names in."""
    numbers = range(len(made_when_absent))
    lines = ["become(self, draft)"] if is_frozen else ["pass"]
    for number in numbers:
        value = f"field{number}"
        if made_when_absent[number]:
            value = f"make{number}() if {value} is absent else {value}"
        lines.append(f"self.field{number} = {value}")
    if is_frozen:
        lines.append("self.__class__ = final")
    if has_post_init:
        lines.append("self.__post_init__()")
    parameters = ", ".join(("self", *(f"field{number}" for number in numbers)))
    body = "".join(f"    {line}\n" for line in lines)
    defined: dict[str, FunctionType] = {}
    exec(f"def __init__({parameters}):\n{body}", defined)
    return defined["__init__"].__code__
