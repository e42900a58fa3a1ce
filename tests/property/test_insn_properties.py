"""Instructions: encode and decode undo each other; any bytes are decoded, disassembled or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purebpf.errors import SpecError
from purebpf.insn import Insn, decode, disassemble, encode
from purebpf.testing import code, damaged, instructions
from purebpf.units import ByteOrder
from tests.property.bounded import bounded

BYTE_ORDERS: list[ByteOrder] = ["little", "big"]


@pytest.mark.parametrize("byteorder", BYTE_ORDERS)
@given(insns=st.lists(instructions(), max_size=20))
def test_what_is_encoded_is_decoded(byteorder: ByteOrder, insns: list[Insn]) -> None:
    data = encode(insns, byteorder)
    found = decode(data, byteorder)
    assert [insn for _, insn in found] == insns
    assert encode((insn for _, insn in found), byteorder) == data
    slots = [index for index, _ in found]
    assert slots == [sum(insn.slots for insn in insns[:number]) for number in range(len(insns))]


@pytest.mark.parametrize("byteorder", BYTE_ORDERS)
@given(data=st.data())
def test_damaged_code_is_decoded_or_refused(byteorder: ByteOrder, data: st.DataObject) -> None:
    damage = data.draw(damaged(code(byteorder)))
    with bounded(5):
        try:
            insns = [insn for _, insn in decode(damage, byteorder)]
        except SpecError as error:
            assert error.offset is not None  # noqa: PT017
        else:
            assert encode(insns, byteorder) == damage


@pytest.mark.parametrize("byteorder", BYTE_ORDERS)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_decoded_leniently(byteorder: ByteOrder, data: bytes) -> None:
    found = decode(data, byteorder, strict=False)
    assert sum(insn.slots for _, insn in found) - len(data) // 8 in (0, 1)


@pytest.mark.parametrize("byteorder", BYTE_ORDERS)
@given(data=st.data())
def test_any_code_can_be_disassembled(byteorder: ByteOrder, data: st.DataObject) -> None:
    damage = data.draw(code(byteorder) | damaged(code(byteorder)) | st.binary(max_size=200))
    with bounded(5):
        lines = disassemble(damage, byteorder)
    assert len(lines) <= len(damage) // 8 + 1
