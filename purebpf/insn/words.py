"""Plain integers of instructions, for code that works on bytes.

Under Python 3.11 a member of an IntEnum costs a lookup and a slower comparison than an int; the enums themselves, and
the tables computed from them, are `opcodes`, which no load imports.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

SLOT: Final = 8
"""Bytes of one instruction slot; ldimm64 takes two."""

BPF_PSEUDO_MAP_FD: Final = 1
BPF_PSEUDO_MAP_VALUE: Final = 2
BPF_PSEUDO_BTF_ID: Final = 3
BPF_PSEUDO_FUNC: Final = 4
BPF_PSEUDO_MAP_IDX: Final = 5
BPF_PSEUDO_MAP_IDX_VALUE: Final = 6
BPF_PSEUDO_CALL: Final = 1
BPF_PSEUDO_KFUNC_CALL: Final = 2

LDIMM64: Final = 0x18
CALL: Final = 0x85
CALLX: Final = 0x8D
EXIT: Final = 0x95
GOTO: Final = 0x05
GOTOX: Final = 0x0D
GOTOL: Final = 0x06
MAY_GOTO: Final = 0xE5
NEG32: Final = 0x84
NEG64: Final = 0x87
TO_LE: Final = 0xD4
TO_BE: Final = 0xDC
BSWAP: Final = 0xD7
MOV64_X: Final = 0xBF
