"""A decided CO-RE record is written into its instruction.

    dst = imm, dst += imm, ...             the immediate is the value
    dst = imm ll                           both immediates are
    load, store                            the offset is the value; the size may change with the field's

Rules: the instruction must hold what the compiler is known to have put there, else record and code do not belong
together and nothing is changed. An access that cannot be right on the target becomes a call of a helper that no
kernel has, in both halves of an ldimm64: code that is never reached is none of the verifier's business, so the
program loads if it asked before whether the field exists.
"""

from __future__ import annotations

from struct import Struct

from purebpf.errors import RelocationError
from purebpf.frozen import Frozen
from purebpf.insn.words import LDIMM64, SLOT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from purebpf.units import ByteOrder

POISON: Final = 195896080
"""The helper's number, 0xbad2310: libbpf's, so that the verifier's log reads the same whoever loaded the object."""

_CALL: Final = 0x85
_CLASS: Final = 0x07
_LD: Final = 0
_LOADS_AND_STORES: Final = (1, 2, 3)
_ARITHMETIC: Final = (4, 7)
_SOURCE_IS_REGISTER: Final = 0x08
_SIZE: Final = 0x18
_BYTES_OF_SIZE: Final = {0x00: 4, 0x08: 2, 0x10: 1, 0x18: 8}
_SIZE_OF_BYTES: Final = {count: size for size, count in _BYTES_OF_SIZE.items()}
_LARGEST_OFFSET: Final = 0x7FFF
_U32: Final = 0xFFFFFFFF
_U64: Final = 0xFFFFFFFF_FFFFFFFF

_INSN: Final[dict[ByteOrder, Struct]] = {"little": Struct("<BBhi"), "big": Struct(">BBhi")}


class Change(Frozen):
    """What an instruction must hold (`old`, unless None) and will hold (`new`, unsigned 64 bits).

    A load or store of `old_size` bytes moves `new_size` on the target; `resizable` says whether that can come out
    right.
    """

    old: int | None
    new: int
    old_size: int = 0
    new_size: int = 0
    resizable: bool = True


def poison(code: bytearray, insn: int, byteorder: ByteOrder) -> None:
    """Make the instruction one that the verifier refuses to go through."""
    at = insn * SLOT
    halves = 2 if code[at] == LDIMM64 else 1
    for half in range(at, min(at + halves * SLOT, len(code)), SLOT):
        _INSN[byteorder].pack_into(code, half, _CALL, 0, 0, POISON)


def is_poisoned(code: bytes | bytearray, insn: int, byteorder: ByteOrder) -> bool:
    """Whether that instruction was poisoned."""
    at = insn * SLOT
    return bytes(code[at : at + SLOT]) == _INSN[byteorder].pack(_CALL, 0, 0, POISON)


def apply(code: bytearray, insn: int, change: Change, byteorder: ByteOrder) -> bool:
    """Write the change; False where the instruction would move the wrong number of bytes and nothing was done.

    RelocationError for an instruction of another form or with another value than the record says.
    """
    instruction_class = code[insn * SLOT] & _CLASS
    if instruction_class in _LOADS_AND_STORES:
        return _set_offset(code, insn, change, byteorder)
    if instruction_class in _ARITHMETIC:
        _set_immediate(code, insn, change, byteorder)
    elif instruction_class == _LD:
        _set_wide_immediate(code, insn, change, byteorder)
    else:
        raise _unfit(code, insn)
    return True


def immediate(code: bytearray, insn: int, byteorder: ByteOrder) -> int:
    """What the instruction holds, as 64 bits; 0 for a form that holds no immediate."""
    opcode, _registers, _offset, low = _INSN[byteorder].unpack_from(code, insn * SLOT)
    if opcode == LDIMM64 and (insn + 2) * SLOT <= len(code):
        high = _INSN[byteorder].unpack_from(code, (insn + 1) * SLOT)[3]
        both: int = (low & _U32) | (high & _U32) << 32
        return both
    sign_extended: int = low & _U64
    return sign_extended


def _set_immediate(code: bytearray, insn: int, change: Change, byteorder: ByteOrder) -> None:
    opcode, registers, offset, held = _INSN[byteorder].unpack_from(code, insn * SLOT)
    if opcode & _SOURCE_IS_REGISTER:
        raise _unfit(code, insn)
    _check(change, held & _U64)
    _INSN[byteorder].pack_into(code, insn * SLOT, opcode, registers, offset, _signed(change.new))


def _set_offset(code: bytearray, insn: int, change: Change, byteorder: ByteOrder) -> bool:
    opcode, registers, held, value = _INSN[byteorder].unpack_from(code, insn * SLOT)
    _check(change, held & _U64)
    if change.new > _LARGEST_OFFSET:
        raise RelocationError(
            f"the offset {change.new} is too large for a load or store ({_LARGEST_OFFSET} at most)",
            remedy="the field lies that far in the kernel's type: read it with bpf_core_read(), which adds the offset "
            "to the pointer",
        )
    if not change.resizable:
        return False
    if change.old_size != change.new_size:
        moved = _BYTES_OF_SIZE[opcode & _SIZE]
        if moved != change.old_size:
            reason = f"the instruction moves {moved} bytes of a field of {change.old_size}, which has {change.new_size}"
            raise RelocationError(f"{reason} in the target: it cannot be adjusted")
        if change.new_size not in _SIZE_OF_BYTES:
            raise RelocationError(
                f"no load or store moves the {change.new_size} bytes that the field has in the target",
                remedy="read it with bpf_core_read(), which copies any number of bytes",
            )
        opcode = opcode & ~_SIZE | _SIZE_OF_BYTES[change.new_size]
    _INSN[byteorder].pack_into(code, insn * SLOT, opcode, registers, change.new, value)
    return True


def _set_wide_immediate(code: bytearray, insn: int, change: Change, byteorder: ByteOrder) -> None:
    at = insn * SLOT
    if code[at] != LDIMM64 or at + 2 * SLOT > len(code):
        raise _unfit(code, insn)
    opcode, registers, offset, _low = _INSN[byteorder].unpack_from(code, at)
    source = registers >> 4 if byteorder == "little" else registers & 0xF
    if source or offset or any(code[at + SLOT : at + SLOT + 4]):
        raise _unfit(code, insn)
    _check(change, immediate(code, insn, byteorder))
    _INSN[byteorder].pack_into(code, at, opcode, registers, 0, _signed(change.new))
    _INSN[byteorder].pack_into(code, at + SLOT, 0, 0, 0, _signed(change.new >> 32))


def _signed(value: int) -> int:
    """The low 32 bits as the signed number that an instruction has."""
    return ((value & _U32) ^ 0x80000000) - 0x80000000


def _check(change: Change, held: int) -> None:
    if change.old is not None and held != change.old:
        raise RelocationError(
            f"the instruction holds {held}, the object's own types say {change.old}: "
            "code and types do not belong together",
            evidence=("the file may have been changed after it was compiled, or two were joined wrongly",),
            remedy="compile it anew",
        )


def _unfit(code: bytearray, insn: int) -> RelocationError:
    at = insn * SLOT
    return RelocationError(f"no instruction that CO-RE could adapt: {code[at : at + SLOT].hex()}")
