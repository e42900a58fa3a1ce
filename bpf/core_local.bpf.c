// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* A question about the object's own types only: it loads on kernels without BTF. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

struct record {
	int number;
};

unsigned int record_type;

SEC("raw_tp/sys_enter")
int local(void *ctx)
{
	record_type = bpf_core_type_id_local(struct record);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
