"""Type information of any shape that `BtfWriter` can write.

Every field is one that fits its record and every reference names a type there is, but nothing more makes sense:
a struct may contain itself, an array be larger than the address space, a chain of typedefs have no end. That is what
a reader has to stand.
"""

from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from purebpf.btf import (
    Array,
    BtfType,
    BtfWriter,
    Const,
    DataSection,
    DeclTag,
    Enum,
    Enumerator,
    Float,
    Forward,
    Function,
    FunctionProto,
    Int,
    Linkage,
    Member,
    Parameter,
    Pointer,
    Restrict,
    SectionVariable,
    Struct,
    Typedef,
    TypeTag,
    Union,
    Variable,
    Volatile,
)
from purebpf.frozen import Frozen
from purebpf.units import BitOffset, ByteOrder, TypeId

_NAMES = st.sampled_from(("", "int", "task_struct", "pid", "x")) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8
)
_BOOLEANS = st.booleans()
_UNSIGNED32 = st.sampled_from((0, 1, 4, 8, 64)) | st.integers(0, 2**32 - 1)
_INT_SIZES = st.sampled_from((1, 2, 4, 8, 16))
_ENUM_SIZES = st.sampled_from((1, 2, 4, 8))
_FLOAT_SIZES = st.sampled_from((2, 4, 8, 12, 16))
_FEW = 3
_T = TypeVar("_T")


class BtfContents(Frozen):
    """What a .BTF section is written from: `types[n]` has id n + 1."""

    byteorder: ByteOrder
    types: tuple[BtfType, ...]

    def build(self) -> bytes:
        """The section."""
        writer = BtfWriter(byteorder=self.byteorder)
        for kind in self.types:
            writer.add(kind)
        return writer.build()


@st.composite
def btf_contents(draw: DrawFn, *, max_types: int = 12) -> BtfContents:
    """Types of all kinds that refer to one another at random."""
    count = draw(st.integers(0, max_types))
    ids = st.integers(0, count).map(TypeId)
    types = draw(st.lists(btf_types(ids), min_size=count, max_size=count))
    return BtfContents(draw(st.sampled_from(("little", "big"))), tuple(types))


def btf_files(*, max_types: int = 12) -> SearchStrategy[bytes]:
    """.BTF sections of both byte orders."""
    return btf_contents(max_types=max_types).map(BtfContents.build)


def btf_types(ids: SearchStrategy[TypeId]) -> SearchStrategy[BtfType]:
    """One type of any kind but void, whose references are drawn from `ids`."""
    return st.one_of(
        _integers(),
        st.builds(Pointer, ids),
        st.builds(Array, ids, ids, _UNSIGNED32),
        _compounds(Struct, ids),
        _compounds(Union, ids),
        _enums(),
        st.builds(Forward, _NAMES, _BOOLEANS),
        st.builds(Typedef, _NAMES, ids),
        st.builds(Volatile, ids),
        st.builds(Const, ids),
        st.builds(Restrict, ids),
        st.builds(Function, _NAMES, ids, st.sampled_from(tuple(Linkage))),
        st.builds(FunctionProto, ids, _few(st.builds(Parameter, _NAMES, ids))),
        st.builds(Variable, _NAMES, ids, st.sampled_from(tuple(Linkage))),
        st.builds(DataSection, _NAMES, _UNSIGNED32, _few(st.builds(SectionVariable, ids, _UNSIGNED32, _UNSIGNED32))),
        st.builds(Float, _NAMES, _FLOAT_SIZES),
        st.builds(DeclTag, _NAMES, ids, st.integers(-1, 3), _BOOLEANS),
        st.builds(TypeTag, _NAMES, ids, _BOOLEANS),
    )


def _few(elements: SearchStrategy[_T]) -> SearchStrategy[tuple[_T, ...]]:
    return st.lists(elements, max_size=_FEW).map(tuple)


@st.composite
def _integers(draw: DrawFn) -> Int:
    size = draw(_INT_SIZES)
    bits = draw(st.just(8 * size) | st.integers(0, 8 * size))
    offset = draw(st.integers(0, 8 * size - bits))
    return Int(draw(_NAMES), size, bits, offset, draw(_BOOLEANS), draw(_BOOLEANS), draw(_BOOLEANS))


@st.composite
def _compounds(draw: DrawFn, build: type[Struct] | type[Union], ids: SearchStrategy[TypeId]) -> Struct | Union:
    flag = draw(_BOOLEANS)
    offsets = st.integers(0, 2**24 - 1 if flag else 2**32 - 1).map(BitOffset)
    sizes = st.integers(0, 255) if flag else st.just(0)
    members = draw(_few(st.builds(Member, _NAMES, ids, offsets, sizes)))
    return build(draw(_NAMES), draw(_UNSIGNED32), members, flag)


@st.composite
def _enums(draw: DrawFn) -> Enum:
    wide, signed = draw(_BOOLEANS), draw(_BOOLEANS)
    bits = 64 if wide else 32
    values = st.integers(-(1 << bits - 1), (1 << bits - 1) - 1) if signed else st.integers(0, (1 << bits) - 1)
    enumerators = draw(_few(st.builds(Enumerator, _NAMES, values)))
    return Enum(draw(_NAMES), draw(_ENUM_SIZES), enumerators, signed, wide)
