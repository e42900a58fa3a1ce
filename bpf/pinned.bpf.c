// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* A map that asks to be pinned by its name. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, __u32);
	__type(value, __u64);
} purebpf_pinned SEC(".maps");

SEC("syscall")
int count(void *ctx)
{
	__u32 key = 1;
	__u64 one = 1, *value = bpf_map_lookup_elem(&purebpf_pinned, &key);

	if (value)
		__sync_fetch_and_add(value, 1);
	else
		bpf_map_update_elem(&purebpf_pinned, &key, &one, BPF_ANY);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
