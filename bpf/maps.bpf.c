// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* A map of every common type, and every key that a definition in .maps can have. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct key {
	__u32 id;
	char name[12];
};

struct value {
	__u64 count;
	__s32 signed_count;
	__u8 flags : 3;
	__u8 rest : 5;
};

struct prefix {
	__u32 bits;
	__u8 address[16];
};

typedef struct value value_alias;

#define MAP(map_name, map_type, entries, key_kind, value_kind) \
	struct { \
		__uint(type, map_type); \
		__uint(max_entries, entries); \
		__type(key, key_kind); \
		__type(value, value_kind); \
	} map_name SEC(".maps")

#define SIZED_MAP(map_name, map_type, entries, key_bytes, value_bytes) \
	struct { \
		__uint(type, map_type); \
		__uint(max_entries, entries); \
		__uint(key_size, key_bytes); \
		__uint(value_size, value_bytes); \
	} map_name SEC(".maps")

#define STORAGE_MAP(map_name, map_type) \
	struct { \
		__uint(type, map_type); \
		__uint(map_flags, BPF_F_NO_PREALLOC); \
		__type(key, int); \
		__type(value, struct value); \
	} map_name SEC(".maps")

MAP(hash, BPF_MAP_TYPE_HASH, 100, struct key, value_alias);
MAP(array, BPF_MAP_TYPE_ARRAY, 16, __u32, struct value);
MAP(percpu_hash, BPF_MAP_TYPE_PERCPU_HASH, 32, __u64, struct value);
MAP(percpu_array, BPF_MAP_TYPE_PERCPU_ARRAY, 4, __u32, __u32);
MAP(lru_hash, BPF_MAP_TYPE_LRU_HASH, 64, __u32, __u64);
MAP(lru_percpu_hash, BPF_MAP_TYPE_LRU_PERCPU_HASH, 64, __u32, __u64);
SIZED_MAP(prog_array, BPF_MAP_TYPE_PROG_ARRAY, 8, 4, 4);
SIZED_MAP(perf_events, BPF_MAP_TYPE_PERF_EVENT_ARRAY, 0, 4, 4);
SIZED_MAP(stacks, BPF_MAP_TYPE_STACK_TRACE, 128, 4, 127 * 8);
SIZED_MAP(cgroups, BPF_MAP_TYPE_CGROUP_ARRAY, 2, 4, 4);
SIZED_MAP(devices, BPF_MAP_TYPE_DEVMAP, 4, 4, 4);
SIZED_MAP(devices_by_hash, BPF_MAP_TYPE_DEVMAP_HASH, 4, 4, 8);
SIZED_MAP(cpus, BPF_MAP_TYPE_CPUMAP, 4, 4, 8);
SIZED_MAP(xsks, BPF_MAP_TYPE_XSKMAP, 4, 4, 4);
SIZED_MAP(sockets, BPF_MAP_TYPE_SOCKMAP, 4, 4, 4);
MAP(sockets_by_hash, BPF_MAP_TYPE_SOCKHASH, 4, __u32, __u64);
SIZED_MAP(reuseport, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, 4, 4, 8);
STORAGE_MAP(socket_storage, BPF_MAP_TYPE_SK_STORAGE);
STORAGE_MAP(task_storage, BPF_MAP_TYPE_TASK_STORAGE);
STORAGE_MAP(inode_storage, BPF_MAP_TYPE_INODE_STORAGE);

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 64);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix);
	__uint(value_size, 8);
} prefixes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 64);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, __u32);
} prefixes4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 10);
	__type(value, struct value);
} queue SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, 10);
	__uint(value_size, 4);
} stack SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
	__uint(max_entries, 1000);
	__uint(map_extra, 3);
	__type(value, __u64);
} bloom SEC(".maps");

/* Rounded up to the next page times a power of two when it is created. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 5000);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_USER_RINGBUF);
	__uint(max_entries, 4096);
} user_ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_STORAGE);
	__type(key, struct bpf_cgroup_storage_key);
	__type(value, __u64);
} cgroup_storage SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__uint(map_flags, BPF_F_NUMA_NODE | BPF_F_NO_PREALLOC);
	__uint(numa_node, 0);
	__type(key, __u32);
	__type(value, __u32);
} on_node SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(pinning, LIBBPF_PIN_NONE);
	__type(key, __u32);
	__type(value, __u64);
} mapped SEC(".maps");

/* Key and size both given: they must agree. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, __u32);
	__uint(key_size, 4);
	__uint(value_size, 16);
} mixed SEC(".maps");

/* Two variables of one named type. */
struct named_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
};
struct named_map one_of_two SEC(".maps");
struct named_map two_of_two SEC(".maps");

/* Cut to 15 bytes for the kernel. */
MAP(a_name_longer_than_the_kernel_takes, BPF_MAP_TYPE_ARRAY, 1, __u32, __u32);

#define TOUCH(map) sum += (long)bpf_map_lookup_elem(&map, &zero) != 0

SEC("syscall")
int touch(void *ctx)
{
	__u64 zero = 0, sum = 0;

	TOUCH(array);
	TOUCH(percpu_array);
	TOUCH(lru_hash);
	TOUCH(percpu_hash);
	TOUCH(mapped);
	TOUCH(one_of_two);
	TOUCH(two_of_two);
	TOUCH(a_name_longer_than_the_kernel_takes);
	return sum;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
