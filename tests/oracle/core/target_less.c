/* Much is missing, or is something that cannot stand for what the programs know. */
#include "types.h"

struct inner { int first; };
struct element { char pad; int inner; };
struct flat { unsigned char byte; struct inner half; int *word; float wide; void *number; char letter[2]; int pointer; };
union flat_alias { int no_struct; };
struct nested { int before; struct inner *inner; union { int other; struct { short low; } named; }; int behind; };
struct arrays { int row[3]; int *grid; struct element elements[3]; unsigned int tail_count; struct element tail[2]; };
struct bits { int three; struct inner far; unsigned long long wide : 60; int plain; };
enum colour { RED, GREEN_LIGHT };
struct flags { int no_enum; };
struct with_enum { int colour; enum other { OTHER } flags; double real[1]; };
typedef int (*callback)(struct flat *flat);
typedef int inner_alias;
typedef struct inner plain_number;
typedef long matrix[3];

KEEP(inner) KEEP(element) KEEP(flat) KEEP(nested) KEEP(arrays) KEEP(bits) KEEP(with_enum) KEEP(flags)
KEEP_TYPE(callback) KEEP_TYPE(inner_alias) KEEP_TYPE(plain_number)
union flat_alias *keep_union; matrix *keep_matrix;
