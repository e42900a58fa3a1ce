import pytest

from purebpf.insn import Assembler, decode, patch
from purebpf.insn.asm import R1, R2
from purebpf.units import ByteOrder

ORDERS: list[ByteOrder] = ["little", "big"]


def program(byteorder: ByteOrder = "little") -> bytes:
    """0: ldimm64, 2: call 12, 3: call sub, 4: kfunc, 5: exit, 6: sub, 7: exit."""
    return (
        Assembler()
        .ldimm64(R1, 0x8500000085)
        .call(12)
        .call_function("sub")
        .call_kfunc(-1)
        .exit()
        .label("sub")
        .mov(R2, 0x85)
        .exit()
        .assemble(byteorder)
    )


@pytest.mark.parametrize("byteorder", ORDERS)
def test_calls_are_found_with_source_and_number(byteorder: ByteOrder) -> None:
    assert list(patch.iter_calls(program(byteorder), byteorder)) == [(2, 0, 12), (3, 1, 2), (4, 2, -1)]


@pytest.mark.parametrize("byteorder", ORDERS)
def test_subprogram_calls_are_found_with_the_index_they_go_to(byteorder: ByteOrder) -> None:
    assert list(patch.iter_subprogram_calls(program(byteorder), byteorder)) == [(3, 6)]


def test_ldimm64_is_found_only_where_it_is_whole() -> None:
    code = program()
    assert list(patch.iter_ldimm64(code)) == [0]
    assert list(patch.iter_ldimm64(code[:8])) == []
    assert [index for index in range(-1, 10) if patch.is_ldimm64(code, index)] == [0]


def test_scans_take_any_bytes() -> None:
    for length in range(40):
        code = b"\x85" * length
        assert [index for index, _source, _imm in patch.iter_calls(code)] == list(range(length // 8))
        assert len(list(patch.iter_ldimm64(b"\x18" * length))) == max(0, length // 8 - 1)
        assert not patch.is_call(code, length // 8)


@pytest.mark.parametrize("byteorder", ORDERS)
def test_patching_changes_one_field_and_nothing_else(byteorder: ByteOrder) -> None:
    code = bytearray(program(byteorder))
    before = dict(decode(bytes(code), byteorder))
    patch.patch_imm(code, 2, 0xFFFFFFFE, byteorder)
    patch.patch_source(code, 3, 2, byteorder)
    patch.patch_offset(code, 4, -5, byteorder)
    patch.patch_ldimm64(code, 0, 2, 7, 0x90, byteorder)
    after = dict(decode(bytes(code), byteorder))
    assert (after[2].imm, after[2].src) == (-2, before[2].src)
    assert (after[3].src, after[3].dst, after[3].imm) == (2, before[3].dst, before[3].imm)
    assert (after[4].offset, after[4].imm) == (-5, -1)
    assert (after[0].dst, after[0].src, after[0].imm) == (1, 2, 0x90_0000_0007)
    assert [after[index] for index in (5, 6, 7)] == [before[index] for index in (5, 6, 7)]


@pytest.mark.parametrize("byteorder", ORDERS)
def test_fields_are_read_in_the_order_of_bytes(byteorder: ByteOrder) -> None:
    code = program(byteorder)
    assert patch.imm_at(code, 4, byteorder) == -1
    assert patch.source_at(code, 4, byteorder) == 2
    assert patch.is_call(code, 4)


def test_an_offset_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit in 16 bits"):
        patch.patch_offset(bytearray(8), 0, 0x8000)
