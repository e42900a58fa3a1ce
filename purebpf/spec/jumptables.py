"""Jump tables: where an indirect jump (`gotox`, of clang 22 and newer with -mcpu=v4) may go.

Rules, as libbpf 1.7 has them: section `.jumptables` holds them, one a symbol, as 64-bit numbers; each is the offset in
bytes of an instruction in the code section of the function that loads the table's address. A table belongs to its
function: its targets are told as instructions of that function, and one that lies outside is an error as soon as a
program with that function is loaded.
"""

from __future__ import annotations

from purebpf.errors import SpecError
from purebpf.spec.model import JumpTable, Reference, UnknownReference
from purebpf.spec.sections import JUMP_TABLES
from purebpf.units import InsnIndex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from purebpf.elf import ElfFile, Section, Symbol

_ENTRY_SIZE: Final = 8
_INSN_SIZE: Final = 8


class JumpTables:
    """The tables of a file; each is decoded once, however many instructions refer to it."""

    def __init__(self, elf: ElfFile) -> None:
        self._elf = elf
        self._section: Section | None = elf.section(JUMP_TABLES)
        self._tables: dict[tuple[int, int], tuple[int, ...]] = {}
        self._places: dict[tuple[int, int, int], tuple[InsnIndex, ...] | str] = {}
        self._decoded = 0

    @property
    def section(self) -> int:
        """The index of their section, -1 without one."""
        return self._section.index if self._section is not None else -1

    def reference(self, insn: InsnIndex, symbol: Symbol, addend: int, start: int, count: int) -> Reference:
        """What an ldimm64 of `symbol` means in the function of `count` instructions from `start` of its section."""
        key = symbol.value, symbol.size, start
        found = self._places.get(key)
        if found is None:
            found = self._places[key] = self._placed(symbol, start, count)
        if isinstance(found, str):
            return UnknownReference(insn, symbol.name, found)
        return JumpTable(insn, symbol.name, symbol.value, addend, found)

    def _placed(self, symbol: Symbol, start: int, count: int) -> tuple[InsnIndex, ...] | str:
        if not symbol.size or symbol.size % _ENTRY_SIZE or symbol.value % _ENTRY_SIZE:
            return f"a jump table of {symbol.size} bytes at offset {symbol.value:#x} is not made of 64-bit numbers"
        targets = self._table(symbol)
        outside = next((t for t in targets if t % _INSN_SIZE or not start <= t // _INSN_SIZE < start + count), None)
        if outside is not None:
            return f"its jump table leads to offset {outside:#x} of the section, which is outside the function"
        return tuple([InsnIndex(target // _INSN_SIZE - start) for target in targets])

    def _table(self, symbol: Symbol) -> tuple[int, ...]:
        known = self._tables.get((symbol.value, symbol.size))
        if known is not None:
            return known
        assert self._section is not None
        raw = self._section.data[symbol.value : symbol.value + symbol.size]
        self._decoded += symbol.size
        if len(raw) != symbol.size or self._decoded > len(self._section.data):
            # Tables are one behind the other: only a damaged file has more of them than bytes.
            how = "reaches outside the section" if len(raw) != symbol.size else "lies over another one"
            reason = f"jump table '{symbol.name}' {how}"
            raise SpecError(reason, file=self._elf.name, section=JUMP_TABLES, offset=symbol.value)
        order = self._elf.byteorder
        numbers = [int.from_bytes(raw[at : at + _ENTRY_SIZE], order) for at in range(0, len(raw), _ENTRY_SIZE)]
        return self._tables.setdefault((symbol.value, symbol.size), tuple(numbers))
