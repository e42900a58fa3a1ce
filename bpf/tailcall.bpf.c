// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* A program array filled from the file: slot 0 and 2 have a program, slot 1 has none. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

int first(struct xdp_md *ctx);
int second(struct xdp_md *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 3);
	__uint(key_size, sizeof(__u32));
	__array(values, int(struct xdp_md *));
} jumps SEC(".maps") = {
	.values = {
		[0] = (void *)&first,
		[2] = (void *)&second,
	},
};

__u32 slot = 0;

SEC("xdp")
int first(struct xdp_md *ctx)
{
	return 101;
}

SEC("xdp")
int second(struct xdp_md *ctx)
{
	return 103;
}

/* 101, 103, or 1 where the slot is empty. */
SEC("xdp")
int entry(struct xdp_md *ctx)
{
	bpf_tail_call(ctx, &jumps, slot);
	return 1;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
