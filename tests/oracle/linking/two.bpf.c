// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Linked with one.bpf.c. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

typedef struct key {
	int id;
	char name[12];
} key_t;

/* The same map in another order of its properties, by another name of its key. */
extern struct {
	__type(value, long);
	__type(key, key_t);
	__uint(max_entries, 64);
	__uint(type, BPF_MAP_TYPE_HASH);
} shared SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, int);
	__type(value, int);
} theirs SEC(".maps");

extern int LINUX_KERNEL_VERSION __kconfig;
extern _Bool CONFIG_BPF_SYSCALL __kconfig __weak;

int theirs_counter = 5;
static volatile long hidden_state = 9;
int maybe __weak = 2;
extern int counter;
extern const volatile int limit;

static __noinline int same_name(int x)
{
	return x * hidden_state;
}

int chosen(int x)
{
	return x + 100;
}

int twice(int x)
{
	return same_name(x) + x + counter;
}

static int each(void *map, void *key, void *value, void *context)
{
	*(long *)context += limit;
	return 0;
}

SEC("socket")
int second(struct __sk_buff *skb)
{
	long sum = 0;

	bpf_for_each_map_elem(&shared, each, &sum, 0);
	bpf_for_each_map_elem(&theirs, each, &sum, 0);
	return sum + twice(skb->len) + maybe + (LINUX_KERNEL_VERSION > 0) + CONFIG_BPF_SYSCALL;
}
