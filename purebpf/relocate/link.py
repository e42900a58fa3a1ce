"""The stage `link`: each program becomes one piece of code with the subprograms it reaches.

The order is libbpf's, so that the instructions are the same: the code is walked from its start, a subprogram is
appended where it is first met (called, or its address taken) and walked at once, before the walk goes on; a
program's exception callback, which its code does not name, comes last. A
subprogram that two programs reach is appended to both; one that a program reaches twice stands in it once.

A call counts from the instruction behind it: `imm = start of the callee - position of the call - 1`. The same
formula fills in an ldimm64 of a function's address, for which the kernel wants the same distance.

Func and line records move along with their function: their offsets, bytes from the start of an ELF section in
the file, become instruction indices of the program. Either all functions of a program have func records or none
is handed on: the kernel refuses a list with gaps.
"""

from __future__ import annotations

from struct import Struct

from purebpf.errors import RelocationError
from purebpf.frozen import Mutable, field
from purebpf.relocate.model import Fixup, LinkedProgram, MapSlot, PlacedFunction, PlacedTable, PoisonedAccess
from purebpf.spec.model import (
    ExternCall,
    ExternValue,
    FunctionSpec,
    JumpTable,
    MapAddress,
    MapValue,
    ObjectSpec,
    Reference,
    SubprogramAddress,
    SubprogramCall,
    UnknownReference,
)
from purebpf.standard import MappingProxyType
from purebpf.units import InsnIndex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Final

_INSN_SIZE: Final = 8
_PSEUDO_MAP_FD: Final = 1
_PSEUDO_MAP_VALUE: Final = 2
_PSEUDO_FUNC: Final = 4
# What the kernel's verifier takes at the most (BPF_COMPLEXITY_LIMIT_INSNS); also the bound of this stage.
_INSN_LIMIT: Final = 1_000_000


def link(
    spec: ObjectSpec,
    functions: Mapping[str, FunctionSpec],
    program: str,
    fixups: Mapping[str, tuple[Fixup, ...]] = MappingProxyType({}),
) -> LinkedProgram:
    """Put `program` and all it reaches into one piece of code; the fds of maps stay open.

    `fixups` are what the stage `core` did to each function: where it poisoned an instruction, the program knows.
    """
    linker = _Linker(program, spec, functions, fixups)
    linker.append(functions[program])
    callback = _exception_callback(spec, program)
    # One that is called as well stands there already; that it may not be called, the verifier says.
    if callback is not None and callback not in linker.starts:
        linker.append(functions[callback])
    return linker.finish()


def _exception_callback(spec: ObjectSpec, program: str) -> str | None:
    """The function that is to end `program` when it throws, which nothing in its code refers to."""
    entry = spec.programs.get(program)
    names = entry.exception_callbacks if entry is not None else ()
    # That there may be one only, the verifier says.
    if len(names) != 1:
        return None
    name = names[0]
    function = spec.functions.get(name)
    reason = ""
    if function is None or name in spec.programs:
        reason = f"its exception callback '{name}' is no function of .text in this object"
    elif not function.is_global or function.hidden:
        reason = f"its exception callback '{name}' is {'hidden' if function.hidden else 'static'}: make it global"
    if reason:
        raise RelocationError(reason, program=program)
    return name


class _Linker(Mutable):
    """Lays out one program and its subprograms."""

    program: str
    spec: ObjectSpec
    available: Mapping[str, FunctionSpec]
    fixups: Mapping[str, tuple[Fixup, ...]]
    code: bytearray = field(default_factory=bytearray)
    starts: dict[str, int] = field(default_factory=dict)
    slots: list[MapSlot] = field(default_factory=list)
    externs: list[ExternValue | ExternCall] = field(default_factory=list)
    tables: dict[str, PlacedTable] = field(default_factory=dict)

    def append(self, entry: FunctionSpec) -> None:
        """Append `entry` and, depth first in the order of the code, every function it reaches.

        A function that waits for a callee stands on the stack with the reference that it resumes at, so the
        depth of calls costs no recursion.
        """
        waiting = [(self._place(entry), 0)]
        while waiting:
            function, position = waiting.pop()
            references = function.references
            while position < len(references):
                reference = references[position]
                if isinstance(reference, SubprogramCall | SubprogramAddress) and reference.function not in self.starts:
                    waiting.append((function, position))
                    waiting.append((self._place(self.available[reference.function]), 0))
                    break
                self._resolve(self.starts[function.name], reference)
                position += 1

    def _place(self, function: FunctionSpec) -> FunctionSpec:
        start = len(self.code) // _INSN_SIZE
        if start + function.insn_count > _INSN_LIMIT:
            raise RelocationError(f"with its subprograms it exceeds {_INSN_LIMIT} instructions", program=self.program)
        self.starts[function.name] = start
        self.code += function.code
        return function

    def _resolve(self, start: int, reference: Reference) -> None:
        insn = start + reference.insn
        match reference:
            case MapAddress(map=name):
                self._set_source(insn, _PSEUDO_MAP_FD)
                self._set_immediate(insn, 0)
                self.slots.append(MapSlot(InsnIndex(insn), name))
            case MapValue(map=name, offset=offset):
                self._set_source(insn, _PSEUDO_MAP_VALUE)
                self._set_immediate(insn, 0)
                self._set_immediate(insn + 1, offset)
                self.slots.append(MapSlot(InsnIndex(insn), name, offset))
            case JumpTable():
                self._set_source(insn, _PSEUDO_MAP_VALUE)
                self._set_immediate(insn, 0)
                self._set_immediate(insn + 1, reference.addend)
                self.slots.append(MapSlot(InsnIndex(insn), self._table(start, reference), reference.addend))
            case SubprogramCall(function=name):
                self._set_immediate(insn, self.starts[name] - insn - 1)
            case SubprogramAddress(function=name):
                self._set_source(insn, _PSEUDO_FUNC)
                self._set_immediate(insn, self.starts[name] - insn - 1)
            case ExternValue(extern=name):
                self.externs.append(ExternValue(InsnIndex(insn), name))
            case ExternCall(extern=name):
                self.externs.append(ExternCall(InsnIndex(insn), name))
            case UnknownReference(symbol=symbol, reason=reason):
                named = f"relocation against '{symbol}'" if symbol else "reference"
                raise RelocationError(f"{named} cannot be resolved: {reason}", program=self.program, insn=insn)

    def _table(self, start: int, reference: JumpTable) -> str:
        """The map of a jump table, which is this program's alone: programs place their functions differently."""
        name = f"{self.program}.jumptables+{reference.offset:#x}"
        if name not in self.tables:
            targets = tuple([InsnIndex(start + target) for target in reference.targets])
            self.tables[name] = PlacedTable(name, targets)
        return name

    def _set_source(self, insn: int, source: int) -> None:
        at = insn * _INSN_SIZE + 1
        registers = self.code[at]
        little = self.spec.byteorder == "little"
        self.code[at] = registers & 0x0F | source << 4 if little else registers & 0xF0 | source

    def _set_immediate(self, insn: int, value: int) -> None:
        at = insn * _INSN_SIZE + 4
        self.code[at : at + 4] = (value & 0xFFFF_FFFF).to_bytes(4, self.spec.byteorder)

    def finish(self) -> LinkedProgram:
        functions = tuple(
            PlacedFunction(name, InsnIndex(start), self.available[name].insn_count)
            for name, start in self.starts.items()
        )
        return LinkedProgram(
            name=self.program,
            code=bytes(self.code),
            functions=functions,
            slots=tuple(self.slots),
            externs=tuple(self.externs),
            tables=tuple(self.tables.values()),
            poisoned=tuple(self._poisoned()),
            func_info=self._moved("func_info", self.spec.func_info_record_size),
            line_info=self._moved("line_info", self.spec.line_info_record_size),
        )

    def _poisoned(self) -> Iterator[PoisonedAccess]:
        for name, start in self.starts.items():
            for fixup in self.fixups.get(name, ()):
                if fixup.poisoned:
                    yield PoisonedAccess(InsnIndex(start + fixup.insn), fixup.decision.question, fixup)

    def _moved(self, part: str, record_size: int) -> bytes:
        """The records of one kind of all functions, in the order of the program's code."""
        moved = bytearray()
        offset_field = Struct("<I" if self.spec.byteorder == "little" else ">I")
        for name, start in self.starts.items():
            function = self.available[name]
            records: bytes = getattr(function, part)
            if not records:
                if not moved:
                    return b""
                raise RelocationError(
                    f"subprogram '{name}' has no {part} in .BTF.ext although others have: compile all with -g",
                    program=self.program,
                )
            shift = start - function.section_insn
            begin = len(moved)
            moved += records
            for at in range(begin, len(moved), record_size):
                (offset,) = offset_field.unpack_from(moved, at)
                offset_field.pack_into(moved, at, offset // _INSN_SIZE + shift)
        return bytes(moved)
