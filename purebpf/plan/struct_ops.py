"""A struct_ops of the object as the target's kernel has it.

Rules, as libbpf has them:

- the kernel's struct has the name of the object's, flavour left out; the map's value is the kernel's
  `struct bpf_struct_ops_<name>`, which holds that struct behind fields of its own; the kernel's own types are looked
  at first, then each module's;
- members are found by their names, never by their places; one that the kernel lacks must be zero in the object;
- a bitfield cannot be set, on either side; kinds must be the same, and for what is copied the sizes;
- every pointer that is not null is a program, bound by its index among the members of the kernel's struct; a program
  may serve several members or maps only where that index and the struct are the same.

What stands in the value is not handed to the kernel by a load: that would register it. The load fills in the fds of
the programs and keeps the value for whoever attaches the map.
"""

from __future__ import annotations

from purebpf.btf import Btf, BtfError, FunctionProto, Kind, Member, Pointer, Struct, resolve, size_of, type_name
from purebpf.btf.layout import bit_place
from purebpf.errors import NotSupported, PlanError
from purebpf.frozen import Frozen, Mutable, field, replace
from purebpf.plan.steps import AttachPoint
from purebpf.relocate.compat import essential_name
from purebpf.spec.model import MapOrigin, MapSpec, ObjectSpec, ProgramSpec
from purebpf.spec.struct_ops import F_LINK
from purebpf.uapi import ProgramType
from purebpf.units import VOID, TypeId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Final

    from purebpf.plan.steps import CreateMap
    from purebpf.plan.target import Target

# BPF_F_VTYPE_BTF_OBJ_FD of uapi/linux/bpf.h: the value's type is that of a module.
F_VTYPE_BTF_OBJ_FD: Final = 1 << 15
# The kernel's take some hundred bytes; only a damaged BTF has one that is larger than this.
_VALUE_LIMIT: Final = 1 << 20
_LINK_TYPE: Final = "bpf_struct_ops_link"
_VALUE_PREFIX: Final = "bpf_struct_ops_"
_ORIGIN: Final = MapOrigin.STRUCT_OPS
_STRUCT_OPS: Final = ProgramType.STRUCT_OPS


class KernelTable(Frozen):
    """A struct_ops map on the target: its value's type and whose it is, the value without the programs' fds, and at
    which byte of it which program's fd goes.
    """

    value_type: TypeId
    module: str | None
    image: bytes = field(repr=False)
    programs: tuple[tuple[int, str], ...]

    def created(self, step: CreateMap) -> CreateMap:
        """The step that makes the map, with the kernel's type as its value: the object's own is no more than a plan."""
        return replace(
            step,
            value_size=len(self.image),
            key_type=VOID,
            value_type=VOID,
            kernel_value_type=self.value_type,
            module=self.module,
            flags=step.flags | (F_VTYPE_BTF_OBJ_FD if self.module is not None else 0),
        )


class Operation(Frozen):
    """What a struct_ops program is for the kernel: member number `member` of a struct."""

    attach: AttachPoint
    member: int


class StructOps(Mutable):
    """The struct_ops maps that are made, by name, and the programs in them."""

    tables: dict[str, KernelTable] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)

    def operation(self, program: ProgramSpec) -> Operation:
        """What `program` is for the kernel; a PlanError for one that no map refers to."""
        found = self.operations.get(program.name)
        if found is None:
            raise PlanError(
                "it is a struct_ops program, and no struct_ops map that is made refers to it",
                program=program.name,
                remedy='put it into a member of a variable in SEC(".struct_ops.link"), or do not load it: '
                f"spec.with_program('{program.name}', autoload=False)",
            )
        return found


class _KernelTypes(Frozen):
    """Where the target has the struct: its own types or a module's."""

    btf: Btf
    module: str | None
    struct_id: TypeId
    struct: Struct
    value_id: TypeId
    value: Struct
    offset: int


def match_struct_ops(spec: ObjectSpec, target: Target) -> StructOps:
    """Every struct_ops map of `spec` that is made, as `target` has it."""
    found = StructOps()
    for map_spec in spec.maps.values():
        if map_spec.origin is _ORIGIN and map_spec.autocreate:
            found.tables[map_spec.name] = _Matching(spec, map_spec, target, found.operations).table()
    return found


class _Matching:
    """One map while it is matched with the kernel's type."""

    def __init__(self, spec: ObjectSpec, map_spec: MapSpec, target: Target, operations: dict[str, Operation]) -> None:
        assert spec.btf is not None
        struct = spec.btf[map_spec.value_type]
        assert isinstance(struct, Struct)
        self._spec = spec
        self._map = map_spec
        self._target = target
        self._operations = operations
        self._local = spec.btf
        self._struct = struct
        self._contents = map_spec.contents or bytes(struct.size)

    def table(self) -> KernelTable:
        kernel = self._kernel_types()
        image = bytearray(kernel.value.size)
        slots = dict(self._map.slots)
        programs: list[tuple[int, str]] = []
        # libbpf takes the first of that name; the names of a struct are its own, so there is one.
        known = {member.name: (number, member) for number, member in reversed([*enumerate(kernel.struct.members)])}
        for index, member in enumerate(self._struct.members):
            raw = self._raw(member)
            program = slots.get(index)
            if member.name not in known:
                self._check_unset(member, raw, program, known)
                continue
            number, theirs = known[member.name]
            self._check_kind(member, kernel, theirs)
            at = kernel.offset + theirs.bit_offset // 8
            if isinstance(self._local[resolve(self._local, member.type)], Pointer):
                if program is None:
                    self._check_null(member, raw)
                    continue
                self._bind(kernel, number, theirs, program)
                programs.append((at, program))
                continue
            self._check_size(member, raw, kernel, theirs)
            image[at : at + len(raw)] = raw
        return KernelTable(kernel.value_id, kernel.module, bytes(image), tuple(programs))

    # ------------------------------------------------------------ the kernel's types

    def _kernel_types(self) -> _KernelTypes:
        name = essential_name(self._struct.name)
        value_name = _VALUE_PREFIX + name
        kernel = self._target.require_btf(f"struct_ops map '{self._map.name}'")
        # Its types tell, for no map can be made to try it without a struct that this kernel offers.
        if self._map.flags & F_LINK and kernel.find_one(_LINK_TYPE, Kind.STRUCT) is None:
            raise NotSupported(
                "struct_ops that a link registers",
                since="6.4",
                evidence=(f"map '{self._map.name}' is one, in section '{self._map.section}'",),
                remedy='without a link it goes into SEC(".struct_ops")',
            )
        value_id = kernel.find_one(value_name, Kind.STRUCT)
        btf, module = kernel, None
        if value_id is None:
            for types in self._target.modules():
                own = (found for found in types.btf.find(value_name, Kind.STRUCT) if found >= types.btf.first_id)
                value_id = next(own, None)
                if value_id is not None:
                    btf, module = types.btf, types.name
                    break
        struct_id = btf.find_one(name, Kind.STRUCT)
        if value_id is None or struct_id is None:
            raise self._unknown(name, kernel, struct_id is not None)
        value, struct = btf[value_id], btf[struct_id]
        assert isinstance(value, Struct)
        assert isinstance(struct, Struct)
        data = next((member for member in value.members if member.type == struct_id), None)
        if data is None:
            raise self._refused(f"struct {value_name} of {self._whose(module)} holds no struct {name}")
        if value.size > _VALUE_LIMIT:
            raise self._refused(f"struct {value_name} of {self._whose(module)} takes {value.size} bytes")
        if data.bit_offset // 8 + struct.size > value.size:
            raise self._refused(f"struct {name} reaches outside struct {value_name} of {self._whose(module)}")
        return _KernelTypes(btf, module, struct_id, struct, value_id, value, data.bit_offset // 8)

    def _unknown(self, name: str, kernel: Btf, known: bool) -> PlanError | NotSupported:
        from purebpf.near import did_you_mean

        offered = list(_offered(kernel))
        if not offered:
            return NotSupported(
                "struct_ops",
                since="5.6",
                config="CONFIG_BPF_JIT",
                evidence=(f"map '{self._map.name}' is one: the types of {self._target.name} offer none",),
            )
        what = "offers none of that type for struct_ops" if known else "does not know that struct"
        return self._refused(
            f"it is a struct {name}, and {self._target.name} {what}",
            did_you_mean(name, offered) or [f"there are: {', '.join(sorted(offered))}"],
            "load the kernel module that has it, or leave the map out: "
            f"spec.with_map('{self._map.name}', autocreate=False)",
        )

    # ------------------------------------------------------------ one member

    def _raw(self, member: Member) -> bytes:
        """The bytes of a member in the object; of a bitfield those of its type."""
        try:
            size = size_of(self._local, member.type)
        except BtfError as error:
            raise self._refused(f"the size of member '{member.name}' cannot be told: {error.reason}") from error
        at = member.bit_offset // 8
        return self._contents[at : at + size]

    def _check_unset(
        self, member: Member, raw: bytes, program: str | None, known: Mapping[str, tuple[int, Member]]
    ) -> None:
        if not any(raw) and program is None:
            return
        from purebpf.near import did_you_mean

        holds = f"holds program '{program}'" if program is not None else "is not zero"
        unset = "None" if program is not None else "0"
        raise self._refused(
            f"member '{member.name}' {holds}, and struct {essential_name(self._struct.name)} of {self._target.name} "
            "has no such member",
            did_you_mean(member.name, known),
            f"unset it where it is missing: spec.with_struct_ops('{self._map.name}', {member.name}={unset})",
        )

    def _check_kind(self, member: Member, kernel: _KernelTypes, theirs: Member) -> None:
        if bit_place(self._local, member)[1] or bit_place(kernel.btf, theirs)[1]:
            raise self._refused(f"member '{member.name}' is a bitfield, which struct_ops cannot have")
        here = self._local.kind(resolve(self._local, member.type))
        there = kernel.btf.kind(resolve(kernel.btf, theirs.type))
        if here != there:
            raise self._differs(member, kernel, theirs)

    def _check_size(self, member: Member, raw: bytes, kernel: _KernelTypes, theirs: Member) -> None:
        try:
            size = size_of(kernel.btf, theirs.type)
        except BtfError:
            size = -1
        at = theirs.bit_offset // 8
        if size != len(raw) or at + size > kernel.struct.size:
            raise self._differs(member, kernel, theirs)

    def _check_null(self, member: Member, raw: bytes) -> None:
        if any(raw):
            raise self._refused(
                f"member '{member.name}' is a pointer that holds {int.from_bytes(raw, self._spec.byteorder):#x}: "
                "the kernel takes programs and null pointers only"
            )

    def _bind(self, kernel: _KernelTypes, number: int, theirs: Member, program: str) -> None:
        if self._spec.programs[program].type != _STRUCT_OPS:
            raise self._refused(f"member '{theirs.name}' holds program '{program}', which is no struct_ops program")
        pointer = kernel.btf[resolve(kernel.btf, theirs.type)]
        assert isinstance(pointer, Pointer)
        if not isinstance(kernel.btf[resolve(kernel.btf, pointer.target)], FunctionProto):
            raise self._refused(f"member '{theirs.name}' holds program '{program}', and is no function in the kernel")
        operation = Operation(AttachPoint(kernel.struct_id, kernel.module), number)
        first = self._operations.setdefault(program, operation)
        if first != operation:
            raise PlanError(
                f"it stands for member '{theirs.name}' of struct {kernel.struct.name} in struct_ops map "
                f"'{self._map.name}', and for another member elsewhere",
                program=program,
                remedy="the kernel checks a program for one member of one struct: write a program for each",
            )

    # ------------------------------------------------------------ messages

    def _whose(self, module: str | None) -> str:
        return self._target.name if module is None else f"kernel module '{module}'"

    def _differs(self, member: Member, kernel: _KernelTypes, theirs: Member) -> PlanError:
        here, there = type_name(self._local, member.type), type_name(kernel.btf, theirs.type)
        return self._refused(
            f"member '{member.name}' is of another type in {self._whose(kernel.module)}",
            (f"in the object: {here}", f"in the kernel: {there}"),
        )

    def _refused(self, reason: str, evidence: list[str] | tuple[str, ...] = (), remedy: str = "") -> PlanError:
        text = f"cannot prepare struct_ops map '{self._map.name}': {reason}"
        return PlanError(text, evidence=tuple(evidence), remedy=remedy)


def _offered(kernel: Btf) -> Iterator[str]:
    """The structs that a kernel takes as struct_ops; some of its own internals have names like their values'."""
    for value_id in kernel.ids_of(Kind.STRUCT):
        name = kernel.name_of(value_id)
        if name.startswith(_VALUE_PREFIX):
            value, bare = kernel[value_id], name.removeprefix(_VALUE_PREFIX)
            assert isinstance(value, Struct)
            if any(kernel.name_of(member.type) == bare for member in value.members):
                yield bare
