/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */ // Kernel functions of a module: nf_conntrack's, which looks for the connection that a packet belongs to.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct nf_conn {
	long status;
} __attribute__((preserve_access_index));

struct bpf_ct_opts___small {
	int netns_id;
	int error;
	unsigned char l4proto;
	unsigned char dir;
	unsigned char reserved[2];
};

extern struct nf_conn *bpf_xdp_ct_lookup(struct xdp_md *ctx, struct bpf_sock_tuple *tuple, __u32 tuple_size,
					 struct bpf_ct_opts___small *opts, __u32 opts_size) __ksym;
extern void bpf_ct_release(struct nf_conn *connection) __ksym;

int found = -1;
int error;

SEC("?xdp")
int look_up(struct xdp_md *ctx)
{
	struct bpf_ct_opts___small opts = { .netns_id = -1, .l4proto = 6 };
	struct bpf_sock_tuple tuple = {};
	struct nf_conn *connection;

	tuple.ipv4.saddr = 1;
	connection = bpf_xdp_ct_lookup(ctx, &tuple, sizeof(tuple.ipv4), &opts, sizeof(opts));
	if (connection) {
		found = 1;
		bpf_ct_release(connection);
	} else {
		found = 0;
		error = opts.error;
	}
	return XDP_PASS;
}
