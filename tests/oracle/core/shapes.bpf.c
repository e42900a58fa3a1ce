// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* Every kind of CO-RE record on every form of type. Each target_*.c of this folder has these types in another shape. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#define KEPT __attribute__((preserve_access_index))

struct inner {
	int first;
	int second;
} KEPT;

struct element {
	char pad;
	struct inner inner;
} KEPT;

struct flat {
	unsigned char byte;
	unsigned short half;
	unsigned int word;
	unsigned long long wide;
	int number;
	char letter;
	void *pointer;
	struct flat *self;
} KEPT;

typedef struct flat flat_alias;

struct nested {
	int before;
	struct inner inner;
	union {
		int either;
		struct {
			short low;
			short high;
		};
	};
	const volatile struct inner *behind;
	flat_alias alias;
} KEPT;

struct arrays {
	int row[4];
	int grid[3][5];
	struct element elements[3];
	const char *names[2];
	unsigned int tail_count;
	struct element tail[];
} KEPT;

struct bits {
	unsigned int one : 1;
	unsigned int three : 3;
	int minus : 5;
	unsigned int far : 12;
	unsigned long long wide : 33;
	signed char small : 4;
	short plain;
} KEPT;

enum colour {
	RED = 1,
	GREEN = 2,
	NEGATIVE = -5,
	GONE = 77,
};

enum colour___other {
	BLUE___other = 3,
};

enum flags {
	FLAG_LOW = 1,
	FLAG_HIGH = 0xffffffffU,
};

struct with_enum {
	enum colour colour;
	enum flags flags;
	float real;
} KEPT;

struct flat___flavour {
	unsigned int word;
	unsigned int not_there;
} KEPT;

struct nowhere {
	int at_all;
} KEPT;

typedef int (*callback)(struct flat *flat, int number);
typedef struct inner inner_alias;
typedef unsigned int plain_number;
typedef int matrix[3][5];

/* Loads and stores whose offset and size are adapted. */
SEC("socket")
int loads(struct flat *flat)
{
	return flat->byte + flat->half + flat->word + flat->wide + flat->number + flat->letter;
}

SEC("socket")
int pointers(struct flat *flat)
{
	return flat->self->self->word + (long)flat->pointer;
}

SEC("socket")
int stores(struct flat *flat)
{
	flat->byte = 1;
	flat->half = 2;
	flat->word = 3;
	flat->wide = 4;
	flat->number = -5;
	flat->pointer = flat;
	return 0;
}

SEC("socket")
int inside(struct nested *nested)
{
	return nested->inner.second + nested->low + nested->high + nested->either + nested->alias.word;
}

SEC("socket")
int through(struct nested *nested)
{
	return nested->behind->second;
}

SEC("socket")
int elements(struct arrays *arrays)
{
	return arrays->row[3] + arrays->grid[2][4] + arrays->elements[1].inner.second;
}

SEC("socket")
int flexible(struct arrays *arrays)
{
	return arrays->tail[7].inner.first + arrays->tail_count;
}

SEC("socket")
int several(struct flat *flat)
{
	return flat[2].word;
}

SEC("socket")
int by_flavour(struct flat___flavour *flat)
{
	if (bpf_core_field_exists(flat->not_there))
		return flat->not_there;
	return flat->word;
}

/* Immediates, 32 and 64 bits wide. */
SEC("socket")
int offsets(void *ctx)
{
	return bpf_core_field_offset(struct flat, wide) + bpf_core_field_offset(struct nested, high) +
	       bpf_core_field_offset(struct arrays, elements[2].inner.second) +
	       bpf_core_field_offset(struct arrays, names[1]);
}

SEC("socket")
int sizes(void *ctx)
{
	return bpf_core_field_size(struct flat, word) + bpf_core_field_size(struct arrays, grid) +
	       bpf_core_field_size(struct arrays, grid[1]) + bpf_core_field_size(struct arrays, row[1]) +
	       bpf_core_field_size(struct nested, inner) + bpf_core_field_size(struct flat, pointer);
}

SEC("socket")
int existences(void *ctx)
{
	return bpf_core_field_exists(struct flat, word) << 0 | bpf_core_field_exists(struct flat, letter) << 1 |
	       bpf_core_field_exists(struct nested, either) << 2 | bpf_core_field_exists(struct nested, high) << 3 |
	       bpf_core_field_exists(struct arrays, row[3]) << 4 | bpf_core_field_exists(struct arrays, tail) << 5 |
	       bpf_core_field_exists(struct with_enum, colour) << 6 | bpf_core_field_exists(struct with_enum, real) << 7 |
	       bpf_core_field_exists(struct nowhere, at_all) << 8 | bpf_core_field_exists(struct bits, far) << 9;
}

SEC("socket")
int signedness(struct flat *flat)
{
	struct bits *bits = (void *)flat;
	struct with_enum *enums = (void *)flat;

	return __builtin_preserve_field_info(flat->number, BPF_FIELD_SIGNED) |
	       __builtin_preserve_field_info(flat->word, BPF_FIELD_SIGNED) << 1 |
	       __builtin_preserve_field_info(flat->letter, BPF_FIELD_SIGNED) << 2 |
	       __builtin_preserve_field_info(bits->minus, BPF_FIELD_SIGNED) << 3 |
	       __builtin_preserve_field_info(bits->far, BPF_FIELD_SIGNED) << 4 |
	       __builtin_preserve_field_info(enums->colour, BPF_FIELD_SIGNED) << 5;
}

SEC("socket")
int bitfields(struct bits *bits)
{
	return BPF_CORE_READ_BITFIELD(bits, one) + BPF_CORE_READ_BITFIELD(bits, three) +
	       BPF_CORE_READ_BITFIELD(bits, minus) + BPF_CORE_READ_BITFIELD(bits, small) +
	       BPF_CORE_READ_BITFIELD(bits, plain);
}

SEC("socket")
int probed_bitfields(struct bits *bits)
{
	return BPF_CORE_READ_BITFIELD_PROBED(bits, three) + BPF_CORE_READ_BITFIELD_PROBED(bits, small);
}

/* clang 14 takes no bitfield that crosses a boundary, enum with 64 bits, or match of types. */
#if __clang_major__ >= 16
SEC("socket")
int wide_bitfields(struct bits *bits)
{
	return BPF_CORE_READ_BITFIELD(bits, far) + BPF_CORE_READ_BITFIELD_PROBED(bits, wide);
}
#endif

SEC("socket")
int copies(struct nested *nested)
{
	struct inner copy;
	int second;

	bpf_core_read(&copy, sizeof(copy), &nested->inner);
	BPF_CORE_READ_INTO(&second, nested, behind, second);
	return copy.first + second + BPF_CORE_READ(nested, alias.self, self, word);
}

SEC("socket")
int type_ids(void *ctx)
{
	return bpf_core_type_id_local(struct flat) + bpf_core_type_id_local(struct { int here; }) +
	       bpf_core_type_id_kernel(struct flat) + bpf_core_type_id_kernel(struct nowhere) +
	       bpf_core_type_id_kernel(flat_alias) + bpf_core_type_id_kernel(enum colour);
}

SEC("socket")
int type_existences(void *ctx)
{
	return bpf_core_type_exists(struct flat) << 0 | bpf_core_type_exists(struct nowhere) << 1 |
	       bpf_core_type_exists(flat_alias) << 2 | bpf_core_type_exists(callback) << 3 |
	       bpf_core_type_exists(inner_alias) << 4 | bpf_core_type_exists(plain_number) << 5 |
	       bpf_core_type_exists(matrix) << 6 | bpf_core_type_exists(enum colour) << 7 |
	       bpf_core_type_exists(enum flags) << 8 | bpf_core_type_exists(union bpf_attr) << 9;
}

SEC("socket")
int type_sizes(void *ctx)
{
	return bpf_core_type_size(struct flat) + bpf_core_type_size(struct nowhere) + bpf_core_type_size(inner_alias) +
	       bpf_core_type_size(matrix) + bpf_core_type_size(enum colour);
}

SEC("socket")
int enumerators(void *ctx)
{
	return bpf_core_enum_value_exists(enum colour, RED) << 0 | bpf_core_enum_value_exists(enum colour, GONE) << 1 |
	       bpf_core_enum_value_exists(enum colour___other, BLUE___other) << 2 |
	       bpf_core_enum_value_exists(enum flags, FLAG_HIGH) << 3;
}

SEC("socket")
long values(void *ctx)
{
	return bpf_core_enum_value(enum colour, GREEN) + bpf_core_enum_value(enum colour, NEGATIVE) +
	       bpf_core_enum_value(enum flags, FLAG_LOW);
}

SEC("socket")
long unsigned_value(void *ctx)
{
	return bpf_core_enum_value(enum flags, FLAG_HIGH);
}

SEC("socket")
long lost_value(void *ctx)
{
	if (bpf_core_enum_value_exists(enum colour, GONE))
		return bpf_core_enum_value(enum colour, GONE);
	return 0;
}

#if __clang_major__ >= 16
enum huge {
	HUGE_SMALL = 1,
	HUGE_LARGE = 0x123456789abcdefULL,
};

enum huge_signed {
	BOTTOM = -0x7fffffff12345678LL,
};

SEC("socket")
int matches(void *ctx)
{
	return bpf_core_type_matches(struct flat) << 0 | bpf_core_type_matches(struct nested) << 1 |
	       bpf_core_type_matches(struct arrays) << 2 | bpf_core_type_matches(enum colour) << 3 |
	       bpf_core_type_matches(callback) << 4 | bpf_core_type_matches(struct bits) << 5 |
	       bpf_core_type_matches(matrix) << 6 | bpf_core_type_matches(struct nowhere) << 7 |
	       bpf_core_type_matches(enum huge) << 8 | bpf_core_type_matches(struct with_enum) << 9;
}

SEC("socket")
long huge_values(void *ctx)
{
	return bpf_core_enum_value(enum huge, HUGE_LARGE) + bpf_core_enum_value(enum huge, HUGE_SMALL) +
	       bpf_core_enum_value(enum huge_signed, BOTTOM);
}
#endif

/* In .text, where subprograms are adapted too. */
static __noinline int helper(struct flat *flat)
{
	return flat->half + flat->word;
}

SEC("socket")
int calls(struct flat *flat)
{
	return helper(flat) + flat->byte;
}

char LICENSE[] SEC("license") = "GPL";
