/* Fills each type of types.h with random values, member by member, and prints its bytes and what C reads back.
 *
 * FILLS is generated: for each type a block that sets and prints members with the macros below. One line a fill:
 * the type's tag, its bytes, and the values, integers as 128-bit two's complement, all in hexadecimal.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "types.h"

static u64 state = 88172645463325252ULL;

static u64 word(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	switch (state >> 60) {
	case 0: return 0;
	case 1: return ~0ULL;
	case 2: return 1ULL << (state & 63);
	case 3: return state & 7;
	default: return state * 0x9e3779b97f4a7c15ULL;
	}
}

static void print_bytes(const void *start, size_t size)
{
	const unsigned char *bytes = start;

	putchar(' ');
	if (!size)
		putchar('-');
	while (size--)
		printf("%02x", *bytes++);
}

static void print_int(u128 value)
{
	printf(" %016llx%016llx", (u64)(value >> 64), (u64)value);
}

static void fill_bytes(void *start, size_t size)
{
	unsigned char *bytes = start;

	while (size--)
		*bytes++ = word();
}

static void fill_text(char *start, size_t size)
{
	size_t length = word() % (size + 1);

	memset(start, 0, size);
	while (length--)
		start[length] = 'a' + word() % 26;
}

#define SET_int(member) (d.member = word())
#define SET_int128(member) (d.member = ((u128)word() << 64) | word())
#define SET_pointer(member) (d.member = (void *)word())
#define SET_float(member) (d.member = (int)word() / 7.0)
#define SET_bytes(member) fill_bytes(&d.member, sizeof(d.member))
#define SET_text(member) fill_text(d.member, sizeof(d.member))

#define GET_int(member) print_int((s128)(d.member))
#define GET_int128(member) print_int(d.member)
#define GET_pointer(member) print_int((unsigned long)d.member)
#define GET_float(member) print_bytes(&d.member, sizeof(d.member))
#define GET_bytes(member) print_bytes(&d.member, sizeof(d.member))
#define GET_text(member) print_bytes(&d.member, sizeof(d.member))

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 1;

	while (rounds--) {
#include "fills.h"
	}
	return 0;
}
