"""What an object file says, as frozen values: the same on every machine, free of fds and of the kernel.

Rules: code stays `bytes`; relocations stand beside it in a tuple ordered by instruction index; a change is a
new value. Names are the keys: a map, a program, a function and a variable are each referred to by name.
Offsets inside a function's `code` are instruction indices relative to that function.
"""

from __future__ import annotations

from purebpf.enums import IntEnum
from purebpf.frozen import Frozen, field
from purebpf.units import VOID, ByteOrder, HasFd, InsnIndex, TypeId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

    from purebpf.btf import Btf, CoreRelocation
    from purebpf.spec.sections import SectionDefinition
    from purebpf.uapi import AttachType, MapType, ProgramType


class Pinning(IntEnum):
    """LIBBPF_PIN_*: what a map's `pinning` key asks for."""

    NONE = 0
    BY_NAME = 1


class MapOrigin(IntEnum):
    """How the file declared a map."""

    BTF = 0
    LEGACY = 1
    DATA = 2
    KCONFIG = 3
    STRUCT_OPS = 4


class MapSpec(Frozen):
    """One map as declared. `max_entries` is as written: rounding and defaults are the plan's.

    `name` is what programs refer to and what `spec.maps` is keyed by: for a data section its section name
    (".rodata", ".data.cfg"). `contents` is the initial image of a data section or of a struct_ops. `slots` are the
    static `values` of a map of maps or of programs: (index, name of map or program); of a struct_ops they are (index
    of the member, program). A map without `autocreate` is left out of the load.
    """

    name: str
    type: MapType | int
    key_size: int
    value_size: int
    max_entries: int
    flags: int = 0
    numa_node: int | None = None
    map_extra: int = 0
    pinning: Pinning = Pinning.NONE
    key_type: TypeId = VOID
    value_type: TypeId = VOID
    inner: MapSpec | None = None
    slots: tuple[tuple[int, str], ...] = ()
    contents: bytes | None = field(default=None, repr=False)
    frozen: bool = False
    autocreate: bool = True
    origin: MapOrigin = MapOrigin.BTF
    section: str = ".maps"


class MapAddress(Frozen):
    """ldimm64 of a map's fd."""

    insn: InsnIndex
    map: str


class MapValue(Frozen):
    """ldimm64 of an address inside a map's only value (a global variable)."""

    insn: InsnIndex
    map: str
    offset: int
    symbol: str = ""


class JumpTable(Frozen):
    """ldimm64 of an address in a table of instructions, `addend` bytes from its start, for an indirect jump.

    The table stands at `offset` of its section; `targets` are instructions of the function that refers to it.
    """

    insn: InsnIndex
    symbol: str
    offset: int
    addend: int
    targets: tuple[InsnIndex, ...] = field(repr=False)


class SubprogramCall(Frozen):
    """A call of another function of the object."""

    insn: InsnIndex
    function: str


class SubprogramAddress(Frozen):
    """ldimm64 of another function's address (a callback)."""

    insn: InsnIndex
    function: str


class ExternValue(Frozen):
    """ldimm64 of a kconfig value or a kernel symbol's address."""

    insn: InsnIndex
    extern: str


class ExternCall(Frozen):
    """A call of a kernel function (kfunc)."""

    insn: InsnIndex
    extern: str


class CoreAccess(Frozen):
    """An instruction that CO-RE adapts to the target's types; `number` is the record's among those of the file."""

    insn: InsnIndex
    record: CoreRelocation
    number: int = 0


class UnknownReference(Frozen):
    """A relocation against something no loader can place; an error only if the program is loaded."""

    insn: InsnIndex
    symbol: str
    reason: str


Reference = (
    MapAddress
    | MapValue
    | JumpTable
    | SubprogramCall
    | SubprogramAddress
    | ExternValue
    | ExternCall
    | CoreAccess
    | UnknownReference
)


class FunctionSpec(Frozen):
    """One function of the object: an entry program or a subprogram.

    It starts at instruction `section_insn` of its section. `func_info` and `line_info` are its .BTF.ext
    records as they stand in the file: offsets in bytes from the start of the section.
    """

    name: str
    section: str
    section_insn: InsnIndex
    code: bytes = field(repr=False)
    is_global: bool
    references: tuple[Reference, ...] = ()
    func_info: bytes = field(default=b"", repr=False)
    line_info: bytes = field(default=b"", repr=False)
    hidden: bool = False
    weak: bool = False

    @property
    def insn_count(self) -> int:
        """Instruction slots of the function alone, without the subprograms it calls."""
        return len(self.code) // 8


class ProgramSpec(Frozen):
    """An entry point: a function in a section that SEC() named.

    `definition` is None for a section name that no one knows: the object can be looked at, loading that
    program is an error until it is given a type. `attach_to` is what stands behind the prefix
    ("syscalls/sys_enter_write").

    `target_program` is the loaded program whose function `attach_to` names: the one thing of this machine in a
    spec, and only there when a caller put it in. `log_level` is what the verifier is asked to tell of the program
    even if it takes it (0 nothing, 1 the states, 2 every instruction, 4 the statistics; sums). `exception_callbacks`
    are the functions that its tags name as the one to end it when it throws; more than one is refused by the kernel.
    """

    name: str
    section: str
    type: ProgramType
    expected_attach_type: AttachType | None
    attach_to: str
    flags: int = 0
    autoload: bool = True
    definition: SectionDefinition | None = None
    target_program: HasFd | int | None = None
    log_level: int = 0
    exception_callbacks: tuple[str, ...] = ()

    @property
    def goes_to_a_type(self) -> bool:
        """Whether where it goes is a type of somebody's BTF: a function, typedef or hook."""
        return self.target_program is not None or (self.definition is not None and self.definition.btf_target)


class VariableSpec(Frozen):
    """A global variable: `size` bytes at `offset` of data map `map`; `type` is 0 without BTF."""

    name: str
    map: str
    offset: int
    size: int
    type: TypeId = VOID
    is_static: bool = False


CONTEXT_TAG: Final = "arg:ctx"
"""The declaration tag of an argument of a global function that is the program's context."""

EXCEPTION_CALLBACK: Final = "exception_callback:"
"""What a declaration tag of a program begins with that names the function to end it when it throws."""

DUMMY: Final = "dummy_ksym"
"""The name that the parameters of kernel functions are given in the types where the object gives them none."""


class ExternKind(IntEnum):
    """What an undefined symbol asks the kernel for."""

    KCONFIG = 0
    KSYM = 1
    KFUNC = 2


class KconfigForm(IntEnum):
    """What a kconfig value is in C, which decides what the kernel's .config may say of it."""

    BOOL = 0
    TRISTATE = 1
    CHAR = 2
    INT = 3
    TEXT = 4


class ExternSpec(Frozen):
    """An undefined symbol: a kconfig value, a kernel variable, or a kernel function.

    `type` is the variable's for a kconfig value, the function's prototype, or what a kernel variable is (0 for
    `void`: the address is all that is wanted). A kconfig value has `size` bytes at `offset` of the map `.kconfig`.
    `section` is '' if the file does not say of which kind it is.
    """

    name: str
    kind: ExternKind
    type: TypeId
    weak: bool
    size: int = 0
    alignment: int = 1
    offset: int = 0
    section: str = ""
    form: KconfigForm | None = None
    signed: bool = False


class Externs(Frozen):
    """The externs by name, the types made fit for them, and the map and variables of the kconfig values."""

    externs: Mapping[str, ExternSpec]
    btf: Btf | None
    map: MapSpec | None = None
    variables: Mapping[str, VariableSpec] = field(default_factory=dict)


class ObjectSpec(Frozen):
    """A whole object file. `programs` and `maps` stand in the file's order (libbpf's order)."""

    name: str
    file: str
    byteorder: ByteOrder
    license: str
    kernel_version: int
    btf: Btf | None
    programs: Mapping[str, ProgramSpec]
    functions: Mapping[str, FunctionSpec]
    maps: Mapping[str, MapSpec]
    variables: Mapping[str, VariableSpec] = field(default_factory=dict)
    externs: Mapping[str, ExternSpec] = field(default_factory=dict)
    func_info_record_size: int = 8
    line_info_record_size: int = 16

    def with_values(self, **values: Any) -> ObjectSpec:
        """The same object with other initial values of global variables.

        An unknown name is a ValueError, a value that does not fit the variable's type a TypeError or ValueError.
        """
        from purebpf.spec.edit import with_values

        return with_values(self, values)

    def with_map(self, name: str, **properties: Any) -> ObjectSpec:
        """The same object with other properties of map `name`, such as `max_entries=1024`.

        `autocreate=False` leaves the map out of the load: a program that reaches code that uses it is refused.
        """
        from purebpf.spec.edit import with_map

        return with_map(self, name, **properties)

    def with_struct_ops(self, name: str, /, **members: Any) -> ObjectSpec:
        """The same object with other members of struct_ops map `name`.

        A function pointer takes a program's name or None, everything else a value of its type.
        """
        from purebpf.spec.struct_ops import with_struct_ops

        return with_struct_ops(self, name, members)

    def struct_ops(self, name: str) -> dict[str, Any]:
        """What the members of struct_ops map `name` hold: programs by name, None for no program, values."""
        from purebpf.spec.struct_ops import members_of

        return members_of(self, name)

    def with_programs(self, *names: str) -> ObjectSpec:
        """The same object that loads exactly the programs named, whatever their SEC() says."""
        from purebpf.spec.edit import with_programs

        return with_programs(self, names)

    def with_program(self, name: str, **properties: Any) -> ObjectSpec:
        """The same object with other properties of one program, such as `section="xdp"` or `autoload=False`.

        `attach_to` names the function, hook or tracepoint that it goes to, `target_program` the loaded program that
        has the function: what freplace always needs, and fentry of a program.
        """
        from purebpf.spec.edit import with_program

        return with_program(self, name, **properties)

    def value(self, name: str) -> Any:
        """The initial value of global variable `name`."""
        from purebpf.spec.edit import value_of

        return value_of(self, name)
