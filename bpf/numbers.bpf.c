// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* A hash map of numbers, for benches and examples; the program adds one to each value that it is asked for. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, __u64);
} numbers SEC(".maps");

SEC("syscall")
int increment(__u64 *key_in)
{
	__u32 key = *key_in;
	__u64 *value = bpf_map_lookup_elem(&numbers, &key);

	if (!value)
		return 1;
	__sync_fetch_and_add(value, 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
