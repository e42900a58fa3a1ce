"""Argument tags `arg:ctx` for kernels that do not know them (before 6.8).

A global function takes a context if its argument has that tag. Older kernels know a context only by its type: a
pointer to the struct that the type of program calls its context. So for each program that reaches a tagged function
the function's types are copied, the argument becomes a pointer to a struct of that name, and the program's func_info
names the copy. Rules, libbpf's to the byte:

- functions are copied once a program, in the order of the tags: prototype, function; then, before the first tag of the
  program, an empty struct and a pointer to it; then the tag, for the copy;
- only what surely is a context is changed: `void *`, and for some types of program the pointers that people use;
- programs of the other types (tracing, LSM, ...) have contexts without a name: nothing is changed;
- other tags are left to the kernel.
"""

from __future__ import annotations

from struct import Struct as Format

from purebpf.btf import (
    Btf,
    BtfType,
    DeclTag,
    Function,
    FunctionProto,
    Int,
    Kind,
    Linkage,
    Pointer,
    Struct,
    resolve,
)
from purebpf.btf.writer import with_added
from purebpf.frozen import Frozen, Mutable, field, replace
from purebpf.plan.target import Feature, Target
from purebpf.spec.model import CONTEXT_TAG
from purebpf.uapi import ProgramType
from purebpf.units import VOID, TypeId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Final

    from purebpf.relocate.model import LinkedProgram
    from purebpf.spec.model import ObjectSpec

CONTEXT_NAMES: Final = {
    ProgramType.CGROUP_DEVICE: "bpf_cgroup_dev_ctx",
    ProgramType.CGROUP_SKB: "__sk_buff",
    ProgramType.CGROUP_SOCK: "bpf_sock",
    ProgramType.CGROUP_SOCK_ADDR: "bpf_sock_addr",
    ProgramType.CGROUP_SOCKOPT: "bpf_sockopt",
    ProgramType.CGROUP_SYSCTL: "bpf_sysctl",
    ProgramType.FLOW_DISSECTOR: "__sk_buff",
    ProgramType.KPROBE: "bpf_user_pt_regs_t",
    ProgramType.LWT_IN: "__sk_buff",
    ProgramType.LWT_OUT: "__sk_buff",
    ProgramType.LWT_SEG6LOCAL: "__sk_buff",
    ProgramType.LWT_XMIT: "__sk_buff",
    ProgramType.NETFILTER: "bpf_nf_ctx",
    ProgramType.PERF_EVENT: "bpf_perf_event_data",
    ProgramType.RAW_TRACEPOINT: "bpf_raw_tracepoint_args",
    ProgramType.RAW_TRACEPOINT_WRITABLE: "bpf_raw_tracepoint_args",
    ProgramType.SCHED_ACT: "__sk_buff",
    ProgramType.SCHED_CLS: "__sk_buff",
    ProgramType.SK_LOOKUP: "bpf_sk_lookup",
    ProgramType.SK_MSG: "sk_msg_md",
    ProgramType.SK_REUSEPORT: "sk_reuseport_md",
    ProgramType.SK_SKB: "__sk_buff",
    ProgramType.SOCK_OPS: "bpf_sock_ops",
    ProgramType.SOCKET_FILTER: "__sk_buff",
    ProgramType.XDP: "xdp_md",
}
"""What the kernel calls the context of each type of program that has a name for it."""

_REGISTERS: Final = ("pt_regs", "user_pt_regs", "user_regs_struct")
_RAW: Final = (ProgramType.RAW_TRACEPOINT, ProgramType.RAW_TRACEPOINT_WRITABLE)


def with_named_contexts(
    spec: ObjectSpec, programs: Sequence[LinkedProgram], target: Target
) -> tuple[ObjectSpec, Sequence[LinkedProgram]]:
    """The object with the types, and the programs with the func_info, that an older kernel understands."""
    btf = spec.btf
    if btf is None or target.supports(Feature.ARG_CTX_TAG):
        return spec, programs
    tagged = list(_tagged_arguments(btf))
    added: list[BtfType] = []
    changed: list[LinkedProgram] = []
    for program in programs:
        kind = spec.programs[program.name].type
        if kind in CONTEXT_NAMES and program.func_info:
            program = _Copies(spec, btf, kind, added).of(program, tagged)
        changed.append(program)
    return (replace(spec, btf=with_added(btf, added)) if added else spec), changed


class _Tagged(Frozen):
    """Argument `index` of global function `id`."""

    id: TypeId
    function: Function
    proto: FunctionProto
    index: int


def _tagged_arguments(btf: Btf) -> Iterator[_Tagged]:
    for tag_id in btf.ids_of(Kind.DECL_TAG):
        tag = btf[tag_id]
        if not isinstance(tag, DeclTag) or tag.name != CONTEXT_TAG:
            continue
        function = btf[tag.type]
        if not isinstance(function, Function) or function.linkage != Linkage.GLOBAL:
            continue
        proto = btf[function.type]
        if isinstance(proto, FunctionProto) and 0 <= tag.component < len(proto.parameters):
            yield _Tagged(tag.type, function, proto, tag.component)


class _Copies(Mutable):
    """The copies that one program needs; `added` are the new types of the whole object."""

    spec: ObjectSpec
    btf: Btf
    kind: ProgramType
    added: list[BtfType]
    functions: dict[TypeId, TypeId] = field(default_factory=dict)
    pointer: TypeId = VOID

    def of(self, program: LinkedProgram, tagged: Sequence[_Tagged]) -> LinkedProgram:
        """The program, its func_info naming copies of the tagged functions that it reaches."""
        type_id_field = Format("<I" if self.spec.byteorder == "little" else ">I")
        places: dict[int, int] = {}
        # The first record of a function counts, as in libbpf; there is one.
        for at in range(4, len(program.func_info), self.spec.func_info_record_size):
            places.setdefault(type_id_field.unpack_from(program.func_info, at)[0], at)
        for argument in tagged:
            if argument.id in places and self._needs_a_name(argument):
                self._rename(argument)
        if not self.functions:
            return program
        records = bytearray(program.func_info)
        for original, copy in self.functions.items():
            type_id_field.pack_into(records, places[original], copy)
        return replace(program, func_info=bytes(records))

    def _rename(self, argument: _Tagged) -> None:
        function = self.functions.get(argument.id)
        if function is None:
            proto = self._add(argument.proto)
            function = self._add(replace(argument.function, type=proto))
            self.functions[argument.id] = function
        if not self.pointer:
            self.pointer = self._add(Pointer(self._add(Struct(CONTEXT_NAMES[self.kind], 0, ()))))
        self._add(DeclTag(CONTEXT_TAG, function, argument.index))
        # The prototype stands before its function.
        place = function - 1 - self.btf.end_id
        copied = self.added[place]
        assert isinstance(copied, FunctionProto)
        parameters = list(copied.parameters)
        parameters[argument.index] = replace(parameters[argument.index], type=self.pointer)
        self.added[place] = replace(copied, parameters=tuple(parameters))

    def _add(self, new: BtfType) -> TypeId:
        self.added.append(new)
        return TypeId(self.btf.end_id + len(self.added) - 1)

    def _needs_a_name(self, argument: _Tagged) -> bool:
        """Whether the kernel would not see that the argument is a context, and it surely is one."""
        btf, kind = self.btf, self.kind
        pointer = btf[resolve(btf, argument.proto.parameters[argument.index].type)]
        if not isinstance(pointer, Pointer):
            return False
        type_id = resolve(btf, pointer.target)
        if type_id == VOID:
            return True
        found = btf[type_id]
        if isinstance(found, Struct):
            if kind is ProgramType.PERF_EVENT:
                return found.name in _REGISTERS
            return kind is ProgramType.KPROBE and found.name == "pt_regs"
        return kind in _RAW and isinstance(found, Int) and found.size == 8
