"""`Frozen` and `Mutable`: the value classes that a load makes by the dozen, at a fraction of dataclasses' cost.

    class Point(Frozen):
        x: int
        y: int = 2
        tags: list[str] = field(default_factory=list, repr=False)

To its users and to the type checker such a class is what `@dataclass(frozen=True, slots=True)` makes of it, and one of
`Mutable` what `@dataclass(slots=True)` does; `dataclasses.fields`, `replace` and `is_dataclass` take both. The module
dataclasses itself is imported by those who ask for that, and by nobody else: with what it draws in (inspect, ast, dis,
tokenize) it costs as much as ten modules of ours.

Most of the first load of a process is importing, and most of importing is making classes. So:

- A class is made once, with its slots. (A decorator gets one without and has to make another.) That is what the base is
  for: at run time the class is an ordinary one, of `object` and of the metaclass `type`, without `Frozen` among its
  bases; with a metaclass of its own `isinstance` would take twice as long.
- What a class needs for its values is made when the first value is: `__init__`, comparison and hash, the description of
  the fields. Most of the hundred classes that a load imports never have one.
- `__init__` is one of `initializers.py`, a pattern for all classes with as many fields, with the names put in. A class
  like none of the package's has its own compiled.

A frozen value is filled by the setters of its slots; dataclasses calls `object.__setattr__` with each field's name.
Measured on Python 3.11: 1.7 us to 0.4 us for 4 fields, 4.3 us to 0.9 us for 12; half a load's objects are such values.
(To make it of a plain class with the same slots, whose fields are assigned, and then of its own takes 0.5 us for 12,
and 20 us for the other class.)

Rejected: NamedTuple (a `Const` would equal a `Volatile` of the same type, and every value a tuple), values frozen
only for the type checker, and classes that wrap a C struct.
"""

from __future__ import annotations

from purebpf import initializers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import field, replace
    from types import CodeType
    from typing import Any, NoReturn, dataclass_transform

    # To the type checker these are those of dataclasses, whose rules it knows.

    @dataclass_transform(frozen_default=True, field_specifiers=(field,))
    class Frozen:
        """The base of a frozen dataclass with slots; no class can be derived from that."""

    @dataclass_transform(field_specifiers=(field,))
    class Mutable:
        """The base of a dataclass with slots; its fields may be set, it has no hash, and nothing is derived from it."""

else:

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


__all__ = ["Frozen", "Mutable", "field", "replace"]

_ABSENT: Any = type("_Absent", (), {"__repr__": lambda _: "<made when absent>"})()
_FIELD: Any = field
_FUNCTION: Any = type(lambda: None)
_ALTERABLE = (list, dict, set, bytearray)
_PLAIN = {bool, bytes, int, str, tuple, type(None)}
"""What a default of such a type says needs no looking at."""

# What values do: the same functions for all classes ------------------------------------------------------------------


def _repr(self: Any) -> str:
    from threading import get_ident

    here = id(self), get_ident()
    if here in _being_told:
        return "..."
    _being_told.add(here)
    try:
        told = [f"{name}={getattr(self, name)!r}" for name, told in self.__purebpf_fields__.items() if told.repr]
    finally:
        _being_told.discard(here)
    return f"{self.__class__.__qualname__}({', '.join(told)})"


_being_told: set[tuple[int, int]] = set()


def _first_equal(self: Any, other: object) -> Any:
    """`__eq__` of a class until two of its values are compared."""
    if other.__class__ is not self.__class__:
        return NotImplemented
    _give_comparison(self.__class__)
    return self == other


def _first_hash(self: Any) -> int:
    """`__hash__` of a class until it is first asked for."""
    _give_comparison(self.__class__)
    return hash(self)


def _give_comparison(cls: Any) -> None:
    """Equality and hash by the fields that count."""
    from operator import attrgetter

    names = [name for name, told in cls.__purebpf_fields__.items() if told.compare]
    key: Callable[[Any], Any] = attrgetter(*names) if names else _nothing

    def equal(self: Any, other: object) -> bool:
        return self is other or key(self) == key(other) if other.__class__ is self.__class__ else NotImplemented

    def hashed(self: Any) -> int:
        return hash(key(self))

    if cls.__dict__["__eq__"] is _first_equal:
        cls.__eq__ = equal
    if cls.__dict__["__hash__"] is _first_hash:
        cls.__hash__ = hashed


def _nothing(_: object) -> tuple[()]:
    return ()


def _refuse_setting(self: object, name: str, value: object) -> NoReturn:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_deleting(self: object, name: str) -> NoReturn:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _is_frozen(cls: Any) -> bool:
    return cls.__setattr__ is _refuse_setting


def _refuse_subclass(cls: type, /, **_: object) -> NoReturn:
    kind = "frozen" if _is_frozen(cls) else "mutable"
    raise TypeError(f"class {cls.__name__}: a {kind} class cannot be derived from")


def _state(self: Any) -> list[Any]:
    return [getattr(self, name) for name in self.__purebpf_fields__]


def _set_state(self: Any, state: list[Any]) -> None:
    for name, value in zip(self.__purebpf_fields__, state, strict=True):
        object.__setattr__(self, name, value)


# What classes have: made for the first who asks ----------------------------------------------------------------------


class _Fields:
    """`__purebpf_fields__`: each field by its name."""

    def __get__(self, instance: object, owner: Any) -> dict[str, Any]:
        given = owner.__purebpf_given__
        described = owner.__purebpf_fields__ = {
            name: _described(name, given.get(name, ...)) for name in owner.__slots__
        }
        return described


def _described(name: str, default: Any) -> Any:
    if type(default).__module__ == "dataclasses":
        raise TypeError(f"field {name}: what it has is said by purebpf.frozen.field")
    told: Any = default if isinstance(default, _FIELD) else _FIELD(default=default)
    if isinstance(told.default, _ALTERABLE):
        raise ValueError(f"field {name}: all values would share the {type(told.default).__name__}: use default_factory")
    return told


class _FromDataclasses:
    """An attribute by which dataclasses knows its own: of a class made by dataclasses alike."""

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
        is_frozen = _is_frozen(owner)
        value = getattr(dataclasses.dataclass(frozen=is_frozen)(stand_in), self.name)
        setattr(owner, self.name, value)
        return value


class _Initializer:
    """`__init__`, as if written out for the class: a loop over the fields costs more."""

    def __get__(self, instance: object, owner: Any) -> Any:
        made = owner.__init__ = _initializer(owner)
        return made if instance is None else made.__get__(instance, owner)


def _initializer(cls: Any) -> Any:
    names = cls.__match_args__
    given, factories = _defaults(cls.__purebpf_given__, names)
    if tuple(given) != names[len(names) - len(given) :]:
        raise TypeError(f"class {cls.__name__}: a non-default argument follows a default argument")
    is_frozen = _is_frozen(cls)
    own = cls.__dict__
    made_when_absent = tuple([factory is not None for factory in factories]) if factories else (False,) * len(names)
    pattern = _pattern(made_when_absent, is_frozen, "__post_init__" in own)
    known = {"__name__": cls.__module__, "absent": _ABSENT}
    stored = pattern.co_names
    if factories:
        known.update({f"make{number}": factory for number, factory in enumerate(factories)})
    if is_frozen:
        known.update({f"set{number}": own[name].__set__ for number, name in enumerate(names)})
    else:
        renamed = dict(zip(pattern.co_varnames[1:], names, strict=True))
        stored = tuple(map(renamed.get, stored, stored))
    code = pattern.replace(co_varnames=("self", *names), co_names=stored, co_qualname=f"{cls.__qualname__}.__init__")
    made = _FUNCTION(code, known, "__init__", tuple(given.values()))
    made.__annotations__ = {**cls.__annotations__, "return": None}
    return made


def _defaults(given: dict[str, Any], names: tuple[str, ...]) -> tuple[dict[str, Any], tuple[Any, ...]]:
    """The default of each field that has one, and, if there are any, what makes the values of all."""
    if _PLAIN.issuperset(map(type, given.values())):
        return given, ()
    defaults, makers = {}, {}
    for name, told in given.items():
        if type(told) not in _PLAIN:
            told = _described(name, told)
            if told.default_factory is not None:
                makers[name] = told.default_factory
            told = _ABSENT if told.default_factory else told.default
        if told is not ... and name in names:
            defaults[name] = told
    return defaults, tuple(map(makers.get, names)) if makers else ()


def _pattern(made_when_absent: tuple[bool, ...], is_frozen: bool, has_post_init: bool) -> CodeType:
    """`__init__` of every class with such fields; `_initializer` puts their names in."""
    name = pattern_name(made_when_absent, is_frozen, has_post_init)
    found = getattr(initializers, name, None)
    if found is None:
        defined: dict[str, Any] = {}
        exec(written_pattern(made_when_absent, is_frozen, has_post_init), defined)
        found = defined[name]
        setattr(initializers, name, found)
    code: CodeType = found.__code__
    return code


def pattern_name(made_when_absent: tuple[bool, ...], is_frozen: bool, has_post_init: bool) -> str:
    """Of the function in `initializers`: `frozen6_2_3_then` has six fields, makes two and calls `__post_init__`."""
    made = ""
    if True in made_when_absent:
        made = "".join([f"_{number}" for number, is_made in enumerate(made_when_absent) if is_made])
    return f"{'frozen' if is_frozen else 'mutable'}{len(made_when_absent)}{made}{'_then' if has_post_init else ''}"


def written_pattern(made_when_absent: tuple[bool, ...], is_frozen: bool, has_post_init: bool) -> str:
    """The source of that function."""
    numbers = range(len(made_when_absent))
    values = [f"make{n}() if f{n} is absent else f{n}" if made_when_absent[n] else f"f{n}" for n in numbers]
    lines = [f"set{n}(self, {values[n]})" if is_frozen else f"self.f{n} = {values[n]}" for n in numbers]
    if has_post_init:
        lines.append("self.__post_init__()")
    parameters = ", ".join(("self", *(f"f{n}" for n in numbers)))
    body = "".join(f"    {line}\n" for line in lines or ["pass"])
    return f"def {pattern_name(made_when_absent, is_frozen, has_post_init)}({parameters}):\n{body}"


# What makes the classes ----------------------------------------------------------------------------------------------

_OF_MUTABLE: dict[str, Any] = {
    "__purebpf_fields__": _Fields(),
    "__dataclass_fields__": _FromDataclasses("__dataclass_fields__"),
    "__dataclass_params__": _FromDataclasses("__dataclass_params__"),
    "__init__": _Initializer(),
    "__init_subclass__": classmethod(_refuse_subclass),
    "__replace__": replace,
    "__getstate__": _state,
    "__setstate__": _set_state,
    "__repr__": _repr,
    "__eq__": _first_equal,
    "__hash__": None,
}
_OF_FROZEN = {
    **_OF_MUTABLE,
    "__hash__": _first_hash,
    "__setattr__": _refuse_setting,
    "__delattr__": _refuse_deleting,
}


class _Maker(type):
    """Makes what a class statement with one of the two bases asks for: a class that is not of `_Maker` itself."""

    def __new__(maker, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> Any:
        if not bases:
            return super().__new__(maker, name, bases, namespace)
        if len(bases) > 1:
            raise TypeError(f"class {name}: it can have no other base than {bases[0].__name__}")
        made = (_OF_FROZEN if bases[0] is Frozen else _OF_MUTABLE).copy()
        if "__eq__" in namespace:
            made["__hash__"] = None
        kinds = namespace.get("__annotations__", {})
        fields = passed = tuple(
            [name for name, kind in kinds.items() if "ClassVar" not in (kind if kind.__class__ is str else str(kind))]
        )
        made["__purebpf_given__"] = given = {name: namespace.pop(name) for name in fields if name in namespace}
        if any(type(told) is _FIELD and not told.init for told in given.values()):
            passed = tuple([name for name in fields if getattr(given.get(name), "init", True)])
        made["__slots__"], made["__match_args__"] = fields, passed
        if "__doc__" not in namespace:
            made["__doc__"] = f"{name}({', '.join(fields)})"
        made.update(namespace)
        return type(name, (), made)


if not TYPE_CHECKING:

    class Frozen(metaclass=_Maker):
        """The base of a frozen dataclass with slots; nothing is derived from that."""

    class Mutable(metaclass=_Maker):
        """The base of a dataclass with slots; its fields may be set, it has no hash, and nothing is derived from it."""
