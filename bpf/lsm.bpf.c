// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* Hooks of the security modules: one process is refused sockets of one family, and its opening of files is counted. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define EPERM 1

struct file;

const volatile __u32 my_tgid = 0;
const volatile int family_to_refuse = -1;
__u64 refused = 0;
__u64 opened = 0;

SEC("lsm/socket_create")
int BPF_PROG(refuse_socket, int family, int type, int protocol, int kern, int result)
{
	if (result)
		return result;
	if (kern || bpf_get_current_pid_tgid() >> 32 != my_tgid || family != family_to_refuse)
		return 0;
	__sync_fetch_and_add(&refused, 1);
	return -EPERM;
}

SEC("lsm.s/file_open")
int BPF_PROG(count_opens, struct file *file, int result)
{
	if (bpf_get_current_pid_tgid() >> 32 == my_tgid)
		__sync_fetch_and_add(&opened, 1);
	return result;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
