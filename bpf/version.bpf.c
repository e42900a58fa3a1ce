// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* A "version" section: kernels before 5.0 compared it with their own for kprobes. */
#include <linux/bpf.h>
#include <linux/version.h>
#include <bpf/bpf_helpers.h>

SEC("kprobe/do_nanosleep")
int on_nanosleep(void *ctx)
{
	return 0;
}

__u32 _version SEC("version") = KERNEL_VERSION(4, 19, 7);
char LICENSE[] SEC("license") = "GPL";
