"""The steps of a load, as frozen values.

Rules: a step names what it makes and refers to what earlier steps made by name, never by fd; it holds
everything else it needs, so that a plan can be compared, printed, written as JSON and carried out without the
object file. The order of the steps is the order of the calls. Every map of a plan is created before any
program is loaded.
"""

from __future__ import annotations

from purebpf.frozen import Frozen, field
from purebpf.uapi import AttachType, MapType, ProgramType
from purebpf.units import VOID, HasFd, TypeId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Final

    from purebpf.relocate.model import BtfSlot, MapSlot, PlacedFunction, PoisonedAccess, PoisonedCall
    from purebpf.spec.model import ObjectSpec


class LoadBtf(Frozen):
    """Hand the object's types to the kernel; the object works without them, so a refusal is no failure."""

    data: bytes = field(repr=False)

    def __str__(self) -> str:
        return f"load BTF of {len(self.data)} bytes"


class CreateMap(Frozen):
    """Create a map; `kernel_name` is what the kernel, and so bpftool, calls it.

    `pin_path` is where a map that is pinned by name lives: one that is there already is used instead, if it is
    like this one. `kernel_value_type` is the kernel's type of a struct_ops' value, or that of `module`.
    """

    name: str
    kernel_name: str
    type: MapType | int
    key_size: int
    value_size: int
    max_entries: int
    flags: int = 0
    numa_node: int = 0
    map_extra: int = 0
    key_type: TypeId = VOID
    value_type: TypeId = VOID
    inner: CreateMap | None = None
    pin_path: str | None = None
    kernel_value_type: TypeId = VOID
    module: str | None = None

    def __str__(self) -> str:
        kind = str(self.type) if isinstance(self.type, MapType) else f"type {self.type}"
        parts = [f"key {self.key_size}", f"value {self.value_size}", f"max_entries {self.max_entries}"]
        if self.flags:
            parts.append(f"flags {self.flags:#x}")
        if self.map_extra:
            parts.append(f"map_extra {self.map_extra:#x}")
        if self.inner is not None:
            parts.append(f"inner ({self.inner})")
        if self.kernel_value_type:
            whose = f"module '{self.module}'" if self.module is not None else "the kernel"
            parts.append(f"value of type {self.kernel_value_type} of {whose}")
        if self.pin_path is not None:
            parts.append(f"pinned at {self.pin_path}")
        return f"create map '{self.name}' as '{self.kernel_name}': {kind}, {', '.join(parts)}"


class SetValue(Frozen):
    """Write an element before any program runs (the image of a data section); `all_cpus` is for a per-CPU map, of which
    each CPU is given the same.
    """

    map: str
    key: bytes
    value: bytes = field(repr=False)
    all_cpus: bool = False

    def __str__(self) -> str:
        whose = " on all CPUs" if self.all_cpus else ""
        return f"set value of map '{self.map}', key {self.key.hex()}: {len(self.value)} bytes{whose}"


class SetInnerMap(Frozen):
    """Put a map into a slot of a map of maps; the key is `index` in `key_size` bytes. A pinned map that was there
    before keeps its slots.
    """

    map: str
    index: int
    inner: str
    key_size: int = 4

    def __str__(self) -> str:
        return f"put map '{self.inner}' into slot {self.index} of map '{self.map}'"


class MapMemory(Frozen):
    """Map all `size` bytes of an arena into this process, at `address` if that is not 0, and put `contents` (the
    initial values of its variables) at `offset`. A pinned arena that was there before keeps its contents.
    """

    map: str
    size: int
    address: int = 0
    offset: int = 0
    contents: bytes = field(default=b"", repr=False)

    def __str__(self) -> str:
        where = f" at {self.address:#x}" if self.address else ""
        image = f", {len(self.contents)} bytes set at {self.offset:#x}" if self.contents else ""
        return f"map {self.size} bytes of arena '{self.map}' into the process{where}{image}"


class FreezeMap(Frozen):
    """Make a map read-only for user space, for good."""

    map: str

    def __str__(self) -> str:
        return f"freeze map '{self.map}'"


class TargetProgram(Frozen):
    """A loaded program as the target of another: its fd is asked of `program` when the plan is carried out."""

    name: str
    id: int
    program: HasFd | int

    @property
    def fd(self) -> int:
        """Its file descriptor."""
        return self.program if isinstance(self.program, int) else self.program.fileno()


class AttachPoint(Frozen):
    """A type id, and whose: the kernel's, a module's, or a program's."""

    btf_id: TypeId = VOID
    module: str | None = None
    program: TargetProgram | None = None

    def __str__(self) -> str:
        if self.program is not None:
            return f"type {self.btf_id} of program '{self.program.name}' (id {self.program.id})"
        whose = f"module '{self.module}'" if self.module is not None else "the kernel"
        return f"type {self.btf_id} of {whose}"


NOWHERE: Final = AttachPoint()


class LoadProgram(Frozen):
    """Load a program. Its code is final but for the fds of the maps in `slots` and of the modules in `btf_slots`.

    `fd_array` names the modules whose BTF fds stand in the array of that name; index 0 is '' and 0. `attach` is the
    function, hook or typedef that it goes to, where that is told when it is loaded; of a struct_ops program it is the
    struct, and `expected_attach_type` the number of the member. `log_level` asks the verifier for
    a log even if it takes the program. `poisoned` are the instructions that it must not reach, `left_out`
    the maps (number, name) that it refers to and the load does not make.
    """

    name: str
    kernel_name: str
    section: str
    type: ProgramType
    expected_attach_type: AttachType | int | None
    flags: int
    code: bytes = field(repr=False)
    slots: tuple[MapSlot, ...]
    functions: tuple[PlacedFunction, ...]
    license: str
    kernel_version: int
    func_info: bytes = field(default=b"", repr=False)
    func_info_record_size: int = 8
    line_info: bytes = field(default=b"", repr=False)
    line_info_record_size: int = 16
    btf_slots: tuple[BtfSlot, ...] = ()
    fd_array: tuple[str, ...] = ()
    attach: AttachPoint = NOWHERE
    log_level: int = 0
    poisoned: tuple[PoisonedAccess | PoisonedCall, ...] = ()
    left_out: tuple[tuple[int, str], ...] = ()

    def __str__(self) -> str:
        parts = [str(self.type)]
        if self.expected_attach_type is not None:
            what = "attach type" if isinstance(self.expected_attach_type, AttachType) else "member"
            parts.append(f"{what} {self.expected_attach_type}")
        parts.append(f"{len(self.code) // 8} instructions")
        if len(self.functions) > 1:
            parts.append(f"{len(self.functions) - 1} subprograms")
        maps = dict.fromkeys(slot.map for slot in self.slots)
        if maps:
            parts.append(f"maps {', '.join(maps)}")
        if self.attach is not NOWHERE:
            parts.append(f"target {self.attach}")
        modules = dict.fromkeys((*self.fd_array[1:], *(slot.module for slot in self.btf_slots)))
        if modules:
            parts.append(f"kernel modules {', '.join(modules)}")
        return f"load program '{self.name}': {', '.join(parts)}"


class BindMap(Frozen):
    """Keep a map alive as long as a program that may not refer to it in its code."""

    program: str
    map: str

    def __str__(self) -> str:
        return f"bind map '{self.map}' to program '{self.program}'"


class SetProgram(Frozen):
    """Put a program into a slot of a prog_array."""

    map: str
    index: int
    program: str

    def __str__(self) -> str:
        return f"put program '{self.program}' into slot {self.index} of map '{self.map}'"


class FillStructOps(Frozen):
    """Put the fds of programs into the value of a struct_ops map, at `programs`' (offset, name).

    Nothing is asked of the kernel: it registers what it is given, so the value is kept until the map is attached.
    """

    map: str
    image: bytes = field(repr=False)
    programs: tuple[tuple[int, str], ...]

    def __str__(self) -> str:
        placed = ", ".join(f"program '{name}' at {offset}" for offset, name in self.programs)
        return f"fill in the value of struct_ops map '{self.map}', {len(self.image)} bytes: {placed or 'no programs'}"


Step = (
    LoadBtf
    | CreateMap
    | SetValue
    | MapMemory
    | SetInnerMap
    | FreezeMap
    | LoadProgram
    | BindMap
    | SetProgram
    | FillStructOps
)


class LoadPlan(Frozen):
    """Everything that will be asked of the kernel, in order; `spec` is what it was made from."""

    target: str
    steps: tuple[Step, ...]
    spec: ObjectSpec = field(repr=False, compare=False)

    def __str__(self) -> str:
        head = f"plan for '{self.spec.name}' on {self.target}: {len(self.steps)} steps"
        return "\n".join([head, *(f"  {number:3} {step}" for number, step in enumerate(self.steps, 1))])

    def programs(self) -> Iterator[LoadProgram]:
        """The steps that load a program."""
        return (step for step in self.steps if isinstance(step, LoadProgram))

    def maps(self) -> Iterator[CreateMap]:
        """The steps that create a map."""
        return (step for step in self.steps if isinstance(step, CreateMap))

    def to_json(self) -> dict[str, Any]:
        """The plan as plain data for `json.dumps`; bytes become hex strings, enums their kernel names."""
        return {
            "object": self.spec.name,
            "target": self.target,
            "steps": [{"step": _STEP_NAMES[type(step)], **_plain(step)} for step in self.steps],
        }


_STEP_NAMES: Final = {
    LoadBtf: "load_btf",
    CreateMap: "create_map",
    SetValue: "set_value",
    SetInnerMap: "set_inner_map",
    FreezeMap: "freeze_map",
    LoadProgram: "load_program",
    BindMap: "bind_map",
    SetProgram: "set_program",
    FillStructOps: "fill_struct_ops",
    MapMemory: "map_memory",
}


def _plain(value: Any) -> Any:
    """`value` as what JSON knows."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, MapType | ProgramType | AttachType):
        return value.name.lower()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, TargetProgram):
        return {"name": value.name, "id": value.id}
    fields = getattr(type(value), "__dataclass_fields__", None)
    if fields is not None:
        # What makes no difference between two plans is no part of them.
        return {name: _plain(getattr(value, name)) for name, each in fields.items() if each.compare}
    return value
