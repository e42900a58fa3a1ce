"""Which programs may not use a map because of what its values hold: locks, timers, lists.

Rules: the verifier asks this of every map that a program refers to, reached or not, before it looks at the code. A
field counts only for a kernel that knows its type. The table is the kernel's, and has not changed from 5.15 to 6.18.
"""

from collections.abc import Iterator
from typing import Final

from purebpf.btf import Btf, DataSection, Kind, Struct, lookup
from purebpf.errors import BtfError
from purebpf.plan.steps import CreateMap
from purebpf.units import TypeId

_TRACING: Final = frozenset(("kprobe", "tracepoint", "perf_event", "raw_tracepoint", "raw_tracepoint_writable"))
NOT_FOR: Final = {
    "bpf_spin_lock": _TRACING | {"socket_filter"},
    "bpf_timer": _TRACING,
    "bpf_wq": _TRACING,
    "bpf_list_head": _TRACING,
    "bpf_rb_root": _TRACING,
}
"""Structs in a map's values, and the types of programs that may not use such a map."""


def special_fields(step: CreateMap, btf: Btf) -> tuple[str, ...]:
    """The structs of `NOT_FOR` that the values of a map hold, in the object's types."""
    if not step.value_type:
        return ()
    try:
        members = list(_members(btf, step.value_type))
    except BtfError:
        return ()
    return tuple(dict.fromkeys(name for name in members if name in NOT_FOR))


def _members(btf: Btf, value_type: TypeId) -> Iterator[str]:
    """The names of the structs that are direct members of a value, or variables of a section."""
    value = btf[lookup.resolve(btf, value_type)]
    members: Iterator[TypeId] = iter(())
    if isinstance(value, Struct):
        members = (member.type for member in value.members)
    elif isinstance(value, DataSection):
        members = (TypeId(btf.size_or_type(each.type)) for each in value.variables)
    for member in members:
        type_id = lookup.resolve(btf, member)
        if btf.kind(type_id) == Kind.STRUCT:
            yield btf.name_of(type_id)
