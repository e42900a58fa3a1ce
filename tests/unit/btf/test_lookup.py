"""Modifiers and typedefs are looked through; circles end in an error."""

import struct
import time

import pytest

from purebpf.btf import (
    Btf,
    BtfError,
    BtfWriter,
    Const,
    Int,
    Pointer,
    Restrict,
    Typedef,
    TypeTag,
    Volatile,
    resolve,
    strip_modifiers,
)
from purebpf.units import TypeId


def parsed(*kinds: object) -> Btf:
    writer = BtfWriter()
    for kind in kinds:
        writer.add(kind)
    return Btf.parse(writer.build())


def chain(kind: int, length: int) -> Btf:
    """`length` types, each of which refers to the one before; the first is a void one."""
    writer = BtfWriter()
    for type_id in range(length):
        writer.add_record(struct.pack("<III", 0, kind << 24, type_id))
    return Btf.parse(writer.build())


ALIASES = parsed(
    Int("int", 4, 32), Const(TypeId(1)), Volatile(TypeId(2)), Restrict(TypeId(3)), TypeTag("user", TypeId(4)),
    Typedef("named", TypeId(5)), Const(TypeId(6)), Pointer(TypeId(7)),
)  # fmt: skip


def test_strip_modifiers_stops_at_a_typedef() -> None:
    assert strip_modifiers(ALIASES, 5) == 1
    assert strip_modifiers(ALIASES, 7) == 6


def test_resolve_looks_through_typedefs_too() -> None:
    assert resolve(ALIASES, 7) == 1
    assert resolve(ALIASES, 8) == 8
    assert resolve(ALIASES, 0) == 0


def test_const_void_is_void() -> None:
    assert resolve(parsed(Const(TypeId(0))), 1) == 0


@pytest.mark.parametrize("follow", [resolve, strip_modifiers])
def test_a_circle_is_a_btf_error(follow: object) -> None:
    btf = parsed(Const(TypeId(2)), Volatile(TypeId(1)), Const(TypeId(3)))
    for type_id in (1, 3):
        with pytest.raises(BtfError, match=f"type {type_id} is defined in terms of itself"):
            follow(btf, type_id)


def test_a_dangling_reference_is_a_btf_error() -> None:
    with pytest.raises(BtfError, match="no type 7"):
        resolve(parsed(Const(TypeId(7))), 1)


def test_a_long_chain_is_followed_and_an_endless_one_refused_quickly() -> None:
    btf = chain(8, 100_000)
    assert resolve(btf, 200) == 0
    begin = time.thread_time()
    with pytest.raises(BtfError, match="more than 256 types"):
        resolve(btf, 100_000)
    assert time.thread_time() - begin < 1
