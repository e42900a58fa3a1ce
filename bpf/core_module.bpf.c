// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* A type that the kernel itself may not have: veth is a module of its own in most kernels. */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

struct veth_priv {
	void *peer;
} __attribute__((preserve_access_index));

bool exists;
unsigned int size, peer_size;

SEC("raw_tp/sys_enter")
int veth(void *ctx)
{
	exists = bpf_core_field_exists(struct veth_priv, peer);
	size = bpf_core_type_size(struct veth_priv);
	peer_size = bpf_core_field_size(struct veth_priv, peer);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
