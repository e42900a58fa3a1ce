// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* A program for each section name that came after libbpf 1.1 and needs no BTF of the kernel. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define PROGRAM(section, name) \
	SEC(section) int name(void *ctx) { return 0; }

PROGRAM("uprobe.multi", p_uprobe_multi)
PROGRAM("uprobe.multi//bin/true:*", p_uprobe_multi__bin_true_all)
PROGRAM("uprobe.multi.s", p_uprobe_multi_s)
PROGRAM("uretprobe.multi", p_uretprobe_multi)
PROGRAM("uretprobe.multi//bin/true:main", p_uretprobe_multi__bin_true_main)
PROGRAM("uretprobe.multi.s", p_uretprobe_multi_s)
PROGRAM("kprobe.session", p_kprobe_session)
PROGRAM("kprobe.session/vfs_*", p_kprobe_session_vfs_all)
PROGRAM("uprobe.session", p_uprobe_session)
PROGRAM("uprobe.session//bin/true:main", p_uprobe_session__bin_true_main)
PROGRAM("uprobe.session.s", p_uprobe_session_s)
PROGRAM("usdt.s", p_usdt_s)
PROGRAM("tc/ingress", p_tc_ingress)
PROGRAM("tcx/ingress", p_tcx_ingress)
PROGRAM("tc/egress", p_tc_egress)
PROGRAM("tcx/egress", p_tcx_egress)
PROGRAM("netkit/primary", p_netkit_primary)
PROGRAM("netkit/peer", p_netkit_peer)
PROGRAM("tracepoint.s", p_tracepoint_s)
PROGRAM("tracepoint.s/syscalls/sys_enter_write", p_tracepoint_s_syscalls_sys_enter_write)
PROGRAM("tp.s", p_tp_s)
PROGRAM("tp.s/syscalls/sys_exit_write", p_tp_s_syscalls_sys_exit_write)
PROGRAM("raw_tracepoint.s", p_raw_tracepoint_s)
PROGRAM("raw_tp.s", p_raw_tp_s)
PROGRAM("raw_tp.s/sys_enter", p_raw_tp_s_sys_enter)
PROGRAM("sk_skb/verdict", p_sk_skb_verdict)
PROGRAM("netfilter", p_netfilter)
PROGRAM("cgroup/connect_unix", p_cgroup_connect_unix)
PROGRAM("cgroup/sendmsg_unix", p_cgroup_sendmsg_unix)
PROGRAM("cgroup/recvmsg_unix", p_cgroup_recvmsg_unix)
PROGRAM("cgroup/getpeername_unix", p_cgroup_getpeername_unix)
PROGRAM("cgroup/getsockname_unix", p_cgroup_getsockname_unix)

char LICENSE[] SEC("license") = "Dual MIT/GPL";
