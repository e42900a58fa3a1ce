// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* Puts events into a ring buffer when it is run by hand: for tests of readers and for benches.
 *
 * `emit` runs by BPF_PROG_TEST_RUN: `count` events of `size` bytes, whose first two words are a sequence number
 * and its double. `size` is 8 to 256.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define LARGEST 256

struct event {
	__u64 sequence;
	__u64 twice;
	__u8 payload[LARGEST - 16];
};

/* `count` has 64 bits on purpose: clang leaves rubbish above a 32-bit argument, and the kernel's inlined bpf_loop()
 * compares the whole register. */
struct arguments {
	__u64 count;
	__u64 size;
	__u64 flags;	/* BPF_RB_NO_WAKEUP, BPF_RB_FORCE_WAKEUP */
};

__u64 sequence = 0;
__u64 lost = 0;
struct event image = {};
const struct event *events_record = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 * 1024 * 1024);
} events SEC(".maps");

/* Small enough that its end is soon reached. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} small SEC(".maps");

static int put(void *ring, __u32 size, __u64 flags)
{
	if (size < 8)
		size = 8;
	if (size > LARGEST)
		size = LARGEST;
	image.sequence = sequence;
	image.twice = sequence * 2;
	if (bpf_ringbuf_output(ring, &image, size, flags)) {
		__sync_fetch_and_add(&lost, 1);
		return 1;
	}
	sequence++;
	return 0;
}

static long emit_one(__u32 index, struct arguments *arguments)
{
	put(&events, arguments->size, arguments->flags);
	return 0;
}

static long emit_one_small(__u32 index, struct arguments *arguments)
{
	put(&small, arguments->size, arguments->flags);
	return 0;
}

SEC("syscall")
int emit(struct arguments *arguments)
{
	struct arguments copy = *arguments;

	bpf_loop(copy.count, emit_one, &copy, 0);
	return 0;
}

SEC("syscall")
int emit_small(struct arguments *arguments)
{
	struct arguments copy = *arguments;

	bpf_loop(copy.count, emit_one_small, &copy, 0);
	return 0;
}

/* A record that is taken back: readers must pass over it. */
SEC("syscall")
int discard(struct arguments *arguments)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event)
		return 1;
	bpf_ringbuf_discard(event, arguments->flags);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
