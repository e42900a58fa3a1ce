import itertools
import random
import struct

import pytest

from purebpf.insn import assemble_text, disassemble
from purebpf.insn.opcodes import KNOWN_OPCODES
from purebpf.units import ByteOrder

ORDERS: list[ByteOrder] = ["little", "big"]


@pytest.mark.parametrize("byteorder", ORDERS)
@pytest.mark.parametrize("alu32", [False, True])
def test_exact_text_gives_back_every_byte(byteorder: ByteOrder, alu32: bool) -> None:
    slot = struct.Struct("<BBhi" if byteorder == "little" else ">BBhi")
    fields = itertools.product((0, 0x21, 0x0B, 0xB1, 0xC1), (0, 1, 8, -1), (0, 1, 16, 0xE1, 0xF1, 0x110, -1))
    values = list(fields)
    code = b"".join(slot.pack(opcode, *value) for opcode in sorted(KNOWN_OPCODES) for value in values)
    assert assemble_text("\n".join(disassemble(code, byteorder, exact=True, alu32=alu32)), byteorder) == code


def test_exact_text_of_noise_gives_back_every_byte() -> None:
    chance = random.Random(4)
    for _ in range(300):
        code = chance.randbytes(chance.randrange(64))
        assert assemble_text("\n".join(disassemble(code, exact=True))) == code


def test_labels_comments_and_what_objdump_adds_are_understood() -> None:
    text = """
    main:                              # entry
           0:	r1 = 0x5 ll            ; two slots
           2:	if r1 == 0x0 goto +0x1 <main+0x20>
        goto loop // a label
    loop:
        r1 += -1
        if r1 != 0 goto loop
        call main
        exit
    """
    assert disassemble(assemble_text(text), exact=True) == [
        "r1 = 0x5 ll", "if r1 == 0x0 goto +0x1", "goto +0x0", "r1 += -0x1", "if r1 != 0x0 goto -0x2", "call pc-0x7",
        "exit",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("r1 = = 2", "no instruction"),
        ("<unknown>", "no instruction"),
        ("r12 = 1", "no register r12"),
        ("r1 += w2", "different width"),
        ("r1 ?= 2", "no ALU operator"),
        ("if r1 <> 2 goto +1", "no comparison"),
        ("r1 = -r2", "must be the same"),
        ("r1 = be16 r2", "must be the same"),
        ("r1 = *(u64 *)(r2 + 0x8000)", "does not fit in 16 bits"),
        ("goto nowhere", "stands nowhere"),
        ("r2 = atomic_fetch_add((u64 *)(r1 + 0x0), r3)", "can only go to"),
        ("r1 = xchg_64(r1 + 0x0, r2)", "can only go to"),
        ("w2 = xchg_64(r1 + 0x0, w2)", "width"),
        ("r0 = cmpxchg_64(r1 + 0x0, r3, r2)", "compared with r0"),
        ("r0 = cmpxchg_64(r1 + 0x0, r2)", "can only go to"),
        ("r1 = load_acquire((u8 *)(r2 + 0x0))", "does not fit a u8"),
        ("store_release((u64 *)(r1 + 0x0), w2)", "does not fit a u64"),
        ("r1 = " + " " * 500 + "2", "characters"),
        ("r1 = " + "9" * 380, "fit in 32 bits"),
    ],
)
def test_a_line_that_cannot_be_read_is_refused(line: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        assemble_text(line)


def test_the_error_names_the_line() -> None:
    with pytest.raises(ValueError, match="line 3, 'bogus'"):
        assemble_text("exit\n\nbogus")
