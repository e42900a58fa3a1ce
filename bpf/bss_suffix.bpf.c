// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* A zeroed data section with a suffix, which libbpf 1.1 leaves out. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__u32 plain = 0;
__u32 apart SEC(".bss.apart");

SEC("syscall")
int count(void *ctx)
{
	plain++;
	apart += 2;
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
