/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */ // Values of the kernel's configuration, and what the loader itself knows of the kernel.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

extern int LINUX_KERNEL_VERSION __kconfig;
extern _Bool LINUX_HAS_BPF_COOKIE __kconfig __weak;
extern int LINUX_UNHEARD_OF __kconfig __weak;
extern _Bool CONFIG_BPF_SYSCALL __kconfig;
extern int CONFIG_HZ __kconfig __weak;
extern short CONFIG_NR_CPUS __kconfig __weak;
extern enum libbpf_tristate CONFIG_IPV6 __kconfig __weak;
extern char CONFIG_BPF __kconfig __weak;
extern char CONFIG_DEFAULT_HOSTNAME[16] __kconfig __weak;
extern unsigned long CONFIG_NOT_IN_ANY_KERNEL __kconfig __weak;

struct seen {
	int kernel_version;
	_Bool has_bpf_cookie;
	int unheard_of;
	_Bool bpf_syscall;
	int hz;
	short nr_cpus;
	enum libbpf_tristate ipv6;
	char bpf;
	char hostname[16];
	unsigned long missing;
};

struct seen seen;

SEC("syscall")
int look(void *ctx)
{
	seen.kernel_version = LINUX_KERNEL_VERSION;
	seen.has_bpf_cookie = LINUX_HAS_BPF_COOKIE;
	seen.unheard_of = LINUX_UNHEARD_OF;
	seen.bpf_syscall = CONFIG_BPF_SYSCALL;
	seen.hz = CONFIG_HZ;
	seen.nr_cpus = CONFIG_NR_CPUS;
	seen.ipv6 = CONFIG_IPV6;
	seen.bpf = CONFIG_BPF;
	for (unsigned i = 0; i < sizeof(seen.hostname); i++)
		seen.hostname[i] = CONFIG_DEFAULT_HOSTNAME[i];
	seen.missing = CONFIG_NOT_IN_ANY_KERNEL;
	return 0;
}
