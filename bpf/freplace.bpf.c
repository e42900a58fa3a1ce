// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* A program with a function that another program replaces while it runs; and one that watches it return. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

int seen = 0;

__attribute__((noinline)) int verdict(struct xdp_md *context)
{
	int result = XDP_PASS;

	/* So that callers do not take the result for a constant. */
	asm volatile("" : "+r"(result));
	return context ? result : XDP_ABORTED;
}

__attribute__((noinline)) int other_verdict(struct xdp_md *context)
{
	int result = XDP_TX;

	asm volatile("" : "+r"(result));
	return context ? result : XDP_ABORTED;
}

SEC("xdp")
int judge(struct xdp_md *context)
{
	return verdict(context);
}

SEC("xdp")
int judge_otherwise(struct xdp_md *context)
{
	return other_verdict(context);
}

SEC("?freplace/verdict")
int drop_all(struct xdp_md *context)
{
	return XDP_DROP;
}

SEC("?fexit/judge")
int BPF_PROG(after_judge, void *context, int result)
{
	seen = result;
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
