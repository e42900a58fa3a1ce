"""What the relocation stages hand on, as frozen values.

Rules: code that names a map has the pseudo source register and the offset in place and 0 where the map's fd
will stand; the `MapSlot`s beside it say which map belongs where. So a program's code is final but for its fds,
and two plans for the same target are equal byte for byte.
"""

from __future__ import annotations

from purebpf.frozen import Frozen, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Final

    from purebpf.relocate.resolve import Decision
    from purebpf.spec.model import ExternCall, ExternValue, FunctionSpec
    from purebpf.units import InsnIndex, TypeId

KCONFIG_MAP: Final = ".kconfig"


class MapSlot(Frozen):
    """An ldimm64 that takes the fd of `map`; `offset` is None for the map itself, else into its value."""

    insn: InsnIndex
    map: str
    offset: int | None = None


class BtfSlot(Frozen):
    """An ldimm64 of a kernel variable's or function's address that takes, in its second half, a module's BTF fd.

    What lies in the kernel itself needs no fd, and so no slot.
    """

    insn: InsnIndex
    module: str


class PlacedTable(Frozen):
    """A jump table of a program: the map that it becomes, and the instructions of the program it leads to."""

    map: str
    targets: tuple[InsnIndex, ...] = field(repr=False)


class PlacedFunction(Frozen):
    """A function and where it begins in its program's code."""

    name: str
    start: InsnIndex
    insn_count: int


class Failure(Frozen):
    """Why something cannot be: `reason` in one line, what was looked at, and what to do."""

    reason: str
    evidence: tuple[str, ...]
    remedy: str


class Fixup(Frozen):
    """A CO-RE record carried out on instruction `insn` of its function, or the instruction poisoned."""

    insn: InsnIndex
    decision: Decision
    poisoned: bool = False


class PoisonedAccess(Frozen):
    """Instruction `insn` of a program that CO-RE made invalid, and what it asked for in words.

    `fixup` says why; it refers to the target's types, and so is no part of what a plan is compared by.
    """

    insn: InsnIndex
    question: str
    fixup: Fixup = field(repr=False, compare=False)

    def failure(self) -> Failure:
        """The reason, worked out when somebody asks: with the names that are near."""
        from purebpf.relocate.failure import explain_poison

        return explain_poison(self.fixup)


class PoisonedCall(Frozen):
    """A call of a weak kernel function that is not there, at instruction `insn` of a program; `why` explains it."""

    insn: InsnIndex
    function: str
    why: Callable[[], Failure] = field(repr=False, compare=False)

    def failure(self) -> Failure:
        """The reason, worked out when somebody asks: with the names that are near."""
        return self.why()


class AdaptedCode(Frozen):
    """Result of the stage `core`: the functions whose accesses fit the target.

    `fixups` are what was decided for each, by function, in the order of the code.
    """

    functions: Mapping[str, FunctionSpec]
    fixups: Mapping[str, tuple[Fixup, ...]] = field(default_factory=dict)


class LinkedProgram(Frozen):
    """A program with its subprograms behind it and its calls resolved (stage `link`).

    `fd_array` names the modules whose functions it calls: a call's `off` is an index into it. Index 0 is not used
    and is ''.

    `left_out` are the maps (number, name) that it refers to and the load does not make.
    """

    name: str
    code: bytes = field(repr=False)
    functions: tuple[PlacedFunction, ...]
    slots: tuple[MapSlot, ...]
    externs: tuple[ExternValue | ExternCall, ...] = ()
    poisoned: tuple[PoisonedAccess | PoisonedCall, ...] = ()
    btf_slots: tuple[BtfSlot, ...] = ()
    fd_array: tuple[str, ...] = ()
    tables: tuple[PlacedTable, ...] = ()
    left_out: tuple[tuple[int, str], ...] = ()
    func_info: bytes = field(default=b"", repr=False)
    line_info: bytes = field(default=b"", repr=False)


class KernelType(Frozen):
    """A variable or function of the kernel (`module` is '') or of a module, by the id of its VAR or FUNC."""

    id: TypeId
    module: str = ""


class Address(Frozen):
    """A kernel symbol by its address; 0 for one that is not there."""

    address: int


Found = KernelType | Address | None
"""None is a weak kernel function or typed variable that is not there."""


class ResolvedExterns(Frozen):
    """Result of the stage `externs`; `kconfig` are the contents of the map `.kconfig`, None where there is none."""

    programs: tuple[LinkedProgram, ...]
    kconfig: bytes | None = field(default=None, repr=False)
    found: Mapping[str, Found] = field(default_factory=dict)
