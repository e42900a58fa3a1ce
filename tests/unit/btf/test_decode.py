"""What stands in a record is checked when the type is built."""

import struct

import pytest

from purebpf.btf import Btf, BtfError, BtfType, BtfWriter, Kind
from purebpf.btf.kinds import RECORD_SIZES


def parsed(*words: int) -> Btf:
    writer = BtfWriter()
    writer.add_record(struct.pack(f"<{len(words)}I", *words))
    return Btf.parse(writer.build())


REFERENCES = {
    Kind.PTR: (0, Kind.PTR << 24, 9),
    Kind.ARRAY: (0, Kind.ARRAY << 24, 0, 9, 0, 1),
    Kind.STRUCT: (0, Kind.STRUCT << 24 | 1, 4, 0, 9, 0),
    Kind.UNION: (0, Kind.UNION << 24 | 1, 4, 0, 9, 0),
    Kind.TYPEDEF: (0, Kind.TYPEDEF << 24, 9),
    Kind.VOLATILE: (0, Kind.VOLATILE << 24, 9),
    Kind.CONST: (0, Kind.CONST << 24, 9),
    Kind.RESTRICT: (0, Kind.RESTRICT << 24, 9),
    Kind.FUNC: (0, Kind.FUNC << 24, 9),
    Kind.FUNC_PROTO: (0, Kind.FUNC_PROTO << 24 | 1, 0, 0, 9),
    Kind.VAR: (0, Kind.VAR << 24, 9, 1),
    Kind.DATASEC: (0, Kind.DATASEC << 24 | 1, 4, 9, 0, 4),
    Kind.DECL_TAG: (0, Kind.DECL_TAG << 24, 9, 0),
    Kind.TYPE_TAG: (0, Kind.TYPE_TAG << 24, 9),
}


@pytest.mark.parametrize("kind", REFERENCES, ids=lambda kind: kind.name)
def test_a_reference_to_a_type_that_does_not_exist_is_refused(kind: Kind) -> None:
    btf = parsed(*REFERENCES[kind])
    with pytest.raises(BtfError, match="offset 0x18: a type refers to type 9, the last one is 1"):
        btf[1]


@pytest.mark.parametrize("kind", [Kind.STRUCT, Kind.UNION, Kind.ENUM, Kind.ENUM64, Kind.FUNC_PROTO])
def test_the_name_of_an_element_outside_the_strings_is_refused(kind: Kind) -> None:
    element = RECORD_SIZES[kind][1] // 4
    btf = parsed(0, kind << 24 | 1, 0 if kind is Kind.FUNC_PROTO else 4, *[0x999, 0, 0][:element])
    with pytest.raises(BtfError, match="string offset 0x999"):
        btf[1]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((0, Kind.INT << 24, 3, 8), "size of 3 bytes"),
        ((0, Kind.INT << 24, 4, 33), "33 bits from bit 0 in 4 bytes"),
        ((0, Kind.INT << 24, 4, 8 << 16 | 25), "25 bits from bit 8 in 4 bytes"),
        ((0, Kind.ENUM << 24, 3), "size of 3 bytes"),
        ((0, Kind.ENUM64 << 24, 16), "size of 16 bytes"),
        ((0, Kind.FLOAT << 24, 1), "size of 1 bytes"),
    ],
)
def test_a_size_that_the_kind_cannot_have_is_refused(words: tuple[int, ...], reason: str) -> None:
    with pytest.raises(BtfError, match=reason):
        parsed(*words)[1]


def test_a_struct_may_refer_to_itself() -> None:
    kind: BtfType = parsed(0, Kind.STRUCT << 24 | 1, 4, 0, 1, 0)[1]
    assert kind == parsed(0, Kind.STRUCT << 24 | 1, 4, 0, 1, 0)[1]
