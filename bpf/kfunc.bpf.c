/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */ // Kernel functions (kfuncs): strong, weak, under another name, and one that no kernel has.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define exists(function) (!!(function))

/* The whole of it is not needed, but a declaration alone is another type than the kernel's. */
struct task_struct {
	int pid;
} __attribute__((preserve_access_index));

extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;
extern struct task_struct *bpf_task_from_pid___mine(int pid) __ksym __weak;
extern void bpf_task_release(struct task_struct *task) __ksym __weak;
extern int bpf_in_no_kernel(int number) __ksym __weak;

int found = -1;
int absent = -1;

SEC("syscall")
int look(void *ctx)
{
	absent = !exists(bpf_in_no_kernel);
	if (exists(bpf_task_from_pid___mine)) {
		struct task_struct *task = bpf_task_from_pid___mine(1);

		found = !!task;
		if (task)
			bpf_task_release(task);
	}
	if (exists(bpf_in_no_kernel))
		return bpf_in_no_kernel(1);
	return 0;
}

/* Calls what is there since 6.2, or does not load. */
SEC("?syscall")
int lock(void *ctx)
{
	bpf_rcu_read_lock();
	bpf_rcu_read_unlock();
	return 7;
}

/* Calls it without asking: loads nowhere, and says why. */
SEC("?syscall")
int call_the_absent(void *ctx)
{
	return bpf_in_no_kernel(1);
}
