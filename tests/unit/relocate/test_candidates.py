"""Which of the target's types a local one may stand for, and that modules are asked last."""

from collections.abc import Iterable

import pytest

from purebpf.btf import Btf, Kind
from purebpf.errors import RelocationError
from purebpf.plan.target import ModuleTypes, Target
from purebpf.relocate.candidates import candidates, enumerators, known_answers, known_questions, places
from purebpf.units import TypeId
from tests.unit.relocate.shapes import Types


def kernel() -> Types:
    types = Types()
    types.struct("task", 4, ("a", types.int, 0))  # 6
    types.struct("task___old", 4)  # 7
    types.struct("tasks", 4)  # 8
    types.enum("task", A=1)  # 9
    types.enum("state", 8, A=1)  # 10
    types.struct("task", 4)  # 11
    return types


def found(types: Btf, name: str, kind: Kind, modules: Iterable[ModuleTypes] = ()) -> list[int]:
    target = Target("test", "", 0, "little", read_btf=lambda: types, read_modules=lambda: list(modules))
    return [candidate.type for candidate in candidates(target, types, name, kind)]


def test_candidates_have_kind_and_name_but_for_the_flavour_in_the_order_of_their_ids() -> None:
    types = kernel().build()
    assert found(types, "task", Kind.STRUCT) == [6, 7, 11]
    assert found(types, "task___mine", Kind.STRUCT) == [6, 7, 11]
    assert found(types, "task", Kind.ENUM) == [9]
    assert found(types, "task", Kind.UNION) == []


def test_an_enum_may_have_32_or_64_bits() -> None:
    assert found(kernel().build(), "state", Kind.ENUM) == [10]
    assert found(kernel().build(), "task", Kind.ENUM64) == [9]


def test_modules_are_asked_only_for_what_the_kernel_does_not_have() -> None:
    types = kernel().build()
    asked: list[str] = []

    def module(name: str, struct: str) -> ModuleTypes:
        def read() -> Btf:
            asked.append(name)
            split = Types(base=types)
            split.struct(struct, 4)
            return split.build()

        return ModuleTypes(name, read)

    modules = [module("first", "own"), module("second", "own"), module("third", "task")]
    assert found(types, "task", Kind.STRUCT, modules) == [6, 7, 11]
    assert asked == []
    assert found(types, "own", Kind.STRUCT, modules) == [17, 17]
    assert set(asked) == {"first", "second", "third"}


def test_more_types_of_one_name_than_any_kernel_has_are_refused_before_they_are_asked() -> None:
    types = Types()
    for _ in range(1001):
        types.struct("task", 4)
    with pytest.raises(RelocationError, match=r"1001 types of .* are named 'task': these are no kernel's"):
        found(types.build(), "task", Kind.STRUCT)


def test_what_is_known_is_the_same_the_second_time() -> None:
    types, local = kernel().build(), kernel().build()
    assert places(types, TypeId(6)) is places(types, TypeId(6))
    assert enumerators(types, TypeId(9)) is enumerators(types, TypeId(9)) == {"A": 0}
    assert known_answers(types, local) is known_answers(types, local)
    assert known_answers(types, local) is not known_answers(local, types)
    assert known_questions(local) is known_questions(local)
