// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* Entry and return of a user-space function of two int arguments. The sections name no target: it is given when
 * the programs are attached. Set `my_tgid` to see one process only. */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

enum event_type { EVENT_ENTRY = 1, EVENT_RETURN = 2 };

struct event {
	enum event_type type;
	__u32 pid;
	int a;
	int b;
	int result;
};

const volatile __u32 my_tgid = 0;
__u64 entries = 0;
__u64 returns = 0;
const struct event *events_record = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} events SEC(".maps");

static int emit(enum event_type type, int a, int b, int result)
{
	struct event event = {.type = type, .a = a, .b = b, .result = result};

	event.pid = bpf_get_current_pid_tgid() >> 32;
	if (my_tgid && event.pid != my_tgid)
		return 0;
	__sync_fetch_and_add(type == EVENT_ENTRY ? &entries : &returns, 1);
	bpf_printk("uprobe %d: %d %d", type, a, b);
	return bpf_ringbuf_output(&events, &event, sizeof(event), 0);
}

SEC("uprobe")
int BPF_KPROBE(on_enter, int a, int b)
{
	emit(EVENT_ENTRY, a, b, 0);
	return 0;
}

SEC("uretprobe")
int BPF_KRETPROBE(on_return, int result)
{
	emit(EVENT_RETURN, 0, 0, result);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
