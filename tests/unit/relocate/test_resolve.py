"""A record against all candidates of its type: one value, none, or a disagreement."""

import pytest

from purebpf.btf import CoreKind
from purebpf.errors import NotSupported, RelocationError
from purebpf.relocate.resolve import Resolver
from purebpf.units import TypeId
from tests.unit.relocate.shapes import Types, decide, decisions, record, target_of

EXISTS = CoreKind.FIELD_EXISTS


def local() -> tuple[Types, TypeId]:
    types = Types()
    return types, types.struct("task", 12, ("pid", types.int, 0), ("tgid", types.int, 4), ("rare", types.int, 8))


def kernel(*structs: dict[str, int]) -> Types:
    """A target with a `task` for each of the structs, given as members and their offsets."""
    types = Types()
    for offsets in structs:
        types.struct("task", 64, *((name, types.int, at) for name, at in offsets.items()))
    return types


def test_a_field_has_the_offset_of_the_target() -> None:
    types, task = local()
    decision = decide(types, kernel({"tgid": 40, "pid": 36}), record(task, "0:1"))
    assert decision.target is not None
    assert (decision.local.number, decision.target.number) == (4, 40)
    assert (decision.path, decision.question) == ("task.tgid", "the byte offset of 'task.tgid'")
    assert (decision.matching, len(decision.candidates), decision.chosen) == (1, 1, decision.candidates[0])


@pytest.mark.parametrize("kind", [EXISTS, CoreKind.TYPE_EXISTS, CoreKind.TYPE_SIZE, CoreKind.TYPE_MATCHES,
                                  CoreKind.TYPE_ID_TARGET])  # fmt: skip
def test_what_is_not_there_is_0_to_a_question_whether_it_is(kind: CoreKind) -> None:
    types, task = local()
    decision = decide(types, Types(), record(task, "0:0" if kind is EXISTS else "0", kind))
    assert decision.target is not None
    assert decision.target.number == 0


@pytest.mark.parametrize("kind", [CoreKind.FIELD_BYTE_OFFSET, CoreKind.FIELD_BYTE_SIZE, CoreKind.FIELD_SIGNED,
                                  CoreKind.FIELD_LSHIFT_U64, CoreKind.FIELD_RSHIFT_U64])  # fmt: skip
def test_and_nothing_to_a_question_where_it_is(kind: CoreKind) -> None:
    types, task = local()
    assert decide(types, kernel({"pid": 0}), record(task, "0:2", kind)).target is None


def test_candidates_that_agree_are_one() -> None:
    types, task = local()
    decision = decide(types, kernel({"pid": 8}, {"pid": 8, "tgid": 4}), record(task, "0:0"))
    assert decision.target is not None
    assert (decision.target.number, decision.matching) == (8, 2)


def test_candidates_that_disagree_are_an_error() -> None:
    types, task = local()
    with pytest.raises(RelocationError, match="ambiguous"):
        decide(types, kernel({"pid": 8}, {"pid": 12}), record(task, "0:0"))


def test_a_candidate_without_the_field_is_ruled_out_for_good() -> None:
    types, task = local()
    target = kernel({"pid": 8, "rare": 0}, {"pid": 12})
    first, second = decisions(types, target, [record(task, "0:2"), record(task, "0:0")])
    assert first.matching == second.matching == 1
    assert second.target is not None
    assert second.target.number == 8


def test_but_a_field_that_none_has_rules_out_none() -> None:
    types, task = local()
    target = kernel({"pid": 8}, {"pid": 12})
    with pytest.raises(RelocationError, match="ambiguous"):
        decisions(types, target, [record(task, "0:2", EXISTS), record(task, "0:0")])


def test_an_answer_is_remembered_and_the_order_still_counts() -> None:
    types, task = local()
    here, target = types.build(), target_of(kernel({"pid": 8, "rare": 0}, {"pid": 12}))
    first = Resolver(here, target, "little")
    assert first.decide(record(task, "0:2")) is first.decide(record(task, "0:2"))
    assert first.decide(record(task, "0:0")).matching == 1
    with pytest.raises(RelocationError, match="ambiguous"):
        Resolver(here, target, "little").decide(record(task, "0:0"))


def test_the_objects_own_type_ids_ask_for_no_types_of_the_kernel() -> None:
    types, task = local()
    decision = decide(types, None, record(task, "0", CoreKind.TYPE_ID_LOCAL))
    assert decision.target == decision.local
    assert decision.local.number == task


def test_everything_else_does() -> None:
    types, task = local()
    with pytest.raises(NotSupported) as caught:
        decide(types, None, record(task, "0:0"))
    assert caught.value.config == "CONFIG_DEBUG_INFO_BTF"
    assert "btf=file" in caught.value.remedy


def test_a_type_without_a_name_cannot_be_looked_for() -> None:
    types = Types()
    unnamed = types.struct("", 4, ("x", types.int, 0))
    with pytest.raises(RelocationError, match="no name to look for"):
        decide(types, Types(), record(unnamed, "0:0"))
