// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* A tracepoint whose arguments the verifier knows by their types: exec and exit of one process, without a copy. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct task_struct {
	int pid;
	int tgid;
} __attribute__((preserve_access_index));

const volatile int my_tgid = 0;
__u64 seen = 0;
__u64 cookie = 0;
int last_pid = 0;

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, _Bool preempt, struct task_struct *previous, struct task_struct *next)
{
	if (previous->tgid != my_tgid)
		return 0;
	last_pid = previous->pid;
	__sync_fetch_and_add(&seen, 1);
	return 0;
}

/* Cookies at tracepoints came with Linux 6.10, and older verifiers refuse the helper here. */
SEC("?tp_btf/sched_switch")
int BPF_PROG(tell_cookie, _Bool preempt, struct task_struct *previous, struct task_struct *next)
{
	if (previous->tgid == my_tgid)
		cookie = bpf_get_attach_cookie(ctx);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
