// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* Global functions whose arguments have tags: a context given as any pointer, and a pointer that is never null.
 *
 * Kernels know the first tag since 6.8. Older ones know a context by the name of its type, which the loader then writes
 * into a copy of the function's types for each type of program.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>

#define noinline __attribute__((noinline))
#define __arg_ctx __attribute__((btf_decl_tag("arg:ctx")))
#define __arg_nonnull __attribute__((btf_decl_tag("arg:nonnull")))

struct pair {
	__u64 left;
	__u64 right;
};

__u64 stack_depth = 0;
__u64 sum = 0;

noinline int take_context(void *context __arg_ctx)
{
	char stack[64];

	stack_depth = bpf_get_stack(context, stack, sizeof(stack), 0);
	return 0;
}

noinline int take_registers(struct pt_regs *context __arg_ctx)
{
	return take_context(context);
}

noinline int take_words(__u64 *context __arg_ctx)
{
	return take_context(context);
}

noinline int take_two(void *context __arg_ctx, const struct pair *pair)
{
	if (!pair)
		return 1;
	sum += pair->left + pair->right;
	return take_context(context);
}

noinline int take_never_null(const struct pair *pair __arg_nonnull)
{
	sum += pair->right;
	return 0;
}

static int all(void *context)
{
	struct pair pair = {bpf_get_smp_processor_id(), 2};

	return take_context(context) + take_two(context, &pair);
}

SEC("kprobe/do_nanosleep")
int on_kprobe(void *context)
{
	return all(context) + take_registers(context);
}

SEC("raw_tp/sys_enter")
int on_raw_tracepoint(void *context)
{
	return all(context) + take_words(context);
}

SEC("perf_event")
int on_event(void *context)
{
	return take_context(context);
}

SEC("?tp/syscalls/sys_enter_nanosleep")
int on_tracepoint(void *context)
{
	return take_context(context);
}

SEC("?kprobe/do_nanosleep")
int with_never_null(void *context)
{
	struct pair pair = {bpf_get_smp_processor_id(), 2};

	return take_never_null(&pair);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
