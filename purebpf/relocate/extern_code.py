"""What was found for a program's externs, put into its code.

- A kconfig value is an address in the map `.kconfig`.
- A kernel symbol is its address, a number in the code.
- A kernel variable with a type, and a kernel function, is its type id, with the fd of its module's types, which the
  load fills in.

Rules: a weak extern that is not there is 0, and a call of it is poisoned, so that the verifier refuses it where it
can be reached and nowhere else.
"""

from __future__ import annotations

from purebpf.errors import UnresolvedExtern
from purebpf.frozen import replace
from purebpf.insn.patch import patch_imm, patch_ldimm64, patch_offset, patch_source
from purebpf.insn.words import BPF_PSEUDO_BTF_ID, BPF_PSEUDO_KFUNC_CALL, BPF_PSEUDO_MAP_VALUE, CALL, SLOT
from purebpf.relocate.model import (
    KCONFIG_MAP,
    BtfSlot,
    Failure,
    Found,
    KernelType,
    LinkedProgram,
    MapSlot,
    PoisonedCall,
)
from purebpf.spec.model import ExternCall, ExternKind, ExternSpec, ObjectSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Final


KFUNC_POISON: Final = 2002000000
"""What a call of an absent weak kfunc calls: this plus the extern's number, libbpf's so that logs read the same."""

_WORDS: Final = {
    ExternKind.KCONFIG: "kernel configuration value",
    ExternKind.KSYM: "kernel symbol",
    ExternKind.KFUNC: "kernel function",
}


def word_for(extern: ExternSpec) -> str:
    """What the extern is called in messages."""
    return _WORDS[extern.kind] if extern.section else "symbol"


def fill(
    spec: ObjectSpec,
    program: LinkedProgram,
    externs: Mapping[str, Found],
    fd_array: Sequence[str],
    why_absent: Callable[[ExternSpec], Failure],
) -> LinkedProgram:
    """The program with its externs' values in place.

    `fd_array` are the modules of whose functions the object calls any, after a first that is none; `why_absent` is
    asked if the verifier reaches the call of a function that is not there.
    """
    code = bytearray(program.code)
    slots = list(program.slots)
    btf_slots: list[BtfSlot] = []
    calls_modules = False
    poisoned: list[PoisonedCall] = []
    for reference in program.externs:
        extern = spec.externs[reference.extern]
        found = externs.get(extern.name)
        if isinstance(reference, ExternCall):
            if extern.kind is not ExternKind.KFUNC:
                raise _not_a_function(extern, reference, program)
            _fill_call(spec, code, reference, found, fd_array)
            if isinstance(found, KernelType):
                calls_modules |= bool(found.module)
            else:
                poisoned.append(PoisonedCall(reference.insn, extern.name, _later(why_absent, extern)))
        elif extern.kind is ExternKind.KCONFIG:
            patch_ldimm64(code, reference.insn, BPF_PSEUDO_MAP_VALUE, 0, extern.offset, spec.byteorder)
            slots.append(MapSlot(reference.insn, KCONFIG_MAP, extern.offset))
        elif isinstance(found, KernelType):
            patch_ldimm64(code, reference.insn, BPF_PSEUDO_BTF_ID, found.id, 0, spec.byteorder)
            if found.module:
                btf_slots.append(BtfSlot(reference.insn, found.module))
        else:
            address = found.address if found is not None else 0
            patch_imm(code, reference.insn, address, spec.byteorder)
            patch_imm(code, reference.insn + 1, address >> 32, spec.byteorder)
    if len(slots) > len(program.slots):
        slots.sort(key=lambda slot: slot.insn)
    return replace(
        program,
        code=bytes(code),
        slots=tuple(slots),
        poisoned=(*program.poisoned, *poisoned),
        btf_slots=tuple(btf_slots),
        fd_array=tuple(fd_array) if calls_modules else (),
    )


def _later(why_absent: Callable[[ExternSpec], Failure], extern: ExternSpec) -> Callable[[], Failure]:
    return lambda: why_absent(extern)


def _fill_call(spec: ObjectSpec, code: bytearray, reference: ExternCall, found: Found, fd_array: Sequence[str]) -> None:
    insn = reference.insn
    if isinstance(found, KernelType):
        patch_source(code, insn, BPF_PSEUDO_KFUNC_CALL, spec.byteorder)
        patch_imm(code, insn, found.id, spec.byteorder)
        patch_offset(code, insn, fd_array.index(found.module), spec.byteorder)
        return
    number = list(spec.externs).index(reference.extern)
    code[insn * SLOT : (insn + 1) * SLOT] = bytes([CALL]) + bytes(SLOT - 1)
    patch_imm(code, insn, KFUNC_POISON + number, spec.byteorder)


def _not_a_function(extern: ExternSpec, reference: ExternCall, program: LinkedProgram) -> UnresolvedExtern:
    return UnresolvedExtern(
        f"{word_for(extern)} '{extern.name}' is called, but is no function",
        program=program.name,
        insn=reference.insn,
        remedy="declare it in the file as the function it is",
    )
