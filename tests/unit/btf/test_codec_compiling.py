import gc
import time
import weakref

import pytest

from purebpf.btf import Btf, BtfError, DataSection, Forward, Int, Linkage, Member, Struct, Variable
from purebpf.btf.codec import codec_for
from purebpf.btf.types import Function, FunctionProto
from purebpf.units import BitOffset, TypeId
from tests.unit.btf.codec_types import Types


class ReferableBtf(Btf):
    """A Btf that can be weakly referenced."""


def test_a_type_is_compiled_once_and_kept_as_long_as_its_btf() -> None:
    types = Types()
    struct = types.struct("s", 4, ("x", types.u32, 0))
    btf = ReferableBtf.parse(types.writer.build())
    codec = codec_for(btf, struct)
    assert codec_for(btf, struct) is codec
    assert type(codec_for(btf, struct).decode(bytes(4))) is type(codec.decode(bytes(4)))
    gone = weakref.ref(btf), weakref.ref(codec)
    del btf, codec
    gc.collect()
    assert [reference() for reference in gone] == [None, None]


def test_a_variable_has_the_codec_of_its_type() -> None:
    types = Types()
    variable = types.writer.add(Variable("counter", types.u64, Linkage.GLOBAL))
    assert types.codec(variable).decode(b"\5" + bytes(7)) == 5


def test_what_has_no_value_in_memory_is_an_error_that_says_so() -> None:
    types = Types()
    proto = types.writer.add(FunctionProto(types.u32, ()))
    cases = {
        0: "void",
        types.writer.add(Forward("secret")): "'secret' is declared here and defined elsewhere",
        proto: "functionproto",
        types.writer.add(Function("f", proto)): "function f",
        types.writer.add(DataSection(".bss", 0, ())): "datasection .bss",
    }
    for type_id, text in cases.items():
        with pytest.raises(BtfError, match=text):
            types.codec(type_id)
    with pytest.raises(BtfError, match="there is no type 9999"):
        types.codec(9999)


def test_a_struct_that_contains_itself_is_refused() -> None:
    types = Types()
    own = types.writer.next_id
    types.struct("snake", 8, ("tail", own, 0))
    with pytest.raises(BtfError, match="contains itself"):
        types.codec(own)
    anonymous = types.writer.next_id
    types.struct("", 8, ("", anonymous, 0))
    with pytest.raises(BtfError, match="anonymous"):
        types.codec(anonymous)
    arrays = types.writer.next_id
    types.array(arrays, 1)
    with pytest.raises(BtfError, match="contains itself"):
        types.codec(arrays)


def test_a_circle_of_typedefs_is_refused() -> None:
    types = Types()
    own = types.writer.next_id
    types.typedef("a", own + 1)
    types.typedef("b", own)
    with pytest.raises(BtfError, match="circle"):
        types.codec(own)


@pytest.mark.parametrize("kind", ["struct", "anonymous", "array", "typedef", "union", "pointer"])
def test_twenty_thousand_levels_are_refused_quickly(kind: str) -> None:
    types = Types()
    at = types.u32
    for level in range(20_000):
        match kind:
            case "struct":
                at = types.struct(f"s{level}", 4, ("x", at, 0))
            case "anonymous":
                at = types.struct("", 4, ("", at, 0))
            case "array":
                at = types.array(at, 1)
            case "typedef":
                at = types.typedef("t", at)
            case "union":
                at = types.union("", 4, ("", at))
            case _:
                at = types.pointer(at)
    btf = types.btf()
    began = time.thread_time()
    if kind == "pointer":
        assert codec_for(btf, at).decode(bytes(8)) == 0
    else:
        with pytest.raises(BtfError):
            codec_for(btf, at)
    assert time.thread_time() - began < 0.5


@pytest.mark.parametrize("keyword", ["struct", "union"])
@pytest.mark.parametrize("name", ["", "x"])
def test_types_that_would_decode_to_millions_of_values_are_refused(keyword: str, name: str) -> None:
    types = Types()
    at = types.u32
    for level in range(40):
        tag = f"s{level}" if name else ""
        members = [(f"{name}{n}" if name else "", at) for n in range(2)]
        if keyword == "struct":
            at = types.struct(tag, 4, *[(member, of, 0) for member, of in members])
        else:
            at = types.union(tag, 4, *members)
    btf = types.btf()
    began = time.thread_time()
    with pytest.raises(BtfError, match=r"consists of|too many"):
        codec_for(btf, at)
    assert time.thread_time() - began < 0.5


def test_arrays_larger_than_memory_or_of_nothing_are_refused() -> None:
    types = Types()
    huge = types.array(types.array(types.u64, 0xFFFF_FFFF), 0xFFFF_FFFF)
    with pytest.raises(BtfError, match="larger than 4 GiB"):
        types.codec(huge)
    nothing = types.array(types.struct("empty", 0), 100_000_000)
    with pytest.raises(BtfError, match="consists of"):
        types.codec(nothing)
    large = types.codec(types.array(types.u8, 0xFFFF_FFFF))
    with pytest.raises(ValueError, match="a buffer of 3"):
        large.decode(b"abc")
    many = types.codec(types.array(types.u32, 0x3FFF_FFFF))
    with pytest.raises(ValueError, match="a buffer of 3"):
        many.decode(b"abc")


def test_members_outside_of_their_struct_are_refused() -> None:
    types = Types()
    outside = types.struct("s", 4, ("x", types.u64, 0))
    with pytest.raises(BtfError, match=r"member 'x' ends outside of 's', which has 4 bytes"):
        types.codec(outside)
    beyond = types.bitfields("b", 1, ("x", types.u32, 6, 3))
    with pytest.raises(BtfError, match="outside of 'b'"):
        types.codec(beyond)


def test_bitfields_that_no_c_compiler_makes_are_refused() -> None:
    types = Types()
    wide = types.bitfields("s", 16, ("x", types.u8, 0, 9))
    with pytest.raises(BtfError, match="bitfield 'x' of 9 bits in an integer of 1 byte"):
        types.codec(wide)
    pointed = types.bitfields("p", 16, ("x", types.pointer(0), 0, 9))
    with pytest.raises(BtfError, match="'x' of 'p' is a bitfield of what is no integer"):
        types.codec(pointed)
    shifted = types.writer.add(Struct("q", 16, (Member("x", types.double, BitOffset(3)),)))
    with pytest.raises(BtfError, match="bitfield of what is no integer"):
        types.codec(shifted)


def test_an_unnamed_bitfield_is_padding() -> None:
    types = Types()
    codec = types.codec(types.bitfields("s", 4, ("a", types.u32, 0, 4), ("", types.u32, 4, 4), ("b", types.u32, 8, 24)))
    assert codec.decode(b"\xff\1\0\0") == (15, 1)


def test_names_never_reach_the_generated_text() -> None:
    types = Types()
    evil = "x): raise SystemExit #"
    inner = types.struct(evil, 2, (evil, types.u8, 0), ("\n", types.bool, 1))
    codec = types.codec(types.struct(evil, 8, (evil, types.u32, 0), ("b", inner, 4), ("c\t", types.u8, 6)))
    assert codec.decode(bytes(8)) == (0, (0, False), 0)


def test_an_anonymous_struct_is_named_by_its_typedef() -> None:
    types = Types()
    named = types.typedef("pair_t", types.struct("", 4, ("x", types.u32, 0)))
    assert types.codec(named).type_name == "pair_t"
    assert repr(types.codec(named).decode(bytes(4))) == "pair_t(x=0)"


def test_an_integer_of_impossible_bits_is_refused_by_reader_or_codec() -> None:
    types = Types()
    for bits, offset in ((0, 0), (33, 0), (8, 30)):
        with pytest.raises((BtfError, ValueError)):
            types.codec(types.writer.add(Int("odd", 4, bits, offset)))
    assert TypeId(0) == 0
