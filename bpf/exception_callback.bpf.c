// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* bpf_throw() (Linux 6.7) ends a program at once; what it returns then, its exception callback says. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define noinline __attribute__((noinline))
#define __exception_callback(name) __attribute__((btf_decl_tag("exception_callback:" #name)))

extern void bpf_throw(__u64 cookie) __attribute__((section(".ksyms")));

noinline int after_throw(__u64 cookie)
{
	return cookie + 40;
}

static noinline int check(__u32 length)
{
	if (length > 64)
		bpf_throw(2);
	return length;
}

SEC("tc")
__exception_callback(after_throw)
int guarded(struct __sk_buff *packet)
{
	return check(packet->len) & 7;
}

SEC("tc")
int unguarded(struct __sk_buff *packet)
{
	return check(packet->len) & 7;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
