// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* Maps of maps: the inner map described in the definition, some slots filled from the file. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
};

struct inner inner_a SEC(".maps");
struct inner inner_b SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 4);
	__uint(key_size, 4);
	__array(values, struct inner);
} by_index SEC(".maps") = {
	.values = {
		[1] = &inner_a,
		[3] = &inner_b,
	},
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 8);
	__type(key, __u64);
	__array(values, struct {
		__uint(type, BPF_MAP_TYPE_HASH);
		__uint(max_entries, 5);
		__type(key, __u32);
		__type(value, __u32);
	});
} by_key SEC(".maps");

__u32 chosen = 1;

/* Adds one to the first value of the inner map in slot `chosen`; 1 where there is none. */
SEC("syscall")
int bump(void *ctx)
{
	__u32 zero = 0, slot = chosen;
	void *inner = bpf_map_lookup_elem(&by_index, &slot);
	__u64 *value, key = 7;

	if (bpf_map_lookup_elem(&by_key, &key))
		return 2;
	if (!inner)
		return 1;
	value = bpf_map_lookup_elem(inner, &zero);
	if (value)
		__sync_fetch_and_add(value, 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
