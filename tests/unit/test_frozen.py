"""frozen: to its users a frozen dataclass with slots, whatever way it is filled."""

import copy
import dataclasses
import inspect
import pickle
from dataclasses import FrozenInstanceError, dataclass, fields, is_dataclass
from typing import Any

import pytest

from purebpf.frozen import Frozen, Mutable, field, replace


class Point(Frozen):
    x: int
    y: int = 2
    tags: tuple[str, ...] = field(default=(), repr=False)
    notes: list[str] = field(default_factory=list)
    total: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "total", self.x + self.y)


@dataclass(frozen=True, slots=True)
class Plain:
    x: int
    y: int = 2
    tags: tuple[str, ...] = dataclasses.field(default=(), repr=False)
    notes: list[str] = dataclasses.field(default_factory=list)


class Counter(Mutable):
    name: str
    count: int = 0
    seen: list[int] = field(default_factory=list)


def test_fields_and_defaults_are_those_of_a_dataclass() -> None:
    point, plain = Point(1), Plain(1)
    assert [getattr(point, item.name) for item in fields(plain)] == [1, 2, (), []]
    assert point.total == 3
    assert Point(1).notes is not point.notes
    assert type(point) is Point
    assert not hasattr(point, "__dict__")


def test_it_is_compared_printed_and_hashed_by_its_fields() -> None:
    assert Point(1) == Point(x=1, y=2)
    assert Point(1) != Point(2)
    assert repr(Point(1, tags=("a",))) == "Point(x=1, y=2, notes=[], total=3)"
    assert hash(Point(1, notes=())) == hash(Point(1, notes=()))  # type: ignore[arg-type]


def test_no_field_can_be_set_or_deleted_or_added() -> None:
    point = Point(1)
    for name in ("x", "other"):
        with pytest.raises((FrozenInstanceError, TypeError)):
            setattr(point, name, 5)
    with pytest.raises(FrozenInstanceError):
        del point.x
    assert point == Point(1)


def test_a_call_that_does_not_fit_names_the_class() -> None:
    with pytest.raises(TypeError, match=r"Point\.__init__\(\) missing 1 required positional argument: 'x'"):
        Point()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
        Point(1, z=2)  # type: ignore[call-arg]


def test_its_signature_says_what_a_dataclass_says() -> None:
    ours, theirs = (inspect.signature(cls).parameters for cls in (Point, Plain))
    assert list(ours) == list(theirs)
    for name in ("x", "y", "tags"):
        assert ours[name] == theirs[name]


def test_it_can_be_replaced_copied_and_pickled() -> None:
    point = Point(1, tags=("a",))
    assert replace(point, x=5) == Point(5, tags=("a",))
    assert point.__replace__(x=5) == Point(5, tags=("a",))  # type: ignore[attr-defined] # copy.replace() of 3.13
    assert copy.deepcopy(point) == point
    assert pickle.loads(pickle.dumps(point)) == point


def test_dataclasses_knows_it_as_its_own() -> None:
    assert all(map(is_dataclass, (Point, Counter)))
    assert [(item.name, item.default, item.type) for item in fields(Point)][:2] == [
        ("x", dataclasses.MISSING, int),
        ("y", 2, int),
    ]
    assert [item.name for item in fields(Point) if not item.init or not item.repr or not item.compare] == [
        "tags",
        "total",
    ]
    assert dataclasses.replace(Point(1), x=5) == Point(5)
    classes: list[Any] = [Point, Plain, Counter]
    told = [cls.__dataclass_params__ for cls in classes]
    assert [params.frozen for params in told] == [True, True, False]
    assert dataclasses.asdict(Counter("a", 1)) == {"name": "a", "count": 1, "seen": []}


def test_a_mutable_one_is_set_compared_and_not_hashed() -> None:
    counter = Counter("a")
    counter.count += 1
    counter.seen.append(3)
    assert counter == Counter("a", 1, [3])
    assert Counter("b").seen == []
    assert repr(counter) == "Counter(name='a', count=1, seen=[3])"
    assert replace(counter, name="b") == Counter("b", 1, [3])
    with pytest.raises(TypeError, match="unhashable"):
        hash(counter)
    with pytest.raises(AttributeError):
        counter.other = 1  # type: ignore[attr-defined]


def test_a_dataclass_is_replaced_as_well() -> None:
    assert replace(Plain(1), x=5) == Plain(5)


def test_a_field_of_dataclasses_and_a_shared_list_are_refused_with_the_first_value() -> None:
    class Foreign(Frozen):
        x: int = dataclasses.field(default=3)

    with pytest.raises(TypeError, match="field x: what it has is said by"):
        Foreign()

    class Shared(Frozen):
        x: list[int] = []  # noqa: RUF012

    with pytest.raises(ValueError, match="field x: all values would share the list"):
        Shared()


def test_it_is_matched_by_position_and_by_name() -> None:
    match Point(1, 4):
        case Point(x, y=4):
            assert x == 1
        case _:
            pytest.fail("no match")


def test_nothing_is_derived_from_it() -> None:
    with pytest.raises(TypeError, match="Deeper: a frozen class cannot be derived from"):

        class Deeper(Point):
            pass


def test_a_required_field_behind_an_optional_one_is_refused() -> None:
    class Wrong(Frozen):
        x: int = 1
        y: int  # type: ignore[misc]

    with pytest.raises(TypeError, match="non-default argument"):
        Wrong(y=2)


def test_a_class_says_what_its_fields_are_unless_it_has_a_text_of_its_own() -> None:
    class Silent(Frozen):
        x: int
        y: int = 2

    class Told(Frozen):
        """Told."""

        x: int

    assert (Silent.__doc__, Told.__doc__) == ("Silent(x, y)", "Told.")


def test_fields_may_have_the_names_that_the_making_uses() -> None:
    class Odd(Frozen):
        final: int
        draft: list[int] = field(default_factory=list)
        absent: int = 3
        become: int = 4

    assert repr(Odd(1, become=5)).endswith("Odd(final=1, draft=[], absent=3, become=5)")
