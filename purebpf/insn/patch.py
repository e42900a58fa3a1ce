"""Looking into code and changing it without making an object of each instruction.

Rules: indices count slots of 8 bytes; `code` is changed in place, so it is a `bytearray` (or a writable
memoryview) that the caller made; no function here checks that an index is inside the code beyond what `struct`
and slicing do, because the caller took it from these iterators or from a relocation it has checked.

Scans take every eighth byte (`code[::8]`) and let `bytes.find` run over the opcodes: 60 000 instructions cost
some 40 us, where a loop over slots costs 14 ms. A second half of ldimm64 has opcode 0 and is never found.
"""

from __future__ import annotations

import struct

from purebpf.insn.words import BPF_PSEUDO_CALL, CALL, LDIMM64, SLOT
from purebpf.units import ByteOrder, InsnIndex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

Code = bytes | bytearray | memoryview

_IMM: dict[ByteOrder, struct.Struct] = {"little": struct.Struct("<i"), "big": struct.Struct(">i")}
_IMM_BITS: dict[ByteOrder, struct.Struct] = {"little": struct.Struct("<I"), "big": struct.Struct(">I")}
_OFFSET: dict[ByteOrder, struct.Struct] = {"little": struct.Struct("<h"), "big": struct.Struct(">h")}


def iter_opcode(code: Code, opcode: int) -> Iterator[InsnIndex]:
    """Indices of the slots with that opcode, in order."""
    opcodes = bytes(code[::SLOT])
    index = opcodes.find(opcode)
    while index >= 0:
        yield InsnIndex(index)
        index = opcodes.find(opcode, index + 1)


def iter_calls(code: Code, byteorder: ByteOrder = "little") -> Iterator[tuple[InsnIndex, int, int]]:
    """(index, source, imm) of each call; the source says whether helper, subprogram or kfunc."""
    for index in iter_opcode(code, CALL):
        if index * SLOT + SLOT <= len(code):
            yield index, source_at(code, index, byteorder), imm_at(code, index, byteorder)


def iter_subprogram_calls(code: Code, byteorder: ByteOrder = "little") -> Iterator[tuple[InsnIndex, InsnIndex]]:
    """(index, index of the called instruction) of each call with source PSEUDO_CALL."""
    for index, source, imm in iter_calls(code, byteorder):
        if source == BPF_PSEUDO_CALL:
            yield index, InsnIndex(index + 1 + imm)


def iter_ldimm64(code: Code) -> Iterator[InsnIndex]:
    """Indices of the ldimm64 that are whole."""
    for index in iter_opcode(code, LDIMM64):
        if index * SLOT + 2 * SLOT <= len(code):
            yield index


def is_ldimm64(code: Code, index: int) -> bool:
    """Whether a whole ldimm64 stands at `index`."""
    start = index * SLOT
    return 0 <= start <= len(code) - 2 * SLOT and code[start] == LDIMM64 and code[start + SLOT] == 0


def is_call(code: Code, index: int) -> bool:
    """Whether a call stands at `index`."""
    start = index * SLOT
    return 0 <= start <= len(code) - SLOT and code[start] == CALL


def source_at(code: Code, index: int, byteorder: ByteOrder = "little") -> int:
    """Source register field of the slot."""
    registers = code[index * SLOT + 1]
    return registers >> 4 if byteorder == "little" else registers & 15


def imm_at(code: Code, index: int, byteorder: ByteOrder = "little") -> int:
    """Signed immediate of the slot."""
    imm: int = _IMM[byteorder].unpack_from(code, index * SLOT + 4)[0]
    return imm


def patch_imm(code: bytearray, index: int, imm: int, byteorder: ByteOrder = "little") -> None:
    """Set the slot's immediate; the low 32 bits count, signed or not."""
    _IMM_BITS[byteorder].pack_into(code, index * SLOT + 4, imm & 0xFFFFFFFF)


def patch_offset(code: bytearray, index: int, offset: int, byteorder: ByteOrder = "little") -> None:
    """Set the slot's 16-bit offset; outside of it is a ValueError."""
    if not -0x8000 <= offset <= 0x7FFF:
        raise ValueError(f"offset {offset:#x} for instruction {index} does not fit in 16 bits")
    _OFFSET[byteorder].pack_into(code, index * SLOT + 2, offset)


def patch_source(code: bytearray, index: int, source: int, byteorder: ByteOrder = "little") -> None:
    """Set the slot's source register field, leaving the destination."""
    at = index * SLOT + 1
    code[at] = code[at] & 0x0F | source << 4 if byteorder == "little" else code[at] & 0xF0 | source


def patch_ldimm64(
    code: bytearray, index: int, source: int, low: int, high: int = 0, byteorder: ByteOrder = "little"
) -> None:
    """Give the ldimm64 at `index` a source and both immediates (for a map value: fd and offset)."""
    patch_source(code, index, source, byteorder)
    patch_imm(code, index, low, byteorder)
    patch_imm(code, index + 1, high, byteorder)
