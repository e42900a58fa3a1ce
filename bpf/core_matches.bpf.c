// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* Whether types are exactly the kernel's: no question that clang 14 could write down. */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

struct list_head {
	struct list_head *prev;
	struct list_head *next;
};

struct list_head___other {
	int prev;
};

bool same, other;

SEC("raw_tp/sys_enter")
int matches(void *ctx)
{
#if __clang_major__ >= 16
	same = bpf_core_type_matches(struct list_head);
	other = bpf_core_type_matches(struct list_head___other);
#endif
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
