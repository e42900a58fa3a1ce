// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* Programs that the verifier refuses, each for one reason: for the error messages. None is loaded by itself. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} values SEC(".maps");

SEC("?syscall")
int null_not_checked(void *ctx)
{
	__u32 key = 0;
	__u64 *value = bpf_map_lookup_elem(&values, &key);

	return *value;
}

SEC("?xdp")
int packet_not_checked(struct xdp_md *ctx)
{
	return *(__u8 *)(long)ctx->data;
}

SEC("?socket")
int helper_not_allowed(struct __sk_buff *skb)
{
	return bpf_override_return((void *)skb, 1);
}

SEC("?syscall")
int never_ends(void *ctx)
{
	volatile int turns = 0;

	for (;;)
		turns++;
	return 0;
}

SEC("?tp/syscalls/sys_enter_write")
int beyond_the_context(__u64 *ctx)
{
	return ctx[4096];
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
