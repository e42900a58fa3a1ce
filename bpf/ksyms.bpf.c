/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */ // Kernel variables: by address alone (`void`, from kallsyms), and by type (from the kernel's BTF).
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct rq {
	int cpu;
} __attribute__((preserve_access_index));

extern const void schedule __ksym;
extern const void nowhere_in_any_kernel __ksym __weak;
extern const struct rq runqueues __ksym;
extern const int nothing_typed_like_this __ksym __weak;

unsigned long schedule_address;
unsigned long missing_address = 1;
unsigned long missing_typed_address = 1;
int cpu_of_queue_1 = -1;
int cpu_of_this_queue = -1;

SEC("raw_tp")
int addresses(void *ctx)
{
	schedule_address = (unsigned long)&schedule;
	missing_address = (unsigned long)&nowhere_in_any_kernel;
	missing_typed_address = (unsigned long)&nothing_typed_like_this;
	return 0;
}

/* Needs a kernel that knows where its variables are: CONFIG_KALLSYMS_ALL. */
SEC("?raw_tp")
int queues(void *ctx)
{
	struct rq *queue;

	queue = bpf_per_cpu_ptr(&runqueues, 1);
	if (queue)
		cpu_of_queue_1 = queue->cpu;
	queue = bpf_this_cpu_ptr(&runqueues);
	cpu_of_this_queue = queue->cpu;
	return 0;
}
