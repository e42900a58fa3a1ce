// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* System calls of one process by a raw tracepoint: how many, and the number of the last one. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 my_tgid = 0;
__u64 calls = 0;
long last_number = -1;

SEC("raw_tp/sys_enter")
int on_sys_enter(struct bpf_raw_tracepoint_args *ctx)
{
	if (bpf_get_current_pid_tgid() >> 32 != my_tgid)
		return 0;
	__sync_fetch_and_add(&calls, 1);
	last_number = ctx->args[1];
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
