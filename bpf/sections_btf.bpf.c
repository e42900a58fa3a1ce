// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* A program for each section name whose target is looked up in the BTF of the kernel. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define PROGRAM(section, name) \
	SEC(section) int name(void *ctx) { return 0; }

PROGRAM("tp_btf/sched_switch", p_tp_btf_sched_switch)
PROGRAM("fentry/do_nanosleep", p_fentry_do_nanosleep)
PROGRAM("fentry.s/__x64_sys_nanosleep", p_fentry_s___x64_sys_nanosleep)
PROGRAM("fexit/do_nanosleep", p_fexit_do_nanosleep)
PROGRAM("fexit.s/__x64_sys_nanosleep", p_fexit_s___x64_sys_nanosleep)
PROGRAM("fmod_ret/should_failslab", p_fmod_ret_should_failslab)
PROGRAM("fmod_ret.s/__x64_sys_nanosleep", p_fmod_ret_s___x64_sys_nanosleep)
PROGRAM("iter/task", p_iter_task)
PROGRAM("iter.s/bpf_map", p_iter_s_bpf_map)
PROGRAM("lsm/file_open", p_lsm_file_open)
PROGRAM("lsm.s/bpf", p_lsm_s_bpf)
PROGRAM("lsm_cgroup/socket_bind", p_lsm_cgroup_socket_bind)

char LICENSE[] SEC("license") = "Dual MIT/GPL";
