// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* Entry and return of a kernel function: who unlinks what, and what came of it.
 *
 * Set `my_tgid` to see one process only. Without CO-RE, the first member of struct filename is what can be read.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

enum event_type { EVENT_ENTRY = 1, EVENT_RETURN = 2 };

struct event {
	enum event_type type;
	__u32 pid;
	int result;
	char filename[128];
};

struct filename_head {
	const char *name;
};

const volatile __u32 my_tgid = 0;
__u64 lost = 0;
const struct event *events_record = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} events SEC(".maps");

static struct event *reserve(enum event_type type)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct event *event;

	if (my_tgid && pid != my_tgid)
		return 0;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		__sync_fetch_and_add(&lost, 1);
		return 0;
	}
	event->type = type;
	event->pid = pid;
	event->result = 0;
	event->filename[0] = 0;
	return event;
}

SEC("kprobe/do_unlinkat")
int BPF_KPROBE(enter_unlinkat, int dfd, struct filename_head *path)
{
	struct event *event = reserve(EVENT_ENTRY);
	const char *name = 0;

	if (!event)
		return 0;
	bpf_probe_read_kernel(&name, sizeof(name), path);
	bpf_probe_read_kernel_str(event->filename, sizeof(event->filename), name);
	bpf_printk("KPROBE ENTRY pid = %d, filename = %s", event->pid, event->filename);
	bpf_ringbuf_submit(event, 0);
	return 0;
}

/* int, as the function's own: the upper half of the register it returns in may hold anything. */
SEC("kretprobe/do_unlinkat")
int BPF_KRETPROBE(leave_unlinkat, int result)
{
	struct event *event = reserve(EVENT_RETURN);

	if (!event)
		return 0;
	event->result = result;
	bpf_printk("KPROBE EXIT pid = %d, ret = %d", event->pid, result);
	bpf_ringbuf_submit(event, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
