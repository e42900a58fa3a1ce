// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* Samples of one process by a perf event: how many, and on which CPU. */
#include <linux/bpf.h>
#include <linux/bpf_perf_event.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 my_tgid = 0;
__u64 samples = 0;
__u64 last_period = 0;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} by_cpu SEC(".maps");

SEC("perf_event")
int on_sample(struct bpf_perf_event_data *ctx)
{
	__u32 index = 0;
	__u64 *count;

	if (my_tgid && bpf_get_current_pid_tgid() >> 32 != my_tgid)
		return 0;
	__sync_fetch_and_add(&samples, 1);
	last_period = ctx->sample_period;
	count = bpf_map_lookup_elem(&by_cpu, &index);
	if (count)
		++*count;
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
