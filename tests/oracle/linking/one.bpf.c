// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Linked with two.bpf.c: every kind of symbol and reference that a linker has to get right. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct key {
	int id;
	char name[12];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct key);
	__type(value, long);
} shared SEC(".maps");

extern struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, int);
	__type(value, int);
} theirs SEC(".maps");

extern int LINUX_KERNEL_VERSION __kconfig;
extern const void bpf_prog_fops __ksym __weak;

int counter = 7;
static volatile int hidden_state = 3;
const volatile int limit = 11;
long zeroed;
extern int theirs_counter;
int maybe __weak = 1;

int twice(int x);

static __noinline int same_name(int x)
{
	return x + hidden_state;
}

__weak int chosen(int x)
{
	return x + 1;
}

__hidden int ours(int x)
{
	return same_name(x) + counter;
}

SEC("socket")
int first(struct __sk_buff *skb)
{
	struct key key = { .id = 1, .name = "first" };
	int zero = 0;
	int *value = bpf_map_lookup_elem(&theirs, &zero);
	long *known = bpf_map_lookup_elem(&shared, &key);

	if (value && known && LINUX_KERNEL_VERSION && &bpf_prog_fops)
		zeroed += *value + *known;
	return twice(skb->len) + chosen(1) + ours(2) + theirs_counter + maybe + limit;
}
