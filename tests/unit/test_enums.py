"""Our enumerations against the standard library's: the same bodies, the same questions, the same answers."""

import argparse
import copy
import enum
import inspect
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace, new_class
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purebpf import enums
from purebpf.plan.target import Feature
from purebpf.uapi import Command, MapType

Question = Callable[[SimpleNamespace], object]


def bodies(kit: Any) -> SimpleNamespace:
    """The same enumerations, made with `enum` or with ours."""
    return SimpleNamespace(**_of_numbers_and_text(kit), **_with_missing(kit), **_of_any_values(kit))


def _of_numbers_and_text(kit: Any) -> dict[str, Any]:

    class Number(kit.IntEnum):
        """Numbers."""

        ZERO = 0
        ONE = 1
        EINS = 1
        MINUS = -1
        name = 5
        value = 6
        TWO = ONE + ONE

        @property
        def double(self) -> int:
            return 2 * self

        def plus(self, other: int) -> int:
            return self + other

        @classmethod
        def first(cls) -> Any:
            return cls(0)

        @staticmethod
        def answer() -> int:
            return 42

    class Word(kit.StrEnum):
        RED = "red"
        ROT = "red"
        GREEN = "Green"

    return {"Number": Number, "Word": Word}


def _with_missing(kit: Any) -> dict[str, Any]:
    class Base(kit.IntEnum):
        def __str__(self) -> str:
            return self.name.lower()

        def __format__(self, form: str) -> str:
            return format(str(self), form)

        @classmethod
        def _missing_(cls, value: object) -> Any:
            if value == "wrong":
                return 3
            if value == "raise":
                raise LookupError("of _missing_")
            if value == "refuse":
                raise ValueError("refused by _missing_")
            return cls._member_map_.get(value.upper()) if isinstance(value, str) else None

    class Derived(Base):
        LEFT = 1
        RIGHT = 2

    return {"Base": Base, "Derived": Derived}


def _of_any_values(kit: Any) -> dict[str, Any]:
    class Told(kit.Enum):
        """With parts."""

        SHORT = ("short", 1)
        LONG = ("long", 2, "more")
        AGAIN = ("short", 1)

        def __init__(self, text: str, number: int, more: str | None = None) -> None:
            self.text = text
            self.number = number
            self.more = more

    class Plain(kit.Enum):
        LOADS = "loads"
        FAILS = 2
        NOTHING = None

        def __str__(self) -> str:
            return str(self.value)

    class Bare(kit.Enum):
        ONE = 1
        TWO = 2.0
        SINGLE = (1, 2)

    return {"Told": Told, "Plain": Plain, "Bare": Bare}


STANDARD, OURS = bodies(enum), bodies(enums)
EVERY = ("Number", "Word", "Derived", "Told", "Plain", "Bare")


def plainly(answer: object) -> object:
    """An answer without the objects that belong to one side."""
    match answer:
        case enum.Enum() | enums.Enum():
            return "member", type(answer).__name__, answer.name, answer.value
        case list() | tuple():
            return [plainly(item) for item in answer]
        case dict():
            return {key: plainly(item) for key, item in answer.items()}
    return answer


def answered(question: Question, made: SimpleNamespace) -> object:
    try:
        return plainly(question(made))
    except Exception as error:
        return type(error).__name__, str(error)


OF_EVERY: dict[str, Callable[[Any], object]] = {
    "members in order, without aliases": list,
    "reversed": lambda kind: list(reversed(kind)),
    "length": len,
    "truth": bool,
    "all names": lambda kind: dict(kind.__members__),
    "names in order": lambda kind: list(kind.__members__),
    "names of members": lambda kind: [member.name for member in kind],
    "values of members": lambda kind: [member.value for member in kind],
    "types of values": lambda kind: [type(member.value).__name__ for member in kind],
    "sunder": lambda kind: [(member._name_, member._value_) for member in kind],
    "repr": lambda kind: [repr(member) for member in kind],
    "str": lambda kind: [str(member) for member in kind],
    "format": lambda kind: [f"{member}" for member in kind],
    "format with a width": lambda kind: [f"{member:>12}" for member in kind],
    "percent": lambda kind: ["%s %r" % (member, member) for member in kind],  # noqa: UP031
    "the class": repr,
    "its documentation": lambda kind: kind.__doc__,
    "its name and module": lambda kind: (kind.__name__, kind.__module__),
    "look-up by value": lambda kind: [kind(member.value) is member for member in kind],
    "look-up by member": lambda kind: [kind(member) is member for member in kind],
    "look-up by name": lambda kind: [kind[name] is member for name, member in kind.__members__.items()],
    "attributes": lambda kind: [getattr(kind, name) is member for name, member in kind.__members__.items()],
    "member is in": lambda kind: [member in kind for member in kind],
    "instance": lambda kind: [isinstance(member, kind) for member in kind],
    "numbers and strings": lambda kind: [(isinstance(m, int), isinstance(m, str)) for m in kind],
    "equality": lambda kind: [[one == other for one in kind] for other in kind],
    "equality with the value": lambda kind: [(member == member.value, member != member.value) for member in kind],
    "hash of equals": lambda kind: [len({member, member.value}) for member in kind],
    "in a set": lambda kind: len(set(kind)),
    "as a key": lambda kind: [{member: 7}.get(member) for member in kind],
    "copies": lambda kind: [copy.copy(member) is member and copy.deepcopy(member) is member for member in kind],
    "a deep copy in a list": lambda kind: [copy.deepcopy([member])[0] is member for member in kind],
    "truth of members": lambda kind: [bool(member) for member in kind],
    "unknown value": lambda kind: kind("no such"),
    "unknown number": lambda kind: kind(99),
    "unknown without a hash": lambda kind: kind(["no such"]),
    "unknown name": lambda kind: kind["no such"],
    "unknown attribute": lambda kind: hasattr(kind, "no_such"),
    "json": lambda kind: json.dumps([m for m in kind if isinstance(m, int | str)]),
    "sorted": lambda kind: sorted(kind),
    "minimum": lambda kind: min(kind, key=lambda member: member.name),
    "class of a member": lambda kind: [type(member).__name__ for member in kind],
    "no slots": lambda kind: [hasattr(member, "__dict__") for member in kind],
}

REFUSED: dict[str, Callable[[Any], object]] = {
    "a member is not replaced": lambda kind: setattr(kind, next(iter(kind.__members__)), 3),
    "a member is not deleted": lambda kind: delattr(kind, next(iter(kind.__members__))),
    "all names are read only": lambda kind: kind.__members__.update(x=1),
    "nothing derives from it": lambda kind: new_class("Derived", (kind,)),
    "a value is needed": lambda kind: kind(),
    "the name is not set": lambda kind: setattr(next(iter(kind)), "name", "x"),
    "the value is not set": lambda kind: setattr(next(iter(kind)), "value", 2),
    "the name is not deleted": lambda kind: delattr(next(iter(kind)), "name"),
}

OF_ALL: dict[str, Question] = {
    "an alias": lambda made: made.Number.EINS is made.Number.ONE,
    "an alias of parts": lambda made: made.Told.AGAIN is made.Told.SHORT,
    "by an alias": lambda made: made.Number["EINS"],
    "property": lambda made: [made.Number.ONE.double, made.Number["TWO"].double],
    "method": lambda made: made.Number.TWO.plus(3),
    "class method": lambda made: made.Number.first(),
    "static method": lambda made: made.Number.answer(),
    "arithmetic": lambda made: [made.Number.TWO + 1, made.Number.TWO | 1, 1 << made.Number.TWO, -made.Number.ONE],
    "types of arithmetic": lambda made: type(made.Number.TWO + 1).__name__,
    "hexadecimal": lambda made: [f"{made.Number.TWO:#x}", hex(made.Number.TWO), "%d" % made.Number.TWO],  # noqa: UP031
    "index": lambda made: [10, 20, 30][made.Number.TWO],
    "bytes": lambda made: made.Number.TWO.to_bytes(2, "little"),
    "int": lambda made: type(int(made.Number.ONE)).__name__,
    "number by bool": lambda made: made.Number(True),
    "number by float": lambda made: made.Number(1.0),
    "a member called name": lambda made: [made.Number(5).name, made.Number.name.name, made.Number.name.value],
    "a member called value": lambda made: [made.Number(6).value, made.Number.value.name],
    "no class attribute name": lambda made: [hasattr(made.Word, "name"), hasattr(made.Word, "value")],
    "text": lambda made: [made.Word.RED + "!", made.Word.RED.upper(), "-".join(made.Word), len(made.Word.RED)],
    "type of text": lambda made: type(made.Word.RED.value).__name__,
    "keyed by text": lambda made: {"red": 1}[made.Word.RED],
    "own str": lambda made: [str(made.Derived.LEFT), f"{made.Derived.RIGHT:>7}", repr(made.Derived.LEFT)],
    "found by _missing_": lambda made: made.Derived("right"),
    "unknown to _missing_": lambda made: made.Derived("up"),
    "_missing_ gives nonsense": lambda made: made.Derived("wrong"),
    "_missing_ raises": lambda made: made.Derived("raise"),
    "_missing_ refuses": lambda made: made.Derived("refuse"),
    "no members": lambda made: [len(made.Base), list(made.Base), bool(made.Base), dict(made.Base.__members__)],
    "parts": lambda made: [(m.text, m.number, m.more, m.value) for m in made.Told],
    "by parts": lambda made: made.Told(("long", 2, "more")),
    "by a list of parts": lambda made: made.Told(["long", 2, "more"]),
    "by float": lambda made: made.Bare(2),
    "unpacked": lambda made: [*made.Derived],
    "or": lambda made: isinstance(made.Word.RED, made.Word | None) and isinstance(None, made.Word | None),
    "own attributes are set": lambda made: setattr(made.Told.SHORT, "text", "short"),
    "class attributes are set": lambda made: (setattr(made.Told, "new", 3), made.Told.new, delattr(made.Told, "new")),
    "order": lambda made: [made.Number.ONE < made.Number.TWO, made.Number.ONE < 2, max(made.Number)],
    "no order": lambda made: made.Bare.ONE < made.Bare.TWO,
    "not equal across": lambda made: [made.Bare.ONE == made.Number.ONE, made.Derived.LEFT == made.Number.ONE],
    "range": lambda made: list(range(made.Number.TWO)),
    "is a class": lambda made: [inspect.isclass(made.Word), issubclass(made.Word, str), issubclass(made.Number, int)],
}


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize("question", OF_EVERY)
def test_every_enumeration_answers_like_the_standard_one(question: str, kind: str) -> None:
    ask = OF_EVERY[question]
    assert answered(lambda made: ask(getattr(made, kind)), OURS) == answered(
        lambda made: ask(getattr(made, kind)), STANDARD
    )


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize("question", REFUSED)
def test_every_enumeration_refuses_what_the_standard_one_does(question: str, kind: str) -> None:
    errors = [_error(REFUSED[question], getattr(made, kind)) for made in (STANDARD, OURS)]
    assert errors[0] is errors[1] is not None


def _error(ask: Callable[[Any], object], kind: Any) -> type[Exception] | None:
    try:
        ask(kind)
    except Exception as error:
        return type(error)
    return None


@pytest.mark.parametrize("question", OF_ALL)
def test_it_answers_like_the_standard_one(question: str) -> None:
    assert answered(OF_ALL[question], OURS) == answered(OF_ALL[question], STANDARD)


values = st.one_of(
    st.integers(-3, 9), st.booleans(), st.floats(-2, 7), st.text(max_size=3), st.none(), st.lists(st.integers())
)


@given(values, st.sampled_from(EVERY))
def test_any_value_finds_the_same_member_or_is_refused_with_the_same_words(value: object, kind: str) -> None:
    assert answered(lambda made: getattr(made, kind)(value), OURS) == answered(
        lambda made: getattr(made, kind)(value), STANDARD
    )


@given(st.dictionaries(st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,3}", fullmatch=True), st.integers(-2, 3), min_size=1))
def test_any_names_and_numbers_make_the_same_enumeration(names: dict[str, int]) -> None:
    names.pop("mro", None)
    standard: Any = enum.IntEnum("Made", names)  # type: ignore[misc]
    ours = type(enums.IntEnum)("Made", (enums.IntEnum,), {"__module__": __name__, **names})  # type: ignore[arg-type]
    for ask in (list, OF_EVERY["all names"], OF_EVERY["repr"], OF_EVERY["values of members"]):
        assert plainly(ask(ours)) == plainly(ask(standard))


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize(
    "value", [0, 1, 1.0, True, 99, "red", "Green", "RED", "left", ("short", 1), None, [1], {}, MapType.HASH]
)
def test_what_is_in_it_is_what_python_3_12_says(value: object, kind: str) -> None:
    """A member, or a member's value; Python 3.11 raises a TypeError for all but members."""
    ours, standard = getattr(OURS, kind), getattr(STANDARD, kind)
    hashable = not isinstance(value, list | dict)
    is_value = hashable and value in [member.value for member in standard]
    assert (value in ours) is is_value
    if sys.version_info >= (3, 13) or (sys.version_info >= (3, 12) and hashable):
        assert (value in ours) is (value in standard)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("member", [MapType.HASH, Command.PROG_RUN, Feature.BTF, Feature.UPROBE_MULTI_LINK])
def test_a_pickle_gives_the_member_itself(member: enums.Enum, protocol: int) -> None:
    assert pickle.loads(pickle.dumps(member, protocol)) is member


def test_a_match_statement_finds_members_and_kinds() -> None:
    def matched(value: object) -> str:
        match value:
            case MapType.HASH:
                return "hash"
            case MapType():
                return "another type"
            case enums.Enum():
                return "another enumeration"
        return "none"

    found = [matched(value) for value in (MapType.HASH, 1, MapType.ARRAY, Feature.BTF, 2)]
    assert found == ["hash", "hash", "another type", "another enumeration", "none"]


def test_argparse_takes_one_as_type_and_as_choices() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--type", type=MapType, choices=list(MapType))
    parser.add_argument("--word", choices=OURS.Word)
    given = parser.parse_args(["--type", "ringbuf", "--word", "Green"])
    assert (given.type, given.word) == (MapType.RINGBUF, "Green")
    with pytest.raises(SystemExit):
        parser.parse_args(["--type", "ringbuff"])


def test_a_member_is_no_instance_of_the_standard_one_but_of_ours() -> None:
    assert not isinstance(MapType.HASH, enum.Enum)
    bases = (enums.IntEnum, enums.Enum, int, enums.StrEnum)
    assert [isinstance(MapType.HASH, base) for base in bases] == [True, True, True, False]


def test_importing_it_imports_no_other_enumerations_and_nothing_that_comes_with_them() -> None:
    program = "import sys\nbefore = set(sys.modules)\nimport purebpf.enums\nprint(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "purebpf.enums" in loaded
    assert not loaded & {"collections", "enum", "functools", "keyword", "operator", "reprlib", "types"}


@pytest.mark.parametrize("kit", [enum, enums])
def test_text_must_be_text(kit: Any) -> None:
    def with_a_number() -> None:
        class Wrong(kit.StrEnum):
            X = 3

    with pytest.raises(TypeError):
        with_a_number()


def test_a_number_must_be_a_number() -> None:
    def with_text() -> None:
        class Wrong(enums.IntEnum):
            X = "3"

    with pytest.raises(TypeError, match=r"'3' of Wrong.X is no int"):
        with_text()


def test_both_sides_are_what_they_are_taken_for() -> None:
    assert [made.Number.__mro__[1] for made in (STANDARD, OURS)] == [enum.IntEnum, enums.IntEnum]
