// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* Every form of a global variable, in every kind of data section. */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

enum color { RED = 1, GREEN = 2, BLUE = -3 };
enum wide { SMALL = 1, LARGE = 0x123456789aULL };

struct inner {
	__u16 a;
	__s8 b;
	char tag[5];
};

struct outer {
	__u32 id;
	struct inner nested;
	struct inner many[2];
	union {
		__u64 as_number;
		__u8 as_bytes[8];
	};
	enum color color;
	unsigned int low : 3;
	unsigned int middle : 12;
	int high : 17;
	bool flag;
	const void *pointer;
};

/* .data */
int data_int = 42;
unsigned long data_long = 0x1122334455667788UL;
static short data_static = -5;
struct outer data_struct = {
	.id = 7,
	.nested = {.a = 1, .b = -2, .tag = "in"},
	.many = {{.a = 3}, {.a = 4, .tag = "four"}},
	.as_number = 0x0102030405060708ULL,
	.color = GREEN,
	.low = 5,
	.middle = 1000,
	.high = -77,
	.flag = true,
};
__u32 data_array[4] = {1, 2, 3, 4};
__s16 data_matrix[2][3] = {{1, 2, 3}, {-1, -2, -3}};
char data_text[16] = "hello";
enum color data_color = BLUE;
enum wide data_wide = LARGE;

/* .bss */
__u64 bss_counter = 0;
static __u64 bss_static = 0;
struct outer bss_struct = {};
bool bss_flag = false;
__u8 bss_bytes[10] = {};

/* .rodata */
const volatile __u32 rodata_limit = 10;
const volatile bool rodata_flag = true;
const volatile char rodata_name[8] = "purebpf";
const volatile struct inner rodata_struct = {.a = 9, .b = 8, .tag = "ro"};
static const volatile __s64 rodata_static = -1;
const volatile double rodata_double = 1.5;
const volatile float rodata_float = -0.25f;

/* With a suffix: maps of their own. */
__u32 custom_data SEC(".data.custom") = 11;
static __u32 custom_static SEC(".data.custom") = 12;
const volatile __u32 custom_rodata SEC(".rodata.custom") = 13;
__u32 hidden_data SEC(".data.hidden") __attribute__((visibility("hidden"))) = 14;
__u32 weak_data __attribute__((weak)) = 15;

__u64 sum = 0;

SEC("syscall")
int add_up(void *ctx)
{
	__u64 total = data_int + data_static + data_struct.id + data_struct.many[1].a + data_array[3];

	total += data_text[0] + data_color + bss_static + bss_struct.id + rodata_limit + rodata_flag;
	total += rodata_name[1] + rodata_struct.a + rodata_static + custom_data + custom_static;
	total += custom_rodata + hidden_data + weak_data + data_matrix[1][2];
	bss_counter++;
	bss_static += 2;
	data_static++;
	custom_static++;
	bss_flag = !bss_flag;
	sum = total;
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
