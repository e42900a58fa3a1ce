// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* Process starts and exits of one process' descendants, or of the whole system.
 *
 * Only what is the same on every kernel is read at a fixed place: the head of sched_process_exec. CO-RE finds what is
 * read of task_struct. The layout of
 * sched_process_fork is not (its two names are char[16] up to 6.12 and __data_loc in 6.18), so user space reads
 * tracefs' format file and sets `child_pid_offset` before the object is loaded.
 *
 * Values to set before loading:
 *   trace_all          report every process; the next three are then not needed
 *   root_tgid          report the descendants of this process, itself not included
 *   root_pidns_ino     inode of that process' /proc/PID/ns/pid, if `root_tgid` is a number in that namespace;
 *   root_pidns_dev     its device as the kernel holds it: major << 20 | minor. Zero: the initial namespace
 *   child_pid_offset   offset of child_pid in events/sched/sched_process_fork/format (0: forks are not followed)
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#define COMM_LENGTH 16
#define FILENAME_LENGTH 128

enum event_type {
	EVENT_EXEC = 1,
	EVENT_EXIT = 2,
};

/* One record of `events`. An exit has the file name "". Pids are those of the initial namespace. */
struct event {
	__u64 time_ns;		/* CLOCK_MONOTONIC */
	__u64 duration_ns;	/* of an exit: since the last exec, or the fork if there was none; 0 unknown */
	enum event_type type;
	__u32 pid;
	__u32 ppid;
	__u32 exit_code;	/* of an exit, as wait() gives it: exit()'s number << 8 | the signal that ended it */
	char comm[COMM_LENGTH];
	char filename[FILENAME_LENGTH];
};

/* events/sched/sched_process_exec/format, the same since 3.4; the first 8 bytes are not for programs. */
struct sched_process_exec {
	__u64 common;
	__u32 filename_location;	/* __data_loc: length << 16 | offset */
	__s32 pid;
	__s32 old_pid;
};

struct task_struct {
	int tgid;
	int exit_code;
	struct task_struct *real_parent;
} __attribute__((preserve_access_index));

const volatile bool trace_all = false;
const volatile __u32 root_tgid = 0;
const volatile __u64 root_pidns_dev = 0;
const volatile __u64 root_pidns_ino = 0;
const volatile __u32 child_pid_offset = 0;

__u64 lost = 0;		/* events for which `events` had no room */
__u64 untracked = 0;	/* processes for which `processes` had no room: their events are missing */

/* Puts the record's type into the BTF: a type that only function bodies use is left out by clang. */
const struct event *events_record = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events SEC(".maps");

/* Followed processes: pid -> time of the last exec, or of the fork. Ids of threads stand here too, since a fork
 * does not say which it is; they go when the thread ends. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, __u64);
} processes SEC(".maps");

static bool is_root(__u32 tgid)
{
	struct bpf_pidns_info inside = {};

	if (!root_pidns_ino)
		return tgid == root_tgid;
	if (bpf_get_ns_current_pid_tgid(root_pidns_dev, root_pidns_ino, &inside, sizeof(inside)))
		return false;
	return inside.tgid == root_tgid;
}

static struct event *reserve(enum event_type type, __u32 pid, __u64 now)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	struct task_struct *task = (void *)bpf_get_current_task();

	if (!event) {
		__sync_fetch_and_add(&lost, 1);
		return 0;
	}
	event->time_ns = now;
	event->duration_ns = 0;
	event->type = type;
	event->pid = pid;
	event->ppid = BPF_CORE_READ(task, real_parent, tgid);
	event->exit_code = type == EVENT_EXIT ? BPF_CORE_READ(task, exit_code) : 0;
	event->filename[0] = 0;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	return event;
}

SEC("tp/sched/sched_process_fork")
int on_fork(void *ctx)
{
	__u32 parent = bpf_get_current_pid_tgid() >> 32;
	__u64 now = bpf_ktime_get_ns();
	__u32 child = 0;

	if (!child_pid_offset)
		return 0;
	if (!trace_all && !is_root(parent) && !bpf_map_lookup_elem(&processes, &parent))
		return 0;
	/* Not ctx->field: the verifier refuses to read through a context pointer that was added to. */
	if (bpf_probe_read_kernel(&child, sizeof(child), ctx + child_pid_offset))
		return 0;
	if (bpf_map_update_elem(&processes, &child, &now, BPF_ANY))
		__sync_fetch_and_add(&untracked, 1);
	return 0;
}

SEC("tp/sched/sched_process_exec")
int on_exec(struct sched_process_exec *ctx)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	__u64 now = bpf_ktime_get_ns();
	struct event *event;

	if (!trace_all && !bpf_map_lookup_elem(&processes, &pid))
		return 0;
	if (bpf_map_update_elem(&processes, &pid, &now, BPF_ANY))
		__sync_fetch_and_add(&untracked, 1);
	event = reserve(EVENT_EXEC, pid, now);
	if (!event)
		return 0;
	bpf_probe_read_kernel_str(event->filename, sizeof(event->filename),
				  (void *)ctx + (ctx->filename_location & 0xffff));
	bpf_ringbuf_submit(event, 0);
	return 0;
}

SEC("tp/sched/sched_process_exit")
int on_exit(void *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 pid = id >> 32, tid = id;
	__u64 now = bpf_ktime_get_ns();
	__u64 *start = bpf_map_lookup_elem(&processes, &tid);
	__u64 duration = start ? now - *start : 0;
	struct event *event;

	if (start)
		bpf_map_delete_elem(&processes, &tid);
	if (pid != tid || (!start && !trace_all))
		return 0;
	event = reserve(EVENT_EXIT, pid, now);
	if (!event)
		return 0;
	event->duration_ns = duration;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
