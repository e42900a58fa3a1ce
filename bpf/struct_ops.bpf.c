// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* Two tables for TCP congestion control: one that a link registers, one that is only made on request. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct sock;

struct tcp_sock {
	__u32 snd_cwnd;
	__u32 snd_ssthresh;
} __attribute__((preserve_access_index));

/* Some of the kernel's members in an order of our own, and one that no kernel has. */
struct tcp_congestion_ops {
	char name[16];
	__u32 (*ssthresh)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, __u32 ack, __u32 acked);
	void (*init)(struct sock *sk);
	__u32 (*undo_cwnd)(struct sock *sk);
	__u32 flags;
	void (*not_in_any_kernel)(struct sock *sk);
};

struct tcp_congestion_ops___flavoured {
	void (*init)(struct sock *sk);
	__u32 (*undo_cwnd)(struct sock *sk);
	__u32 (*ssthresh)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, __u32 ack, __u32 acked);
	char name[16];
};

__u32 inits = 0;
__u32 asked = 0;

SEC("struct_ops")
void BPF_PROG(counted_init, struct sock *sk)
{
	__sync_fetch_and_add(&inits, 1);
}

/* No table has it: loaded when it is put into one. */
SEC("?struct_ops")
void BPF_PROG(other_init, struct sock *sk)
{
	__sync_fetch_and_add(&inits, 1000);
}

SEC("struct_ops")
__u32 BPF_PROG(half, struct sock *sk)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;
	__u32 window = tp->snd_cwnd / 2;

	__sync_fetch_and_add(&asked, 1);
	return window > 2 ? window : 2;
}

SEC("struct_ops")
void BPF_PROG(keep, struct sock *sk, __u32 ack, __u32 acked)
{
}

SEC("struct_ops")
__u32 BPF_PROG(undo, struct sock *sk)
{
	return ((const struct tcp_sock *)sk)->snd_cwnd;
}

/* Only the table that is made on request has it. */
SEC("struct_ops")
__u32 BPF_PROG(on_request, struct sock *sk)
{
	return 2;
}

SEC(".struct_ops.link")
struct tcp_congestion_ops linked = {
	.name = "purebpf_link",
	.init = (void *)counted_init,
	.ssthresh = (void *)half,
	.cong_avoid = (void *)keep,
	.undo_cwnd = (void *)undo,
};

SEC(".struct_ops")
struct tcp_congestion_ops___flavoured plain = {
	.name = "purebpf_plain",
	.init = (void *)counted_init,
	.ssthresh = (void *)half,
	.cong_avoid = (void *)keep,
	.undo_cwnd = (void *)undo,
};

SEC("?.struct_ops.link")
struct tcp_congestion_ops requested = {
	.name = "purebpf_asked",
	.ssthresh = (void *)on_request,
	.cong_avoid = (void *)keep,
	.undo_cwnd = (void *)undo,
};

char LICENSE[] SEC("license") = "Dual MIT/GPL";
