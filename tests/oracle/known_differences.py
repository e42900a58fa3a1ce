"""Where purebpf means to differ from libbpf 1.1, or libbpf has no opinion: each with its reason.

A test that finds a difference which is not here fails; test_known_differences.py fails for an entry without use.
"""

from __future__ import annotations

from typing import Final

from purebpf.uapi import ProgramType

REFUSED_BY_LIBBPF: Final = {
    "legacy map definitions in 'maps' section are not supported": (
        "libbpf dropped the legacy map section with 1.0; kernels before 4.18 and old objects need it"
    ),
    "endianness mismatch": "libbpf 1.1 takes objects of its own byte order only; purebpf can look at both",
    "BTF is required, but is missing or corrupted": (
        "the object was built without -g: with no types its .maps cannot be understood by anybody"
    ),
    "in section '.addr_space.1'": "libbpf 1.1 is older than arenas (1.5)",
}
"""Part of libbpf's reason for not opening an object -> why there is nothing to compare."""

NO_TYPES: Final = "BTF is required, but is missing or corrupted"
"""The one refusal of `REFUSED_BY_LIBBPF` that purebpf must share."""

NEWER_SECTIONS: Final = frozenset(
    (
        "uprobe.multi", "uprobe.multi.s", "uretprobe.multi", "uretprobe.multi.s", "kprobe.session", "uprobe.session",
        "uprobe.session.s", "usdt.s", "tc/ingress", "tcx/ingress", "tc/egress", "tcx/egress", "netkit/primary",
        "netkit/peer", "tracepoint.s", "tp.s", "raw_tracepoint.s", "raw_tp.s", "sk_skb/verdict", "netfilter",
        "cgroup/connect_unix", "cgroup/sendmsg_unix", "cgroup/recvmsg_unix", "cgroup/getpeername_unix",
        "cgroup/getsockname_unix",
    )
)  # fmt: skip
"""Section names (before any target) that came after libbpf 1.1, which gives such programs no type."""

ABSENT_FUNCTION: Final = "libbpf 1.1 calls BTF id 0 where newer ones poison the call of an absent function"
FLAVOURED_FUNCTION: Final = "libbpf 1.1 looks for a function by its whole name, newer ones without its ___flavour"

EXCEPTION_CALLBACK: Final = "libbpf 1.1 is older than exception callbacks (1.3) and does not append them"

# The order of the calls differs in one place: libbpf fills the slots of a map of maps as soon as that map is made, and
# fails if an inner map comes later in the file; purebpf fills them when all maps are there. So the tests compare the
# order among values and freezes, among slots, and among bindings, each on its own.

TAKES_THE_RUNNING_VERSION: Final = frozenset((ProgramType.KPROBE,))
"""Types that older kernels load only for their own version, which libbpf 1.1 does not find where Debian writes it."""
