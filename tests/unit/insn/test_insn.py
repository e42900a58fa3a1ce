import random
import struct

import pytest

from purebpf.errors import SpecError
from purebpf.insn import Insn, decode, encode
from purebpf.insn.opcodes import KNOWN_OPCODES, LDIMM64
from purebpf.units import ByteOrder

MOV_R1_R2 = bytes.fromhex("bf21000000000000")
EXIT = bytes.fromhex("9500000000000000")
WIDE = bytes.fromhex("1812000005000000") + bytes.fromhex("0000000007000000")


def random_insns(seed: int, count: int) -> list[Insn]:
    chance = random.Random(seed)
    return [
        Insn(
            opcode,
            chance.randrange(16),
            chance.randrange(16),
            chance.randint(-0x8000, 0x7FFF),
            chance.randrange(1 << 64) if opcode == LDIMM64 else chance.randint(-(1 << 31), (1 << 31) - 1),
        )
        for opcode in chance.choices(sorted(KNOWN_OPCODES), k=count)
    ]


def test_fields_of_a_little_endian_instruction() -> None:
    assert decode(bytes.fromhex("7b1af8ff00000000")) == [(0, Insn(0x7B, 10, 1, -8, 0))]


def test_big_endian_swaps_the_register_nibbles_too() -> None:
    assert decode(bytes.fromhex("7ba1fff800000009"), "big") == [(0, Insn(0x7B, 10, 1, -8, 9))]
    assert encode([Insn(0x7B, 10, 1, -8, 9)], "big") == bytes.fromhex("7ba1fff800000009")


def test_ldimm64_is_one_instruction_of_two_slots() -> None:
    [(first, wide), (second, last)] = decode(WIDE + EXIT)
    assert (first, second) == (0, 2)
    assert wide == Insn(LDIMM64, 2, 1, 0, 0x7_0000_0005)
    assert (wide.wide, wide.slots) == (True, 2)
    assert (last.wide, last.slots) == (False, 1)


def test_the_immediate_of_ldimm64_is_unsigned_and_may_be_given_signed() -> None:
    code = encode([Insn(LDIMM64, 1, imm=-1)])
    assert decode(code) == [(0, Insn(LDIMM64, 1, imm=(1 << 64) - 1))]
    assert encode([Insn(LDIMM64, 1, imm=(1 << 64) - 1)]) == code


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_decoding_what_was_encoded_gives_the_same_instructions(byteorder: ByteOrder) -> None:
    insns = random_insns(seed=1, count=2000)
    assert [insn for _index, insn in decode(encode(insns, byteorder), byteorder)] == insns


@pytest.mark.parametrize(
    ("code", "offset", "reason"),
    [
        (EXIT + b"\xff" + bytes(7), 8, "unknown opcode 0xff at instruction 1"),
        (EXIT + bytes(8), 8, "unknown opcode 0x00"),
        (EXIT + WIDE[:8], 8, "lacks its second half"),
        (WIDE[:8] + EXIT, 8, "second half of ldimm64 at instruction 0"),
        (WIDE[:8] + b"\0\0\1\0" + bytes(4), 8, "more than an immediate"),
        (EXIT + b"\x95", 8, "no multiple of 8"),
    ],
)
def test_bad_code_is_refused_with_its_offset(code: bytes, offset: int, reason: str) -> None:
    with pytest.raises(SpecError, match=reason) as caught:
        decode(code)
    assert caught.value.offset == offset


def test_tolerant_decoding_yields_what_strict_refuses() -> None:
    assert decode(b"\xff" + bytes(7) + b"\1", strict=False) == [(0, Insn(0xFF))]
    assert decode(EXIT + WIDE[:8], strict=False)[1] == (1, Insn(LDIMM64, 2, 1, 0, 5))


def test_tolerant_decoding_takes_any_bytes() -> None:
    chance = random.Random(2)
    for _ in range(500):
        code = chance.randbytes(chance.randrange(60))
        for index, insn in decode(code, strict=False):
            assert code[index * 8] == insn.opcode


@pytest.mark.parametrize(
    ("insn", "field"),
    [
        (Insn(256), "opcode"),
        (Insn(0x95, dst=16), "dst"),
        (Insn(0x95, src=-1), "src"),
        (Insn(0x05, offset=0x8000), "offset"),
        (Insn(0x85, imm=1 << 31), "imm"),
        (Insn(LDIMM64, imm=1 << 64), "imm"),
        (Insn(LDIMM64, imm=-(1 << 63) - 1), "imm"),
    ],
)
def test_a_field_out_of_range_is_named(insn: Insn, field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field} .* of instruction 0"):
        encode([insn])


def test_any_buffer_can_be_decoded() -> None:
    expected = decode(MOV_R1_R2 + EXIT)
    assert decode(bytearray(MOV_R1_R2 + EXIT)) == expected
    assert decode(memoryview(struct.pack("<16s", MOV_R1_R2 + EXIT))) == expected
