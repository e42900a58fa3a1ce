/* The types as the programs know them: every record is a no-op. */
#include "types.h"

struct inner { int first; int second; };
struct element { char pad; struct inner inner; };
struct flat {
	unsigned char byte; unsigned short half; unsigned int word; unsigned long long wide; int number; char letter;
	void *pointer; struct flat *self;
};
typedef struct flat flat_alias;
struct nested {
	int before; struct inner inner;
	union { int either; struct { short low; short high; }; };
	const volatile struct inner *behind; flat_alias alias;
};
struct arrays {
	int row[4]; int grid[3][5]; struct element elements[3]; const char *names[2]; unsigned int tail_count;
	struct element tail[];
};
struct bits {
	unsigned int one : 1; unsigned int three : 3; int minus : 5; unsigned int far : 12; unsigned long long wide : 33;
	signed char small : 4; short plain;
};
enum colour { RED = 1, GREEN = 2, NEGATIVE = -5, GONE = 77, BLUE = 3 };
enum flags { FLAG_LOW = 1, FLAG_HIGH = 0xffffffffU };
struct with_enum { enum colour colour; enum flags flags; float real; };
struct nowhere { int at_all; };
typedef int (*callback)(struct flat *flat, int number);
typedef struct inner inner_alias;
typedef unsigned int plain_number;
typedef int matrix[3][5];
enum huge { HUGE_SMALL = 1, HUGE_LARGE = 0x123456789abcdefULL };
enum huge_signed { BOTTOM = -0x7fffffff12345678LL };

KEEP(inner) KEEP(element) KEEP(flat) KEEP(nested) KEEP(arrays) KEEP(bits) KEEP(with_enum) KEEP(nowhere)
KEEP_TYPE(flat_alias) KEEP_TYPE(callback) KEEP_TYPE(inner_alias) KEEP_TYPE(plain_number)
matrix *keep_matrix;
enum huge keep_huge; enum huge_signed keep_huge_signed;
