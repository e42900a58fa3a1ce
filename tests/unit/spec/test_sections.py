"""The SEC() table against libbpf 1.8's list, written down a second time from its documentation."""

from collections import Counter

import pytest

from purebpf.spec.sections import AttachKind, SectionDefinition, match_section, section_definitions
from purebpf.uapi import AttachType, ProgramType

# program type: {prefix with "+" if it takes an argument: expected attach type}. "[.s]" stands for two rows, of
# which the second is sleepable.
EXPECTED: dict[str, dict[str, str | None]] = {
    "SOCKET_FILTER": {"socket": None},
    "SK_REUSEPORT": {
        "sk_reuseport/migrate": "SK_REUSEPORT_SELECT_OR_MIGRATE",
        "sk_reuseport": "SK_REUSEPORT_SELECT",
    },
    "KPROBE": {
        "kprobe+": None,
        "kretprobe+": None,
        "ksyscall+": None,
        "kretsyscall+": None,
        "uprobe[.s]+": None,
        "uretprobe[.s]+": None,
        "kprobe.multi+": "TRACE_KPROBE_MULTI",
        "kretprobe.multi+": "TRACE_KPROBE_MULTI",
        "kprobe.session+": "TRACE_KPROBE_SESSION",
        "uprobe.multi[.s]+": "TRACE_UPROBE_MULTI",
        "uretprobe.multi[.s]+": "TRACE_UPROBE_MULTI",
        "uprobe.session[.s]+": "TRACE_UPROBE_SESSION",
        "usdt[.s]+": None,
    },
    "SCHED_CLS": {
        "tc/ingress": "TCX_INGRESS",
        "tcx/ingress": "TCX_INGRESS",
        "tc/egress": "TCX_EGRESS",
        "tcx/egress": "TCX_EGRESS",
        "tc": None,
        "classifier": None,
        "netkit/primary": "NETKIT_PRIMARY",
        "netkit/peer": "NETKIT_PEER",
    },
    "SCHED_ACT": {"action": None},
    "TRACEPOINT": {"tracepoint[.s]+": None, "tp[.s]+": None},
    "RAW_TRACEPOINT": {"raw_tracepoint[.s]+": None, "raw_tp[.s]+": None},
    "RAW_TRACEPOINT_WRITABLE": {"raw_tracepoint.w+": None, "raw_tp.w+": None},
    "TRACING": {
        "tp_btf[.s]+": "TRACE_RAW_TP",
        "fentry[.s]+": "TRACE_FENTRY",
        "fexit[.s]+": "TRACE_FEXIT",
        "fmod_ret[.s]+": "MODIFY_RETURN",
        "fsession[.s]+": "TRACE_FSESSION",
        "iter[.s]+": "TRACE_ITER",
        "fentry.multi[.s]+": "TRACE_FENTRY_MULTI",
        "fexit.multi[.s]+": "TRACE_FEXIT_MULTI",
        "fsession.multi[.s]+": "TRACE_FSESSION_MULTI",
    },
    "EXT": {"freplace+": None},
    "LSM": {"lsm[.s]+": "LSM_MAC", "lsm_cgroup+": "LSM_CGROUP"},
    "SYSCALL": {"syscall": None},
    "XDP": {
        "xdp": "XDP",
        "xdp.frags": "XDP",
        "xdp/devmap": "XDP_DEVMAP",
        "xdp.frags/devmap": "XDP_DEVMAP",
        "xdp/cpumap": "XDP_CPUMAP",
        "xdp.frags/cpumap": "XDP_CPUMAP",
    },
    "PERF_EVENT": {"perf_event": None},
    "LWT_IN": {"lwt_in": None},
    "LWT_OUT": {"lwt_out": None},
    "LWT_XMIT": {"lwt_xmit": None},
    "LWT_SEG6LOCAL": {"lwt_seg6local": None},
    "SOCK_OPS": {"sockops": "CGROUP_SOCK_OPS"},
    "SK_SKB": {
        "sk_skb/stream_parser": "SK_SKB_STREAM_PARSER",
        "sk_skb/stream_verdict": "SK_SKB_STREAM_VERDICT",
        "sk_skb/verdict": "SK_SKB_VERDICT",
        "sk_skb": None,
    },
    "SK_MSG": {"sk_msg": "SK_MSG_VERDICT"},
    "LIRC_MODE2": {"lirc_mode2": "LIRC_MODE2"},
    "FLOW_DISSECTOR": {"flow_dissector": "FLOW_DISSECTOR"},
    "SK_LOOKUP": {"sk_lookup": "SK_LOOKUP"},
    "NETFILTER": {"netfilter": "NETFILTER"},
    "CGROUP_SKB": {
        "cgroup_skb/ingress": "CGROUP_INET_INGRESS",
        "cgroup_skb/egress": "CGROUP_INET_EGRESS",
        "cgroup/skb": None,
    },
    "CGROUP_SOCK": {
        "cgroup/sock_create": "CGROUP_INET_SOCK_CREATE",
        "cgroup/sock_release": "CGROUP_INET_SOCK_RELEASE",
        "cgroup/sock": "CGROUP_INET_SOCK_CREATE",
        "cgroup/post_bind4": "CGROUP_INET4_POST_BIND",
        "cgroup/post_bind6": "CGROUP_INET6_POST_BIND",
    },
    "CGROUP_SOCK_ADDR": {
        "cgroup/bind4": "CGROUP_INET4_BIND",
        "cgroup/bind6": "CGROUP_INET6_BIND",
        "cgroup/connect4": "CGROUP_INET4_CONNECT",
        "cgroup/connect6": "CGROUP_INET6_CONNECT",
        "cgroup/connect_unix": "CGROUP_UNIX_CONNECT",
        "cgroup/sendmsg4": "CGROUP_UDP4_SENDMSG",
        "cgroup/sendmsg6": "CGROUP_UDP6_SENDMSG",
        "cgroup/sendmsg_unix": "CGROUP_UNIX_SENDMSG",
        "cgroup/recvmsg4": "CGROUP_UDP4_RECVMSG",
        "cgroup/recvmsg6": "CGROUP_UDP6_RECVMSG",
        "cgroup/recvmsg_unix": "CGROUP_UNIX_RECVMSG",
        "cgroup/getpeername4": "CGROUP_INET4_GETPEERNAME",
        "cgroup/getpeername6": "CGROUP_INET6_GETPEERNAME",
        "cgroup/getpeername_unix": "CGROUP_UNIX_GETPEERNAME",
        "cgroup/getsockname4": "CGROUP_INET4_GETSOCKNAME",
        "cgroup/getsockname6": "CGROUP_INET6_GETSOCKNAME",
        "cgroup/getsockname_unix": "CGROUP_UNIX_GETSOCKNAME",
    },
    "CGROUP_SYSCTL": {"cgroup/sysctl": "CGROUP_SYSCTL"},
    "CGROUP_SOCKOPT": {"cgroup/getsockopt": "CGROUP_GETSOCKOPT", "cgroup/setsockopt": "CGROUP_SETSOCKOPT"},
    "CGROUP_DEVICE": {"cgroup/dev": "CGROUP_DEVICE"},
    "STRUCT_OPS": {"struct_ops[.s]+": None},
}
SLEEPABLE_WITHOUT_SUFFIX = {"syscall"}
ATTACHED_BY_NAME = {"KPROBE", "TRACEPOINT", "RAW_TRACEPOINT", "RAW_TRACEPOINT_WRITABLE", "TRACING", "EXT", "LSM"}
WITH_BTF_TARGET = {"tp_btf", "fentry", "fexit", "fmod_ret", "fsession", "freplace", "lsm", "lsm_cgroup", "iter"}
OPTIONAL_ATTACH_TYPE = {
    "xdp",
    "sockops",
    "sk_skb/stream_parser",
    "sk_skb/stream_verdict",
    "sk_skb/verdict",
    "sk_msg",
    "lirc_mode2",
    "flow_dissector",
    "cgroup_skb/ingress",
    "cgroup_skb/egress",
    "cgroup/sock",
    "cgroup/dev",
}


def expected() -> dict[str, tuple[str, str | None, bool, bool]]:
    """Prefix -> (program type, attach type, takes an argument, sleepable)."""
    rows = {}
    for program_type, prefixes in EXPECTED.items():
        for pattern, attach_type in prefixes.items():
            name, argument = pattern.removesuffix("+"), pattern.endswith("+")
            plain = name.replace("[.s]", "")
            rows[plain] = program_type, attach_type, argument, plain in SLEEPABLE_WITHOUT_SUFFIX
            if plain != name:
                rows[name.replace("[.s]", ".s")] = program_type, attach_type, argument, True
    return rows


BY_PREFIX = {row.prefix: row for row in section_definitions()}


def test_the_table_has_libbpfs_116_rows_each_once() -> None:
    assert len(section_definitions()) == 116
    assert len(BY_PREFIX) == 116
    assert set(BY_PREFIX) == set(expected())


@pytest.mark.parametrize("prefix", expected())
def test_type_attach_type_argument_and_sleepable_are_libbpfs(prefix: str) -> None:
    program_type, attach_type, argument, sleepable = expected()[prefix]
    row = BY_PREFIX[prefix]
    assert row.program_type is ProgramType[program_type]
    assert row.attach_type is (AttachType[attach_type] if attach_type is not None else None)
    assert (row.takes_argument, row.sleepable) == (argument, sleepable)


def stem(row: SectionDefinition) -> str:
    return row.prefix.removesuffix(".s")


def test_what_attaches_by_itself_is_libbpfs() -> None:
    for row in section_definitions():
        assert row.auto_attach == (row.program_type.name in ATTACHED_BY_NAME and row.prefix != "lsm_cgroup"), row


def test_what_has_a_target_in_btf_is_libbpfs() -> None:
    assert {stem(row) for row in section_definitions() if row.btf_target} == WITH_BTF_TARGET


def test_what_old_kernels_get_without_an_attach_type_is_libbpfs() -> None:
    assert {row.prefix for row in section_definitions() if row.optional_attach_type} == OPTIONAL_ATTACH_TYPE


def test_flags_of_a_program_are_sleepable_and_frags() -> None:
    assert BY_PREFIX["uprobe.s"].program_flags == 1 << 4
    assert BY_PREFIX["xdp.frags/cpumap"].program_flags == 1 << 5
    assert BY_PREFIX["xdp"].program_flags == 0
    assert {row.prefix for row in section_definitions() if row.frags} == {
        "xdp.frags",
        "xdp.frags/devmap",
        "xdp.frags/cpumap",
    }


def test_every_kind_of_hook_is_in_the_table() -> None:
    assert set(Counter(row.kind for row in section_definitions())) == set(AttachKind)


def test_every_row_is_found_by_its_prefix_alone() -> None:
    for row in section_definitions():
        assert match_section(row.prefix) == (row, "")


@pytest.mark.parametrize(
    ("name", "prefix", "argument"),
    [
        ("kprobe/do_unlinkat", "kprobe", "do_unlinkat"),
        ("kprobe/do_unlinkat+0x10", "kprobe", "do_unlinkat+0x10"),
        ("kprobe/", "kprobe", ""),
        ("uprobe.s//usr/bin/sh:main", "uprobe.s", "/usr/bin/sh:main"),
        ("tracepoint/syscalls/sys_enter_write", "tracepoint", "syscalls/sys_enter_write"),
        ("struct_ops/tcp_init", "struct_ops", "tcp_init"),
        ("fentry/bpf:f", "fentry", "bpf:f"),
        ("uprobe.multi/x:y*", "uprobe.multi", "x:y*"),
    ],
)
def test_what_stands_behind_the_slash_is_the_argument(name: str, prefix: str, argument: str) -> None:
    assert match_section(name) == (BY_PREFIX[prefix], argument)


@pytest.mark.parametrize(
    "name", ["", "/", "kprob", "kprobes", "kprobe.multix", "xdp/", "xdp/other", "socket1", "cgroup", "KPROBE", "?xdp"]
)
def test_other_names_match_nothing(name: str) -> None:
    assert match_section(name) is None
