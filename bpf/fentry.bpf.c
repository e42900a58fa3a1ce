// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* Entry and return of a kernel function by BPF trampoline: the arguments have their types, and the exit sees them too.
 *
 * Set `my_tgid` to see one process only. The programs with a "?" are for tests.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define EACCES 13

struct filename {
	const char *name;
} __attribute__((preserve_access_index));

struct event {
	__u32 pid;
	_Bool returned;
	int result;
	char filename[128];
};

const volatile __u32 my_tgid = 0;
const volatile int family_to_refuse = -1;
const struct event *events_record = 0;
__u64 lost = 0;
__u64 entered = 0;
__u64 cookie = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} events SEC(".maps");

static int tell(struct filename *path, _Bool returned, int result)
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
	event->pid = pid;
	event->returned = returned;
	event->result = result;
	event->filename[0] = 0;
	bpf_probe_read_kernel_str(event->filename, sizeof(event->filename), path->name);
	bpf_ringbuf_submit(event, 0);
	return 0;
}

SEC("fentry/do_unlinkat")
int BPF_PROG(enter_unlinkat, int dfd, struct filename *path)
{
	return tell(path, 0, 0);
}

SEC("fexit/do_unlinkat")
int BPF_PROG(leave_unlinkat, int dfd, struct filename *path, int result)
{
	return tell(path, 1, result);
}

SEC("?fentry/bpf_fentry_test1")
int BPF_PROG(enter_test, int a)
{
	entered += a;
	cookie = bpf_get_attach_cookie(ctx);
	return 0;
}

SEC("?fmod_ret/security_socket_create")
int BPF_PROG(replace_result, int family, int type, int protocol, int kern, int result)
{
	if (bpf_get_current_pid_tgid() >> 32 != my_tgid || family != family_to_refuse)
		return 0;
	entered++;
	return -EACCES;
}

SEC("?fexit")
int BPF_PROG(leave_anything)
{
	entered++;
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
