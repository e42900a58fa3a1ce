// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* One event with a member of every kind that C can put into a struct: for decoding by BTF. */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

enum level { LOW = -1, NONE = 0, HIGH = 7 };
enum wide { WIDE_ZERO = 0, WIDE_TOP = 0xfedcba9876543210ULL };
typedef __u32 alias_t;

struct point {
	__s16 x;
	__s16 y;
};

struct packed {
	__u8 a;
	__u32 b;
	__u16 c;
} __attribute__((packed));

struct event {
	__u8 u8;
	__s8 s8;
	__u16 u16;
	__s16 s16;
	__u32 u32;
	__s32 s32;
	__u64 u64;
	__s64 s64;
	unsigned __int128 u128;
	__int128 s128;
	bool truth;
	char letter;
	char text[16];
	char unterminated[4];
	unsigned char bytes[6];
	enum level level;
	enum wide wide;
	alias_t alias;
	const volatile __u32 qualified;
	struct point point;
	struct point points[3];
	__u16 matrix[2][3];
	struct packed packed;
	union {
		__u32 word;
		__u8 octets[4];
	} named_union;
	union {
		__u64 anonymous_number;
		struct point anonymous_points[2];
	};
	struct {
		__u32 anonymous_a;
		__u32 anonymous_b;
	};
	__u32 bits_low : 1;
	__u32 bits_middle : 7;
	__s32 bits_signed : 9;
	__u32 : 3;
	__u64 bits_long : 40;
	void *pointer;
	struct event *self;
	int (*function)(int);
	float single;
	double twofold;
	__u32 flexible[];
};

const struct event *events_record = 0;
struct event sample = {
	.u8 = 0xfe, .s8 = -2, .u16 = 0xfffd, .s16 = -3, .u32 = 0xfffffffc, .s32 = -4,
	.u64 = 0xfffffffffffffffbULL, .s64 = -5,
	.u128 = ((unsigned __int128)0x0102030405060708ULL << 64) | 0x1112131415161718ULL, .s128 = -6,
	.truth = true, .letter = 'A', .text = "purebpf", .unterminated = {'f', 'u', 'l', 'l'},
	.bytes = {0, 1, 2, 0xff, 4, 5}, .level = LOW, .wide = WIDE_TOP, .alias = 17, .qualified = 18,
	.point = {-1, 2}, .points = {{1, 2}, {3, 4}, {5, 6}}, .matrix = {{1, 2, 3}, {4, 5, 6}},
	.packed = {1, 0x02030405, 0x0607}, .named_union = {.word = 0x01020304},
	.anonymous_number = 0x0004000300020001ULL, .anonymous_a = 21, .anonymous_b = 22,
	.bits_low = 1, .bits_middle = 85, .bits_signed = -100, .bits_long = 0xaabbccddeeULL,
	.pointer = (void *)0x1000, .single = 1.5f, .twofold = -2.25,
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, struct point);
	__type(value, struct event);
} by_point SEC(".maps");

SEC("syscall")
int emit(void *ctx)
{
	bpf_map_update_elem(&by_point, &sample.point, &sample, BPF_ANY);
	return bpf_ringbuf_output(&events, &sample, sizeof(sample), 0);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
