"""The SEC() table: what the name of an ELF section says about the programs in it.

Rules: the 116 rows are libbpf 1.8's definitions, as data; whoever needs a fact about a program type of a
section asks for a column here and keeps no list of his own. A name matches a row exactly, or, where the row
takes an argument ("kprobe/do_unlinkat"), by what stands before its first "/". A leading "?" (do not load
unless asked to) is no part of the name and is cut off by whoever reads the file.
"""

from __future__ import annotations

from purebpf.enums import StrEnum
from purebpf.frozen import Frozen
from purebpf.standard import remembered
from purebpf.uapi import AttachType, ProgramType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

# BPFF_SLEEPABLE and BPF_F_XDP_HAS_FRAGS of uapi/linux/bpf.h.
F_SLEEPABLE: Final = 1 << 4
_F_XDP_HAS_FRAGS: Final = 1 << 5

ARENA_SECTION: Final = ".addr_space.1"
JUMP_TABLES: Final = ".jumptables"
STRUCT_OPS_LINK: Final = ".struct_ops.link"
_STRUCT_OPS: Final = (".struct_ops", STRUCT_OPS_LINK)


def is_struct_ops_section(name: str) -> bool:
    """Whether the variables of a section of that name are struct_ops maps."""
    return name.removeprefix("?") in _STRUCT_OPS


class AttachKind(StrEnum):
    """How a program of a section is attached: the key of the table of hooks in `purebpf.live.link`."""

    SOCKET = "socket"
    SK_REUSEPORT = "sk_reuseport"
    KPROBE = "kprobe"
    KRETPROBE = "kretprobe"
    KPROBE_MULTI = "kprobe.multi"
    KRETPROBE_MULTI = "kretprobe.multi"
    KPROBE_SESSION = "kprobe.session"
    UPROBE = "uprobe"
    URETPROBE = "uretprobe"
    UPROBE_MULTI = "uprobe.multi"
    URETPROBE_MULTI = "uretprobe.multi"
    UPROBE_SESSION = "uprobe.session"
    KSYSCALL = "ksyscall"
    KRETSYSCALL = "kretsyscall"
    USDT = "usdt"
    TCX = "tcx"
    TC = "tc"
    NETKIT = "netkit"
    TRACEPOINT = "tracepoint"
    RAW_TRACEPOINT = "raw_tracepoint"
    TRACE = "trace"
    TRACE_MULTI = "trace.multi"
    FREPLACE = "freplace"
    LSM = "lsm"
    LSM_CGROUP = "lsm_cgroup"
    ITER = "iter"
    SYSCALL = "syscall"
    XDP = "xdp"
    XDP_MAP = "xdp_map"
    PERF_EVENT = "perf_event"
    LWT = "lwt"
    SOCKMAP = "sockmap"
    LIRC = "lirc"
    NETNS = "netns"
    CGROUP = "cgroup"
    NETFILTER = "netfilter"
    STRUCT_OPS = "struct_ops"


class SectionDefinition(Frozen):
    """One row of the table.

    `takes_argument`: something may follow behind a "/". `auto_attach`: the section's name alone says where
    the program goes. `sleepable` and `frags` become program flags. `btf_target`: the argument is a function,
    typedef or hook in the kernel's (or another program's) BTF. `optional_attach_type`: kernels that do not
    know expected_attach_type get 0.
    """

    prefix: str
    program_type: ProgramType
    attach_type: AttachType | None
    kind: AttachKind
    takes_argument: bool = False
    auto_attach: bool = False
    sleepable: bool = False
    frags: bool = False
    btf_target: bool = False
    optional_attach_type: bool = False

    @property
    def program_flags(self) -> int:
        """The flags a program of this section is loaded with."""
        return (F_SLEEPABLE if self.sleepable else 0) | (_F_XDP_HAS_FRAGS if self.frags else 0)


# The last column: "+" takes an argument, "A" attaches by itself, "s" sleepable, "f" xdp.frags,
# "B" BTF target, "o" attach type optional.
_ROWS: Final = (
    ("socket", "SOCKET_FILTER", None, "SOCKET", ""),
    ("sk_reuseport/migrate", "SK_REUSEPORT", "SK_REUSEPORT_SELECT_OR_MIGRATE", "SK_REUSEPORT", ""),
    ("sk_reuseport", "SK_REUSEPORT", "SK_REUSEPORT_SELECT", "SK_REUSEPORT", ""),
    ("kprobe", "KPROBE", None, "KPROBE", "+A"),
    ("uprobe", "KPROBE", None, "UPROBE", "+A"),
    ("uprobe.s", "KPROBE", None, "UPROBE", "+As"),
    ("kretprobe", "KPROBE", None, "KRETPROBE", "+A"),
    ("uretprobe", "KPROBE", None, "URETPROBE", "+A"),
    ("uretprobe.s", "KPROBE", None, "URETPROBE", "+As"),
    ("kprobe.multi", "KPROBE", "TRACE_KPROBE_MULTI", "KPROBE_MULTI", "+A"),
    ("kretprobe.multi", "KPROBE", "TRACE_KPROBE_MULTI", "KRETPROBE_MULTI", "+A"),
    ("kprobe.session", "KPROBE", "TRACE_KPROBE_SESSION", "KPROBE_SESSION", "+A"),
    ("uprobe.multi", "KPROBE", "TRACE_UPROBE_MULTI", "UPROBE_MULTI", "+A"),
    ("uretprobe.multi", "KPROBE", "TRACE_UPROBE_MULTI", "URETPROBE_MULTI", "+A"),
    ("uprobe.session", "KPROBE", "TRACE_UPROBE_SESSION", "UPROBE_SESSION", "+A"),
    ("uprobe.multi.s", "KPROBE", "TRACE_UPROBE_MULTI", "UPROBE_MULTI", "+As"),
    ("uretprobe.multi.s", "KPROBE", "TRACE_UPROBE_MULTI", "URETPROBE_MULTI", "+As"),
    ("uprobe.session.s", "KPROBE", "TRACE_UPROBE_SESSION", "UPROBE_SESSION", "+As"),
    ("ksyscall", "KPROBE", None, "KSYSCALL", "+A"),
    ("kretsyscall", "KPROBE", None, "KRETSYSCALL", "+A"),
    ("usdt", "KPROBE", None, "USDT", "+A"),
    ("usdt.s", "KPROBE", None, "USDT", "+As"),
    ("tc/ingress", "SCHED_CLS", "TCX_INGRESS", "TCX", ""),
    ("tc/egress", "SCHED_CLS", "TCX_EGRESS", "TCX", ""),
    ("tcx/ingress", "SCHED_CLS", "TCX_INGRESS", "TCX", ""),
    ("tcx/egress", "SCHED_CLS", "TCX_EGRESS", "TCX", ""),
    ("tc", "SCHED_CLS", None, "TC", ""),
    ("classifier", "SCHED_CLS", None, "TC", ""),
    ("action", "SCHED_ACT", None, "TC", ""),
    ("netkit/primary", "SCHED_CLS", "NETKIT_PRIMARY", "NETKIT", ""),
    ("netkit/peer", "SCHED_CLS", "NETKIT_PEER", "NETKIT", ""),
    ("tracepoint", "TRACEPOINT", None, "TRACEPOINT", "+A"),
    ("tp", "TRACEPOINT", None, "TRACEPOINT", "+A"),
    ("tracepoint.s", "TRACEPOINT", None, "TRACEPOINT", "+As"),
    ("tp.s", "TRACEPOINT", None, "TRACEPOINT", "+As"),
    ("raw_tracepoint", "RAW_TRACEPOINT", None, "RAW_TRACEPOINT", "+A"),
    ("raw_tp", "RAW_TRACEPOINT", None, "RAW_TRACEPOINT", "+A"),
    ("raw_tracepoint.s", "RAW_TRACEPOINT", None, "RAW_TRACEPOINT", "+As"),
    ("raw_tp.s", "RAW_TRACEPOINT", None, "RAW_TRACEPOINT", "+As"),
    ("raw_tracepoint.w", "RAW_TRACEPOINT_WRITABLE", None, "RAW_TRACEPOINT", "+A"),
    ("raw_tp.w", "RAW_TRACEPOINT_WRITABLE", None, "RAW_TRACEPOINT", "+A"),
    ("tp_btf", "TRACING", "TRACE_RAW_TP", "TRACE", "+AB"),
    ("tp_btf.s", "TRACING", "TRACE_RAW_TP", "TRACE", "+AsB"),
    ("fentry", "TRACING", "TRACE_FENTRY", "TRACE", "+AB"),
    ("fmod_ret", "TRACING", "MODIFY_RETURN", "TRACE", "+AB"),
    ("fexit", "TRACING", "TRACE_FEXIT", "TRACE", "+AB"),
    ("fentry.s", "TRACING", "TRACE_FENTRY", "TRACE", "+AsB"),
    ("fmod_ret.s", "TRACING", "MODIFY_RETURN", "TRACE", "+AsB"),
    ("fexit.s", "TRACING", "TRACE_FEXIT", "TRACE", "+AsB"),
    ("fsession", "TRACING", "TRACE_FSESSION", "TRACE", "+AB"),
    ("fsession.s", "TRACING", "TRACE_FSESSION", "TRACE", "+AsB"),
    ("fentry.multi", "TRACING", "TRACE_FENTRY_MULTI", "TRACE_MULTI", "+A"),
    ("fexit.multi", "TRACING", "TRACE_FEXIT_MULTI", "TRACE_MULTI", "+A"),
    ("fsession.multi", "TRACING", "TRACE_FSESSION_MULTI", "TRACE_MULTI", "+A"),
    ("fentry.multi.s", "TRACING", "TRACE_FENTRY_MULTI", "TRACE_MULTI", "+As"),
    ("fexit.multi.s", "TRACING", "TRACE_FEXIT_MULTI", "TRACE_MULTI", "+As"),
    ("fsession.multi.s", "TRACING", "TRACE_FSESSION_MULTI", "TRACE_MULTI", "+As"),
    ("freplace", "EXT", None, "FREPLACE", "+AB"),
    ("lsm", "LSM", "LSM_MAC", "LSM", "+AB"),
    ("lsm.s", "LSM", "LSM_MAC", "LSM", "+AsB"),
    ("lsm_cgroup", "LSM", "LSM_CGROUP", "LSM_CGROUP", "+B"),
    ("iter", "TRACING", "TRACE_ITER", "ITER", "+AB"),
    ("iter.s", "TRACING", "TRACE_ITER", "ITER", "+AsB"),
    ("syscall", "SYSCALL", None, "SYSCALL", "s"),
    ("xdp.frags/devmap", "XDP", "XDP_DEVMAP", "XDP_MAP", "f"),
    ("xdp/devmap", "XDP", "XDP_DEVMAP", "XDP_MAP", ""),
    ("xdp.frags/cpumap", "XDP", "XDP_CPUMAP", "XDP_MAP", "f"),
    ("xdp/cpumap", "XDP", "XDP_CPUMAP", "XDP_MAP", ""),
    ("xdp.frags", "XDP", "XDP", "XDP", "f"),
    ("xdp", "XDP", "XDP", "XDP", "o"),
    ("perf_event", "PERF_EVENT", None, "PERF_EVENT", ""),
    ("lwt_in", "LWT_IN", None, "LWT", ""),
    ("lwt_out", "LWT_OUT", None, "LWT", ""),
    ("lwt_xmit", "LWT_XMIT", None, "LWT", ""),
    ("lwt_seg6local", "LWT_SEG6LOCAL", None, "LWT", ""),
    ("sockops", "SOCK_OPS", "CGROUP_SOCK_OPS", "CGROUP", "o"),
    ("sk_skb/stream_parser", "SK_SKB", "SK_SKB_STREAM_PARSER", "SOCKMAP", "o"),
    ("sk_skb/stream_verdict", "SK_SKB", "SK_SKB_STREAM_VERDICT", "SOCKMAP", "o"),
    ("sk_skb/verdict", "SK_SKB", "SK_SKB_VERDICT", "SOCKMAP", "o"),
    ("sk_skb", "SK_SKB", None, "SOCKMAP", ""),
    ("sk_msg", "SK_MSG", "SK_MSG_VERDICT", "SOCKMAP", "o"),
    ("lirc_mode2", "LIRC_MODE2", "LIRC_MODE2", "LIRC", "o"),
    ("flow_dissector", "FLOW_DISSECTOR", "FLOW_DISSECTOR", "NETNS", "o"),
    ("cgroup_skb/ingress", "CGROUP_SKB", "CGROUP_INET_INGRESS", "CGROUP", "o"),
    ("cgroup_skb/egress", "CGROUP_SKB", "CGROUP_INET_EGRESS", "CGROUP", "o"),
    ("cgroup/skb", "CGROUP_SKB", None, "CGROUP", ""),
    ("cgroup/sock_create", "CGROUP_SOCK", "CGROUP_INET_SOCK_CREATE", "CGROUP", ""),
    ("cgroup/sock_release", "CGROUP_SOCK", "CGROUP_INET_SOCK_RELEASE", "CGROUP", ""),
    ("cgroup/sock", "CGROUP_SOCK", "CGROUP_INET_SOCK_CREATE", "CGROUP", "o"),
    ("cgroup/post_bind4", "CGROUP_SOCK", "CGROUP_INET4_POST_BIND", "CGROUP", ""),
    ("cgroup/post_bind6", "CGROUP_SOCK", "CGROUP_INET6_POST_BIND", "CGROUP", ""),
    ("cgroup/bind4", "CGROUP_SOCK_ADDR", "CGROUP_INET4_BIND", "CGROUP", ""),
    ("cgroup/bind6", "CGROUP_SOCK_ADDR", "CGROUP_INET6_BIND", "CGROUP", ""),
    ("cgroup/connect4", "CGROUP_SOCK_ADDR", "CGROUP_INET4_CONNECT", "CGROUP", ""),
    ("cgroup/connect6", "CGROUP_SOCK_ADDR", "CGROUP_INET6_CONNECT", "CGROUP", ""),
    ("cgroup/connect_unix", "CGROUP_SOCK_ADDR", "CGROUP_UNIX_CONNECT", "CGROUP", ""),
    ("cgroup/sendmsg4", "CGROUP_SOCK_ADDR", "CGROUP_UDP4_SENDMSG", "CGROUP", ""),
    ("cgroup/sendmsg6", "CGROUP_SOCK_ADDR", "CGROUP_UDP6_SENDMSG", "CGROUP", ""),
    ("cgroup/sendmsg_unix", "CGROUP_SOCK_ADDR", "CGROUP_UNIX_SENDMSG", "CGROUP", ""),
    ("cgroup/recvmsg4", "CGROUP_SOCK_ADDR", "CGROUP_UDP4_RECVMSG", "CGROUP", ""),
    ("cgroup/recvmsg6", "CGROUP_SOCK_ADDR", "CGROUP_UDP6_RECVMSG", "CGROUP", ""),
    ("cgroup/recvmsg_unix", "CGROUP_SOCK_ADDR", "CGROUP_UNIX_RECVMSG", "CGROUP", ""),
    ("cgroup/getpeername4", "CGROUP_SOCK_ADDR", "CGROUP_INET4_GETPEERNAME", "CGROUP", ""),
    ("cgroup/getpeername6", "CGROUP_SOCK_ADDR", "CGROUP_INET6_GETPEERNAME", "CGROUP", ""),
    ("cgroup/getpeername_unix", "CGROUP_SOCK_ADDR", "CGROUP_UNIX_GETPEERNAME", "CGROUP", ""),
    ("cgroup/getsockname4", "CGROUP_SOCK_ADDR", "CGROUP_INET4_GETSOCKNAME", "CGROUP", ""),
    ("cgroup/getsockname6", "CGROUP_SOCK_ADDR", "CGROUP_INET6_GETSOCKNAME", "CGROUP", ""),
    ("cgroup/getsockname_unix", "CGROUP_SOCK_ADDR", "CGROUP_UNIX_GETSOCKNAME", "CGROUP", ""),
    ("cgroup/sysctl", "CGROUP_SYSCTL", "CGROUP_SYSCTL", "CGROUP", ""),
    ("cgroup/getsockopt", "CGROUP_SOCKOPT", "CGROUP_GETSOCKOPT", "CGROUP", ""),
    ("cgroup/setsockopt", "CGROUP_SOCKOPT", "CGROUP_SETSOCKOPT", "CGROUP", ""),
    ("cgroup/dev", "CGROUP_DEVICE", "CGROUP_DEVICE", "CGROUP", "o"),
    ("struct_ops", "STRUCT_OPS", None, "STRUCT_OPS", "+"),
    ("struct_ops.s", "STRUCT_OPS", None, "STRUCT_OPS", "+s"),
    ("sk_lookup", "SK_LOOKUP", "SK_LOOKUP", "NETNS", ""),
    ("netfilter", "NETFILTER", "NETFILTER", "NETFILTER", ""),
)


@remembered
def _rows_by_prefix() -> dict[str, tuple[str, str, str | None, str, str]]:
    return {row[0]: row for row in _ROWS}


@remembered
def _definition(prefix: str) -> SectionDefinition:
    _, program_type, attach_type, kind, flags = _rows_by_prefix()[prefix]
    return SectionDefinition(
        prefix=prefix,
        program_type=ProgramType[program_type],
        attach_type=AttachType[attach_type] if attach_type is not None else None,
        kind=AttachKind[kind],
        takes_argument="+" in flags,
        auto_attach="A" in flags,
        sleepable="s" in flags,
        frags="f" in flags,
        btf_target="B" in flags,
        optional_attach_type="o" in flags,
    )


def section_definitions() -> tuple[SectionDefinition, ...]:
    """The whole table, in libbpf's order."""
    return tuple(_definition(row[0]) for row in _ROWS)


def match_section(name: str) -> tuple[SectionDefinition, str] | None:
    """The row that `name` (without a leading "?") matches and the argument behind its "/"; None if none does."""
    rows = _rows_by_prefix()
    if name in rows:
        return _definition(name), ""
    prefix, slash, argument = name.partition("/")
    if slash and prefix in rows and "+" in rows[prefix][4]:
        return _definition(prefix), argument
    return None
