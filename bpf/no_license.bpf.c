// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* No license section: the object can be loaded, but with no helper that is for GPL programs only. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}
