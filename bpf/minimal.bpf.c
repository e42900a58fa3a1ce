// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* The smallest whole program: a tracepoint, one global set from outside, a line in trace_pipe. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

int my_pid = 0;

SEC("tp/syscalls/sys_enter_write")
int handle_write(void *ctx)
{
	int pid = bpf_get_current_pid_tgid() >> 32;

	if (pid != my_pid)
		return 0;
	bpf_printk("BPF triggered from PID %d.", pid);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
