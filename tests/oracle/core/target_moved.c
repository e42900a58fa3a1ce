/* Everything is somewhere else, in another order and nesting, with other sizes where that is allowed. */
#include "types.h"

struct inner { long pad; int second; int first; };
struct element { struct inner inner; char pad[7]; };
struct flat {
	struct flat *self; int number; union { unsigned long long word; int other; };
	struct { unsigned int byte; struct { unsigned int wide; }; }; unsigned char half; char letter; void *pointer;
};
typedef const struct flat flat_alias;
struct nested {
	flat_alias alias; const struct inner *behind;
	struct { union { struct { int pad; short high; short low; }; }; int either; };
	struct inner inner; int before;
};
struct arrays {
	char pad[3]; int grid[4][6]; unsigned char tail_count; int row[9]; const char *names[3]; struct element elements[2];
	struct element tail[];
};
struct bits {
	long pad; unsigned int pad2 : 27; unsigned int three : 4; int minus : 9; unsigned short far : 11; int one : 2;
	unsigned int : 0; unsigned long long before : 20; unsigned long long wide : 40; short plain : 7; unsigned char small;
};
enum colour { BLUE___mine = 33, GREEN = 22, RED = 11, NEGATIVE = -50, MORE = 1000 };
enum flags { FLAG_HIGH = 0x80000000U };
struct with_enum { float real; enum flags flags; enum colour colour; };
typedef int (*callback)(struct flat *flat, long number);
typedef struct inner inner_alias;
typedef unsigned char plain_number;
typedef int matrix[4][5];
enum huge { HUGE_SMALL = 5, HUGE_LARGE = 7 };
enum huge_signed { BOTTOM = 0x7fffffff12345678LL };

KEEP(inner) KEEP(element) KEEP(flat) KEEP(nested) KEEP(arrays) KEEP(bits) KEEP(with_enum)
KEEP_TYPE(flat_alias) KEEP_TYPE(callback) KEEP_TYPE(inner_alias) KEEP_TYPE(plain_number)
matrix *keep_matrix;
enum huge keep_huge; enum huge_signed keep_huge_signed;
