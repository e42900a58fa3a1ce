// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* CO-RE on the kernel's own types: each kind of question about a task, answered into a variable. */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

/* Of each type no more than is asked about, in an order of its own. */
struct task_struct {
	char comm[16];
	int tgid;
	int pid;
	struct task_struct *real_parent;
	unsigned int sched_reset_on_fork : 1;
} __attribute__((preserve_access_index));

/* What a task's state was called before Linux 5.14, and since. */
struct task_struct___old {
	long state;
} __attribute__((preserve_access_index));

struct task_struct___new {
	unsigned int __state;
} __attribute__((preserve_access_index));

struct list_head {
	struct list_head *prev;
	struct list_head *next;
};

struct no_such_struct {
	int member;
} __attribute__((preserve_access_index));

enum bpf_map_type___kernel {
	BPF_MAP_TYPE_RINGBUF___kernel = 1,
	BPF_MAP_TYPE_NO_SUCH___kernel = 2,
};

/* Fields: offset, size, existence, signedness, bits. */
int pid, tgid, parent_tgid, direct_pid;
char comm[16];
unsigned int comm_size, pid_offset;
bool state_renamed, state_kept, no_such_member;
bool pid_signed;
unsigned int reset_on_fork;

/* Types: ids, existence, size. */
unsigned int task_type, local_task_type;
bool list_exists, no_such_struct_exists;
unsigned int list_size, no_such_struct_size;

/* Enumerators. */
unsigned long long ringbuf;
bool ringbuf_exists, no_such_type_exists;

unsigned int state;

SEC("raw_tp/sys_enter")
int fields(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	pid = BPF_CORE_READ(task, pid);
	tgid = BPF_CORE_READ(task, tgid);
	parent_tgid = BPF_CORE_READ(task, real_parent, tgid);
	bpf_core_read_str(comm, sizeof(comm), &task->comm);
	comm_size = bpf_core_field_size(task->comm);
	pid_offset = bpf_core_field_offset(struct task_struct, pid);
	pid_signed = __builtin_preserve_field_info(task->pid, BPF_FIELD_SIGNED);
	reset_on_fork = BPF_CORE_READ_BITFIELD_PROBED(task, sched_reset_on_fork);
	return 0;
}

SEC("raw_tp/sys_enter")
int direct(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task_btf();

	direct_pid = task->pid;
	return 0;
}

SEC("raw_tp/sys_enter")
int flavours(void *ctx)
{
	struct task_struct___old *old = (void *)bpf_get_current_task();
	struct task_struct___new *new = (void *)old;

	state_kept = bpf_core_field_exists(old->state);
	state_renamed = bpf_core_field_exists(new->__state);
	no_such_member = bpf_core_field_exists(struct no_such_struct, member);
	if (bpf_core_field_exists(new->__state))
		state = BPF_CORE_READ(new, __state);
	else
		state = BPF_CORE_READ(old, state);
	return 0;
}

SEC("raw_tp/sys_enter")
int types(void *ctx)
{
	task_type = bpf_core_type_id_kernel(struct task_struct);
	local_task_type = bpf_core_type_id_local(struct task_struct);
	list_exists = bpf_core_type_exists(struct list_head);
	list_size = bpf_core_type_size(struct list_head);
	no_such_struct_exists = bpf_core_type_exists(struct no_such_struct);
	no_such_struct_size = bpf_core_type_size(struct no_such_struct);
	return 0;
}

SEC("raw_tp/sys_enter")
int enumerators(void *ctx)
{
	ringbuf = bpf_core_enum_value(enum bpf_map_type___kernel, BPF_MAP_TYPE_RINGBUF___kernel);
	ringbuf_exists = bpf_core_enum_value_exists(enum bpf_map_type___kernel, BPF_MAP_TYPE_RINGBUF___kernel);
	no_such_type_exists = bpf_core_enum_value_exists(enum bpf_map_type___kernel, BPF_MAP_TYPE_NO_SUCH___kernel);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
