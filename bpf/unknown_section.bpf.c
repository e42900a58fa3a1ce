// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* One program whose section name no loader knows, beside one that all know. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("of_my_own/making")
int unknown(void *ctx)
{
	return 0;
}

SEC("xdp")
int known(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
