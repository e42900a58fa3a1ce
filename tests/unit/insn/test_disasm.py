import random
import time

import pytest

from purebpf.insn import disassemble
from purebpf.insn.disasm import FORMS
from purebpf.insn.opcodes import KNOWN_OPCODES, LDIMM64


def text(code: str, **options: bool) -> str:
    [line] = disassemble(bytes.fromhex(code), **options)
    return line


# What LLVM 19 cannot vouch for; everything else is compared with it in tests/oracle.
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("d3210000 00010000", "w1 = load_acquire((u8 *)(r2 + 0x0))"),
        ("cb21f8ff 00010000", "w1 = load_acquire((u16 *)(r2 - 0x8))"),
        ("db21f8ff 00010000", "r1 = load_acquire((u64 *)(r2 - 0x8))"),
        ("c3210800 10010000", "store_release((u32 *)(r1 + 0x8), w2)"),
        ("db210800 10010000", "store_release((u64 *)(r1 + 0x8), r2)"),
        ("0d030000 00000000", "gotox r3"),
        ("c321f8ff 41000000", "w2 = atomic_fetch_or((u32 *)(r1 - 0x8), w2)"),
        ("18210000 07000000 00000000 05000000", "ld_pseudo\tr1, 0x2, 0x500000007"),
    ],
)
def test_what_is_newer_than_llvm_19(code: str, expected: str) -> None:
    assert text(code) == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("7911080000000000", "r1 = *(u64 *)(r1 + 0x8)"),
        ("1501030000000000", "if r1 == 0x0 goto +0x3"),
        ("85100000ffffffff", "call -0x1"),
        ("06000000fbffffff", "gotol -0x5"),
        ("18010000ffffffff00000000ffffffff", "r1 = -0x1 ll"),
        ("bf21010000000100", "r1 = addr_space_cast(r2, 0x1, 0x0)"),
        ("9500000000000000", "exit"),
    ],
)
def test_the_syntax_is_that_of_objdump(code: str, expected: str) -> None:
    assert text(code) == expected


def test_words_are_written_with_half_registers_on_request() -> None:
    assert text("6121040000000000") == "r1 = *(u32 *)(r2 + 0x4)"
    assert text("6121040000000000", alu32=True) == "w1 = *(u32 *)(r2 + 0x4)"
    assert text("7921040000000000", alu32=True) == "r1 = *(u64 *)(r2 + 0x4)"


def test_exact_text_tells_the_sources_of_calls_apart() -> None:
    assert text("8500000005000000", exact=True) == "call 0x5"
    assert text("85100000ffffffff", exact=True) == "call pc-0x1"
    assert text("8520000007000000", exact=True) == "call kfunc 0x7"
    assert text("8520020007000000", exact=True) == "call kfunc 0x7 fd 0x2"


def test_exact_text_writes_stray_fields_as_bytes() -> None:
    assert text("9501000000000000") == "exit"
    assert text("9501000000000000", exact=True) == ".byte 0x95, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00"


def test_unknown_and_torn_code_takes_one_line_a_slot() -> None:
    assert disassemble(b"\xff" * 20) == ["<unknown>"] * 3
    assert disassemble(bytes.fromhex("9500000000000000 1801000001000000")) == ["exit", "<unknown>"]
    assert disassemble(b"") == []


def test_a_jump_names_its_target_by_the_symbol_before_it() -> None:
    code = bytes.fromhex("0500020000000000 0500fdff00000000 0600000000000000 9500000000000000")
    assert disassemble(code, start=4, symbols={4: "main", 7: "out"}) == [
        "goto +0x2 <out>",
        "goto -0x3",
        "gotol +0x0 <out>",
        "exit",
    ]
    assert disassemble(code, symbols={0: "main"})[0] == "goto +0x2 <main+0x18>"


def test_every_known_opcode_can_be_written() -> None:
    assert set(FORMS) | {LDIMM64} == KNOWN_OPCODES


def test_any_bytes_give_lines() -> None:
    chance = random.Random(3)
    for _ in range(500):
        code = chance.randbytes(chance.randrange(80))
        for exact in (False, True):
            lines = disassemble(code, chance.choice(["little", "big"]), exact=exact, symbols={0: "f"})
            assert (len(code) + 7) // 8 >= len(lines) >= len(code) // 16
            assert all(lines)
            assert not exact or "<unknown>" not in lines


def test_time_grows_with_the_size_of_the_code() -> None:
    def cost(slots: int) -> float:
        code = bytes.fromhex("1801000001000000") * slots
        start = time.process_time()
        disassemble(code)
        return time.process_time() - start

    assert cost(40_000) < 12 * cost(8_000) + 0.05
