// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* Every exec and exit with its parent, and how and when it ended; `min_duration_ns` leaves out execs and the short-lived. */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

/* What is read of it; CO-RE finds it on each kernel. */
struct task_struct {
	int tgid;
	int exit_code;
	struct task_struct *real_parent;
} __attribute__((preserve_access_index));

struct event {
	__u32 pid;
	__u32 ppid;
	__u32 exit_code;	/* of an exit: what it gave to exit(), 0 if a signal ended it */
	bool exit_event;
	__u64 duration_ns;
	char comm[16];
	char filename[127];
};

struct sched_process_exec {
	__u64 common;
	__u32 filename_location;
	__s32 pid;
	__s32 old_pid;
};

const volatile __u64 min_duration_ns = 0;
const struct event *rb_record = 0;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, __u64);
} exec_start SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} rb SEC(".maps");

static __u32 parent_of(struct task_struct *task)
{
	return BPF_CORE_READ(task, real_parent, tgid);
}

SEC("tp/sched/sched_process_exec")
int handle_exec(struct sched_process_exec *ctx)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	__u64 now = bpf_ktime_get_ns();
	struct event *event;

	bpf_map_update_elem(&exec_start, &pid, &now, BPF_ANY);
	if (min_duration_ns)
		return 0;
	event = bpf_ringbuf_reserve(&rb, sizeof(*event), 0);
	if (!event)
		return 0;
	event->pid = pid;
	event->ppid = parent_of((void *)bpf_get_current_task());
	event->exit_code = 0;
	event->exit_event = false;
	event->duration_ns = 0;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	bpf_probe_read_kernel_str(event->filename, sizeof(event->filename),
				  (void *)ctx + (ctx->filename_location & 0xffff));
	bpf_ringbuf_submit(event, 0);
	return 0;
}

SEC("tp/sched/sched_process_exit")
int handle_exit(void *ctx)
{
	__u64 id = bpf_get_current_pid_tgid(), duration = 0, *start;
	__u32 pid = id >> 32;
	struct task_struct *task;
	struct event *event;

	if (pid != (__u32)id)
		return 0;
	start = bpf_map_lookup_elem(&exec_start, &pid);
	if (start)
		duration = bpf_ktime_get_ns() - *start;
	else if (min_duration_ns)
		return 0;
	bpf_map_delete_elem(&exec_start, &pid);
	if (min_duration_ns && duration < min_duration_ns)
		return 0;
	event = bpf_ringbuf_reserve(&rb, sizeof(*event), 0);
	if (!event)
		return 0;
	event->pid = pid;
	task = (void *)bpf_get_current_task();
	event->ppid = parent_of(task);
	event->exit_code = BPF_CORE_READ(task, exit_code) >> 8 & 0xff;
	event->exit_event = true;
	event->duration_ns = duration;
	event->filename[0] = 0;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	bpf_ringbuf_submit(event, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
