// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* For kernels without global data (before 5.2): the value comes from a map that the legacy "maps" section defines. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* Written out: libbpf 1.0 took it out of its headers. */
struct bpf_map_def {
	unsigned int type;
	unsigned int key_size;
	unsigned int value_size;
	unsigned int max_entries;
	unsigned int map_flags;
};

struct bpf_map_def SEC("maps") my_pid_map = {
	.type = BPF_MAP_TYPE_ARRAY,
	.key_size = sizeof(__u32),
	.value_size = sizeof(__u32),
	.max_entries = 1,
};

SEC("tp/syscalls/sys_enter_write")
int handle_write(void *ctx)
{
	__u32 index = 0;
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	__u32 *my_pid = bpf_map_lookup_elem(&my_pid_map, &index);
	char format[] = "BPF triggered from PID %d.\n";

	if (!my_pid || *my_pid != pid)
		return 0;
	bpf_trace_printk(format, sizeof(format), pid);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
