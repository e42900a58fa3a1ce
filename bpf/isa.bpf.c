// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* Every family of instructions that clang emits up to -mcpu=v4: for decoding and disassembly, never loaded. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define noinline __attribute__((noinline))

__s8 bytes[8];
__s16 shorts[8];
__s32 words[8];
__s64 doubles[8];

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} values SEC(".maps");

/* BPF_LD | BPF_ABS and BPF_IND, which only these three builtins give. */
unsigned long long load_byte(void *skb, unsigned long long offset) __asm__("llvm.bpf.load.byte");
unsigned long long load_half(void *skb, unsigned long long offset) __asm__("llvm.bpf.load.half");
unsigned long long load_word(void *skb, unsigned long long offset) __asm__("llvm.bpf.load.word");

SEC("socket")
int packet_access(struct __sk_buff *skb)
{
	return load_byte(skb, 23) + load_half(skb, 12) + load_word(skb, 26 + skb->len);
}

noinline __u64 alu64(__u64 a, __u64 b, __s64 c, __s64 d)
{
	a += b;
	a -= 7;
	a *= b;
	a /= b | 1;
	a %= b | 3;
	a |= b;
	a &= 0x7fffffff;
	a ^= b;
	a <<= b & 63;
	a >>= 3;
	c >>= d & 63;
	c = -c;
	return a + c;
}

noinline __u32 alu32(__u32 a, __u32 b, __s32 c, __s32 d)
{
	a += b;
	a -= 7;
	a *= b;
	a /= b | 1;
	a %= b | 3;
	a |= b;
	a &= 0x7fff;
	a ^= b;
	a <<= b & 31;
	a >>= 3;
	c >>= d & 31;
	c = -c;
	return a + c;
}

#if __BPF_CPU_VERSION__ >= 4
noinline __s64 signed_division(__s64 a, __s64 b, __s32 c, __s32 d)
{
	return a / b + a % b + c / d + c % d + a / 7 + c % 5;
}
#endif

noinline __s64 sign_extension(__s64 a, __s32 b)
{
	return (__s8)a + (__s16)a + (__s32)a + (__s8)b * 2 + (__s16)b * 3;
}

noinline __s64 signed_loads(__u32 i)
{
	i &= 7;
	return bytes[i] + shorts[i] + words[i] + doubles[i];
}

noinline void stores(__u32 i, __s64 v)
{
	i &= 7;
	bytes[i] = v;
	shorts[i] = v;
	words[i] = v;
	doubles[i] = v;
	bytes[0] = 1;
	shorts[0] = 2;
	words[0] = 3;
	doubles[0] = 4;
}

noinline __u64 swaps(__u64 a, __u32 b, __u16 c)
{
	return __builtin_bswap64(a) ^ __builtin_bswap32(b) ^ __builtin_bswap16(c);
}

noinline __u64 wide_constant(void)
{
	return 0x123456789abcdef0ULL;
}

#if __BPF_CPU_VERSION__ >= 3
noinline __u64 atomics(__u64 *p, __u32 *q, __u64 v)
{
	__u64 old = __sync_fetch_and_add(p, v);

	old += __sync_fetch_and_or(p, v);
	old += __sync_fetch_and_and(p, v);
	old += __sync_fetch_and_xor(p, v);
	old += __sync_lock_test_and_set(p, v);
	old += __sync_val_compare_and_swap(p, old, v);
	old += __sync_fetch_and_add(q, (__u32)v);
	old += __sync_lock_test_and_set(q, (__u32)v);
	old += __sync_val_compare_and_swap(q, (__u32)old, (__u32)v);
	__sync_fetch_and_add(p, 1);
	__sync_fetch_and_add(q, 1);
	__sync_fetch_and_or(p, 2);
	__sync_fetch_and_and(q, 3);
	__sync_fetch_and_xor(p, 4);
	return old;
}
#endif

noinline __u64 jumps(__u64 a, __s64 b, __u32 c, __s32 d)
{
	__u64 result = 0;

	if (a > 10)
		result += wide_constant();
	if (b > -10)
		result ^= wide_constant();
	if (c <= 20)
		result += alu64(a, b, c, d);
	if (d < -20)
		result *= 3;
	if (a & 0x10)
		result -= 1;
	if (c == (__u32)d)
		result += swaps(a, c, d);
	if (a != (__u64)b)
		result += 17;
	for (__u32 i = 0; i < c; i++)
		result += bytes[i & 7];
	return result;
}

SEC("tc")
int entry(struct __sk_buff *skb)
{
	__u64 value = jumps(skb->len, skb->mark, skb->hash, skb->priority);
	__u32 key = 0;
	__u64 *slot = bpf_map_lookup_elem(&values, &key);

	value += alu32(value, 1, 2, 3) + sign_extension(value, 4) + signed_loads(value);
	stores(value, value);
	if (slot)
		value += *slot;
#if __BPF_CPU_VERSION__ >= 3
	if (slot)
		value += atomics(slot, (__u32 *)slot, value);
#endif
#if __BPF_CPU_VERSION__ >= 4
	value += signed_division(value, 3, 4, 5);
#endif
	return value;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
