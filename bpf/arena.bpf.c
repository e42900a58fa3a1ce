// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* An arena: memory that programs and the process share, with global variables in it. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define __arena __attribute__((address_space(1)))
#define PAGES 100

/* BPF_MAP_TYPE_ARENA and BPF_F_MMAPABLE: older headers know neither. */
struct {
	__uint(type, 33);
	__uint(map_flags, 1 << 10);
	__uint(max_entries, PAGES);
} arena SEC(".maps");

struct point {
	__u32 x, y;
};

__u64 __arena total = 40;
int __arena table[3] = {1, 2, 3};
struct point __arena at = {7, 8};
static __u64 __arena hidden = 5;
__u64 __arena zero;

/* What a pointer into the arena is for the process. */
__u64 address = 0;

SEC("syscall")
int add_up(void *ctx)
{
	void *use = &arena;

	asm volatile("" : : "r"(use));
	hidden += table[2];
	total += at.x + hidden;
	zero++;
	address = (__u64)&total;
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
