"""What a kernel's BTF tells of its bpf(2): types of programs, maps and attachments, helpers, and how old it is.

Rules: the enums of the kernel's ABI stand in its BTF, so their values say what that version knows; the functions that
serve a type of program or map stand there too, so their absence says that it was built without. Numbers are compared,
not names: the ABI never gives one away twice. Where the BTF does not have the enum (it was cut, or is no kernel's)
the answer is None, nobody knows.
"""

from functools import cached_property
from struct import unpack_from
from typing import Final

from purebpf.btf import Btf, Kind, Struct
from purebpf.plan.target import Feature, encode_version
from purebpf.uapi import AttachType, MapType, ProgramType

_HEAD_SIZE: Final = 12
_COUNT: Final = 0xFFFF

_PROGRAM_FUNCTIONS: Final = {
    ProgramType.SOCKET_FILTER: ("sk_filter_func_proto", "CONFIG_NET"),
    ProgramType.KPROBE: ("kprobe_prog_func_proto", "CONFIG_BPF_EVENTS"),
    ProgramType.SCHED_CLS: ("tc_cls_act_func_proto", "CONFIG_NET"),
    ProgramType.SCHED_ACT: ("tc_cls_act_func_proto", "CONFIG_NET"),
    ProgramType.TRACEPOINT: ("tp_prog_func_proto", "CONFIG_BPF_EVENTS"),
    ProgramType.XDP: ("xdp_func_proto", "CONFIG_NET"),
    ProgramType.PERF_EVENT: ("pe_prog_func_proto", "CONFIG_BPF_EVENTS"),
    ProgramType.CGROUP_SKB: ("cg_skb_func_proto", "CONFIG_CGROUP_BPF"),
    ProgramType.CGROUP_SOCK: ("sock_filter_func_proto", "CONFIG_CGROUP_BPF"),
    ProgramType.LWT_IN: ("lwt_in_func_proto", "CONFIG_LWTUNNEL_BPF"),
    ProgramType.LWT_OUT: ("lwt_out_func_proto", "CONFIG_LWTUNNEL_BPF"),
    ProgramType.LWT_XMIT: ("lwt_xmit_func_proto", "CONFIG_LWTUNNEL_BPF"),
    ProgramType.SOCK_OPS: ("sock_ops_func_proto", "CONFIG_CGROUP_BPF"),
    ProgramType.SK_SKB: ("sk_skb_func_proto", "CONFIG_NET"),
    ProgramType.CGROUP_DEVICE: ("cgroup_dev_func_proto", "CONFIG_CGROUP_BPF"),
    ProgramType.SK_MSG: ("sk_msg_func_proto", "CONFIG_NET_SOCK_MSG"),
    ProgramType.RAW_TRACEPOINT: ("raw_tp_prog_func_proto", "CONFIG_BPF_EVENTS"),
    ProgramType.CGROUP_SOCK_ADDR: ("sock_addr_func_proto", "CONFIG_CGROUP_BPF"),
    ProgramType.LWT_SEG6LOCAL: ("lwt_seg6local_func_proto", "CONFIG_IPV6_SEG6_BPF"),
    ProgramType.LIRC_MODE2: ("lirc_mode2_func_proto", "CONFIG_BPF_LIRC_MODE2"),
    ProgramType.SK_REUSEPORT: ("sk_reuseport_func_proto", "CONFIG_INET"),
    ProgramType.FLOW_DISSECTOR: ("flow_dissector_func_proto", "CONFIG_NET"),
    ProgramType.CGROUP_SYSCTL: ("sysctl_func_proto", "CONFIG_CGROUP_BPF"),
    ProgramType.RAW_TRACEPOINT_WRITABLE: ("raw_tp_prog_func_proto", "CONFIG_BPF_EVENTS"),
    ProgramType.CGROUP_SOCKOPT: ("cg_sockopt_func_proto", "CONFIG_CGROUP_BPF"),
    ProgramType.TRACING: ("tracing_prog_func_proto", "CONFIG_BPF_EVENTS"),
    ProgramType.STRUCT_OPS: ("bpf_struct_ops_map_alloc", "CONFIG_BPF_JIT"),
    ProgramType.LSM: ("bpf_lsm_func_proto", "CONFIG_BPF_LSM"),
    ProgramType.SK_LOOKUP: ("sk_lookup_func_proto", "CONFIG_INET"),
    ProgramType.SYSCALL: ("syscall_prog_func_proto", ""),
    ProgramType.NETFILTER: ("bpf_nf_func_proto", "CONFIG_NETFILTER_BPF_LINK"),
}
"""The function of a type that every kernel with it has (its address is taken, so it is never inlined)."""

_MAP_FUNCTIONS: Final[dict[int, tuple[str, str]]] = {
    MapType.XSKMAP: ("xsk_map_alloc", "CONFIG_XDP_SOCKETS"),
    MapType.SOCKMAP: ("sock_map_alloc", "CONFIG_BPF_STREAM_PARSER"),
    MapType.SOCKHASH: ("sock_map_alloc", "CONFIG_BPF_STREAM_PARSER"),
    MapType.DEVMAP: ("dev_map_alloc", "CONFIG_NET"),
    MapType.DEVMAP_HASH: ("dev_map_alloc", "CONFIG_NET"),
    MapType.CPUMAP: ("cpu_map_alloc", "CONFIG_NET"),
    MapType.INODE_STORAGE: ("inode_storage_map_alloc", "CONFIG_BPF_LSM"),
    MapType.STRUCT_OPS: ("bpf_struct_ops_map_alloc", "CONFIG_BPF_JIT"),
    MapType.ARENA: ("arena_map_alloc", "CONFIG_MMU"),
}

# Helpers that distributions build or leave out, and nothing else shows it.
_HELPER_FUNCTIONS: Final = {58: ("bpf_override_return", "CONFIG_BPF_KPROBE_OVERRIDE")}

# The first kernel with a number of an enum: what shows a kernel's age where nobody tells its release.
_AGES: Final = (
    ("bpf_map_type", MapType.RINGBUF, "5.8"),
    ("bpf_map_type", MapType.INODE_STORAGE, "5.10"),
    ("bpf_map_type", MapType.TASK_STORAGE, "5.11"),
    ("bpf_func_id", 164, "5.13"),
    ("bpf_map_type", MapType.BLOOM_FILTER, "5.16"),
    ("bpf_func_id", 183, "5.17"),
    ("bpf_attach_type", AttachType.TRACE_KPROBE_MULTI, "5.18"),
    ("bpf_attach_type", AttachType.LSM_CGROUP, "6.0"),
    ("bpf_map_type", MapType.USER_RINGBUF, "6.1"),
    ("bpf_map_type", MapType.CGRP_STORAGE, "6.2"),
    ("bpf_attach_type", AttachType.NETFILTER, "6.4"),
    ("bpf_attach_type", AttachType.TCX_INGRESS, "6.6"),
    ("bpf_attach_type", AttachType.NETKIT_PRIMARY, "6.7"),
    ("bpf_map_type", MapType.ARENA, "6.9"),
    ("bpf_attach_type", AttachType.TRACE_KPROBE_SESSION, "6.10"),
    ("bpf_attach_type", AttachType.TRACE_UPROBE_SESSION, "6.13"),
    ("bpf_cmd", 37, "6.17"),
    ("bpf_map_type", MapType.INSN_ARRAY, "6.19"),
)


def enumerators(btf: Btf, type_id: int) -> tuple[tuple[int, ...], str]:
    """The values of an enum and the name of the last: two hundred names take 2 ms, and nobody asks for them."""
    at = btf.offset_of(type_id)
    order = "<" if btf.byteorder == "little" else ">"
    _, info, _ = unpack_from(f"{order}III", btf.raw, at)
    words = unpack_from(order + "Ii" * (info & _COUNT), btf.raw, at + _HEAD_SIZE)
    return words[1::2], btf.string(words[-2]) if words else ""


class Abi:
    """Questions to one kernel's BTF."""

    def __init__(self, btf: Btf) -> None:
        self._btf = btf
        self._numbers: dict[str, frozenset[int] | None] = {}

    def knows_program(self, kind: ProgramType) -> bool | None:
        """Whether the kernel's version has that type of program."""
        return self._has("bpf_prog_type", kind)

    def knows_map(self, kind: MapType | int) -> bool | None:
        """Whether the kernel's version has that type of map."""
        return self._has("bpf_map_type", kind)

    def knows_attachment(self, kind: AttachType) -> bool | None:
        """Whether the kernel's version has that attach type."""
        return self._has("bpf_attach_type", kind)

    def knows_helper(self, number: int) -> bool | None:
        """Whether the kernel's version has the helper of that number."""
        return self._has("bpf_func_id", number)

    def knows_struct(self, name: str) -> bool:
        """Whether the kernel has a struct of that name."""
        return self._btf.find_one(name, Kind.STRUCT) is not None

    def name_of(self, type_id: int) -> str:
        """The name of a type of the kernel; "" for an id that it does not have."""
        return self._btf.name_of(type_id) if 0 < type_id < len(self._btf) else ""

    def member_name(self, type_id: int, index: int) -> str:
        """The name of a member of one of its structs, "" if there is none."""
        struct = self._btf[type_id]
        return struct.members[index].name if isinstance(struct, Struct) and index < len(struct.members) else ""

    def without_program(self, kind: ProgramType) -> str:
        """The option without which the kernel was built and has no programs of that type; "" if it has them."""
        function, option = _PROGRAM_FUNCTIONS.get(kind, ("", ""))
        return option if function and self._lacks(function) else ""

    def without_map(self, kind: MapType | int) -> str:
        """The option without which the kernel was built and has no maps of that type; "" if it has them."""
        function, option = _MAP_FUNCTIONS.get(kind, ("", ""))
        return option if function and self._lacks(function) else ""

    def without_injection(self) -> str:
        """The option without which the kernel was built and cannot inject errors into functions; "" if it can."""
        return "CONFIG_FUNCTION_ERROR_INJECTION" if self._lacks("within_error_injection_list") else ""

    def without_helper(self, number: int) -> str:
        """The option without which the kernel was built and has not that helper; "" if it has it, or nobody knows."""
        function, option = _HELPER_FUNCTIONS.get(number, ("", ""))
        return option if function and self._lacks(function) else ""

    @cached_property
    def ages(self) -> tuple[int, int]:
        """The kernel is at least as new as the first version, and older than the second (0: nothing is known)."""
        at_least, before = 0, 0
        for enum, number, version in _AGES:
            has = self._has(enum, number)
            if has:
                at_least = max(at_least, encode_version(version))
            elif has is False and not before:
                before = encode_version(version)
        return at_least, before if not before or before > at_least else 0

    def features(self) -> dict[Feature, bool]:
        """What the kernel's age says of features; one that it does not decide is left out."""
        at_least, before = self.ages
        told = {}
        for feature in Feature:
            since = encode_version(feature.since)
            if since <= at_least or (before and since >= before):
                told[feature] = since <= at_least
        return told

    def _has(self, enum: str, number: int) -> bool | None:
        if enum not in self._numbers:
            self._numbers[enum] = self._values(enum)
        numbers = self._numbers[enum]
        return None if numbers is None else int(number) in numbers

    def _values(self, name: str) -> frozenset[int] | None:
        for type_id in self._btf.find(name, Kind.ENUM):
            values, last = enumerators(self._btf, type_id)
            if values:
                # The last one counts the others in most of these enums, and would be taken for the next.
                return frozenset(values[:-1] if "MAX" in last else values)
        return None

    @cached_property
    def _has_functions(self) -> bool:
        # A BTF without its loader's own functions is not a whole kernel's.
        return bool(self._btf.find("bpf_check", Kind.FUNC))

    def _lacks(self, function: str) -> bool:
        return not self._btf.find(function, Kind.FUNC) and self._has_functions
