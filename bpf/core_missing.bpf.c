// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* Accesses that no kernel since 5.14 has, and that nothing guards: for the error messages. None is loaded by itself. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

struct task_struct {
	long state;
	unsigned long comm;
	long pid;
	struct task_struct *real_parent;
} __attribute__((preserve_access_index));

struct task_structure {
	int pid;
} __attribute__((preserve_access_index));

enum bpf_map_type___kernel {
	BPF_MAP_TYPE_RINGBUFFER = 1,
};

long result;

SEC("?raw_tp/sys_enter")
int renamed(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	result = BPF_CORE_READ(task, real_parent, state);
	return 0;
}

SEC("?raw_tp/sys_enter")
int retyped(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	result = BPF_CORE_READ(task, comm);
	return 0;
}

SEC("?raw_tp/sys_enter")
int resized(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task_btf();

	result = task->pid;
	return 0;
}

SEC("?raw_tp/sys_enter")
int no_type(void *ctx)
{
	struct task_structure *task = (void *)bpf_get_current_task();

	result = BPF_CORE_READ(task, pid);
	return 0;
}

static __noinline int value_of_nothing(int number)
{
	return number + bpf_core_enum_value(enum bpf_map_type___kernel, BPF_MAP_TYPE_RINGBUFFER);
}

SEC("?raw_tp/sys_enter")
int no_enumerator(void *ctx)
{
	result = value_of_nothing(bpf_get_prandom_u32());
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
