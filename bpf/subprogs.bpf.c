// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* Functions in every relation: several programs in one section, shared and nested subprograms, callbacks. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define noinline __attribute__((noinline))

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

__u64 total = 0;
int seed = 3;

static noinline int leaf(int x)
{
	total += x;
	return x * 3 + seed;
}

static noinline int middle(int x)
{
	return leaf(x + 1) + leaf(x + 2);
}

noinline int global_middle(int x)
{
	return middle(x) - leaf(x);
}

__weak noinline int weak_leaf(int x)
{
	total += 1;
	return x ^ seed;
}

__hidden noinline int hidden_leaf(int x)
{
	total += 2;
	return x | seed;
}

/* Called by nobody: it must be in no program. */
noinline int nobody_calls(int x)
{
	return leaf(x) * 7;
}

struct bpf_map;

static long add_value(struct bpf_map *map, __u32 *key, __u64 *value, long *sum)
{
	*sum += *value + leaf(*key);
	return 0;
}

static long count_turn(__u32 index, long *sum)
{
	*sum += index;
	return 0;
}

SEC("syscall")
int calls_leaf(void *ctx)
{
	return leaf(1);
}

SEC("syscall")
int calls_nested(void *ctx)
{
	return global_middle(2) + middle(5) + weak_leaf(6) + hidden_leaf(7);
}

SEC("?syscall")
int not_loaded_by_itself(void *ctx)
{
	return middle(10);
}

SEC("syscall")
int uses_callbacks(void *ctx)
{
	long sum = 0;

	bpf_for_each_map_elem(&counts, add_value, &sum, 0);
	bpf_loop(10, count_turn, &sum, 0);
	return sum + leaf(2);
}

SEC("xdp")
int other_section(struct xdp_md *ctx)
{
	return leaf(ctx->ingress_ifindex) > 0 ? XDP_PASS : XDP_PASS + weak_leaf(0) * 0;
}

/* A subprogram of its own section, beside the program. */
SEC("xdp")
int same_section(struct xdp_md *ctx)
{
	return other_section(ctx);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
