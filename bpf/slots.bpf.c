// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* Static slots of maps of maps; a map that may be left out. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
};

struct inner a_first SEC(".maps");
struct inner z_late SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 4);
	__uint(key_size, 4);
	__array(values, struct inner);
} by_index SEC(".maps") = {
	.values = { [1] = &a_first, [2] = &z_late },
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 4);
	__uint(key_size, 4);
	__array(values, struct inner);
} by_key SEC(".maps") = {
	.values = { [1] = &a_first },
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} only_if_wanted SEC(".maps");

const volatile __u32 wanted = 0;
__u32 slot = 0;

/* The first value of the inner map in slot `slot`, 0 where there is none. */
SEC("syscall")
int look(void *ctx)
{
	__u32 zero = 0, index = slot, *value;
	void *found = bpf_map_lookup_elem(&by_index, &index);

	if (wanted) {
		value = bpf_map_lookup_elem(&only_if_wanted, &zero);
		return value ? *value : 0;
	}
	if (!found)
		return 0;
	value = bpf_map_lookup_elem(found, &zero);
	return value ? *value : 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
