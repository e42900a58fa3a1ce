// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* `chooses` reads what only one of the target's `flat`s has, `follows` what they have at different places: it is
 * ambiguous unless its record comes later. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct flat {
	int number;
	unsigned char byte;
	unsigned short half;
} __attribute__((preserve_access_index));

#ifdef FIRST_XDP
#define CHOOSES "xdp"
#define FOLLOWS "socket"
#else
#define CHOOSES "socket"
#define FOLLOWS "xdp"
#endif

#ifdef UNUSED
/* In .text, and called by nobody. */
int chooses(struct flat *flat)
{
	return flat->half;
}

SEC("socket")
int other(void *ctx)
{
	return 0;
}

SEC(FOLLOWS)
int follows(struct flat *flat)
{
	return flat->byte;
}
#elif defined(FIRST_XDP)
SEC(CHOOSES)
int chooses(struct flat *flat)
{
	return flat->half;
}

SEC(FOLLOWS)
int follows(struct flat *flat)
{
	return flat->byte;
}
#else
SEC(FOLLOWS)
int follows(struct flat *flat)
{
	return flat->byte;
}

SEC(CHOOSES)
int chooses(struct flat *flat)
{
	return flat->half;
}
#endif

char LICENSE[] SEC("license") = "GPL";
