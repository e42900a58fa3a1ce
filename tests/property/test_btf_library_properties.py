"""BTF as a library: merging, deduplicating and sorting keep what they should; printing ends in text or an error."""

from __future__ import annotations

from pathlib import Path

from hypothesis import assume, given
from hypothesis import strategies as st

from purebpf.btf import Btf, BtfType, BtfWriter, Pointer
from purebpf.btf.dedup import dedup
from purebpf.btf.distill import distill, relocate
from purebpf.btf.permute import permute
from purebpf.btf.references import references, with_references
from purebpf.elf import read_elf
from purebpf.errors import BtfError
from purebpf.gen.header import header
from purebpf.gen.type_json import type_json
from purebpf.testing import btf_files, damaged
from purebpf.units import TypeId
from tests.property.bounded import bounded

FILES = sorted((Path(__file__).parents[2] / "bpf" / "built").glob("*.o"))
SECTIONS = [bytes(found.data) for path in FILES if (found := read_elf(path).section(".BTF"))]


def whole(data: bytes) -> Btf:
    """A BTF none of whose types refers beyond the end: others are refused, which another test is about."""
    btf = Btf.parse(data)
    try:
        kinds = [btf[each] for each in btf.ids()]
    except BtfError:
        assume(False)
    assume(all(target < btf.end_id for kind in kinds for target in references(kind)))
    return btf


def types_of(btf: Btf) -> list[BtfType]:
    return [btf[each] for each in btf.ids()]


def copies(btf: Btf, count: int) -> Btf:
    writer = BtfWriter(byteorder=btf.byteorder)
    for _ in range(count):
        writer.add_btf(btf)
    return Btf.parse(writer.build())


@given(btf_files(), st.integers(2, 4))
def test_copies_of_anything_become_what_one_becomes(data: bytes, count: int) -> None:
    btf = whole(data)
    once, many = dedup(btf), dedup(copies(btf, count))
    assert types_of(Btf.parse(many.data)) == types_of(Btf.parse(once.data))
    assert list(many.ids[: btf.end_id]) == list(once.ids)


@given(btf_files())
def test_there_is_nothing_left_to_deduplicate(data: bytes) -> None:
    once = Btf.parse(dedup(whole(data)).data)
    again = dedup(once)
    assert types_of(Btf.parse(again.data)) == types_of(once)
    assert list(again.ids) == list(range(once.end_id))


@given(btf_files())
def test_a_deduplicated_type_is_the_old_one_under_new_ids(data: bytes) -> None:
    btf = whole(data)
    result = dedup(btf)
    after = Btf.parse(result.data)
    for type_id in btf.ids():
        new = with_references(btf[type_id], lambda each: TypeId(result.ids[each]))
        kept = after[result.ids[type_id]]
        declared = type(kept) is not type(new) or getattr(new, "enumerators", True) == ()
        assert declared or new == kept


@given(btf_files(), st.randoms(use_true_random=False))
def test_types_in_any_order_and_back_are_the_same_types(data: bytes, chance: object) -> None:
    btf = whole(data)
    order = list(btf.ids())
    chance.shuffle(order)  # type: ignore[attr-defined]
    there = permute(btf, order)
    back = [there.ids[each] for each in btf.ids()]
    assert types_of(Btf.parse(permute(Btf.parse(there.data), back).data)) == types_of(btf)


@given(btf_files(), st.randoms(use_true_random=False))
def test_the_order_of_types_does_not_change_how_many_are_equal(data: bytes, chance: object) -> None:
    btf = whole(data)
    order = list(btf.ids())
    chance.shuffle(order)  # type: ignore[attr-defined]
    assert len(Btf.parse(dedup(Btf.parse(permute(btf, order).data)).data)) == len(Btf.parse(dedup(btf).data))


@given(btf_files())
def test_what_leaves_its_base_finds_it_again(data: bytes) -> None:
    base = Btf.parse(dedup(whole(data)).data)
    writer = BtfWriter(byteorder=base.byteorder, base=base)
    for each in base.ids():
        writer.add(Pointer(TypeId(each)))
    split = Btf.parse(writer.build(), base=base)
    result = distill(split)
    small = Btf.parse(result.base)
    try:
        fitted = relocate(Btf.parse(result.split, base=small), base)
    except BtfError as error:
        assert "more than one" in error.reason  # noqa: PT017
        return
    back = Btf.parse(fitted.data, base=base)
    assert [back[each].name for each in split.ids()] == [""] * len(split.ids())
    assert all(
        back.kind(back.size_or_type(each)) in _same(split.kind(split.size_or_type(each))) for each in split.ids()
    )


def _same(kind: int) -> tuple[int, ...]:
    """The kinds that one may find itself as: a declaration finds its definition."""
    return (kind, 4, 5, 7) if kind == 7 else (kind,)


def printed(data: bytes) -> None:
    """Print what can be printed; a BtfError for what cannot."""
    with bounded(5):
        try:
            btf = Btf.parse(data)
            header(btf)
        except BtfError as error:
            assert error.reason  # noqa: PT017
            return
        for each in btf.ids():
            try:
                type_json(btf, each)
            except BtfError as error:
                assert error.reason  # noqa: PT017


@given(btf_files())
def test_types_of_any_shape_are_printed_or_refused(data: bytes) -> None:
    printed(data)


@given(damaged(st.sampled_from(SECTIONS)))
def test_damaged_types_are_printed_or_refused(data: bytes) -> None:
    printed(data)


@given(damaged(st.sampled_from(SECTIONS)))
def test_damaged_types_are_deduplicated_or_refused(data: bytes) -> None:
    with bounded(5):
        try:
            dedup(Btf.parse(data))
        except BtfError as error:
            assert error.reason  # noqa: PT017
