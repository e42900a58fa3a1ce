/* Several types of one essential name: some agree, some are ruled out by what they lack, some disagree. */
#include "types.h"

struct inner { int first; int second; };
struct inner___twin { int first; int second; };
struct element { char pad; struct inner inner; };
struct flat { int number; unsigned int word; unsigned char byte; unsigned short half; };
struct flat___old { int number; unsigned int word; unsigned char byte; };
struct flat___odd { int number; unsigned int word; char pad; unsigned char byte; };
struct nested { int before; struct inner inner; };
struct nested___b { int pad[9]; int before; struct inner inner; union { int either; }; };
struct arrays { int row[2]; unsigned int tail_count; };
struct arrays___long { int row[9]; unsigned int tail_count; };
struct bits { unsigned int one : 1; unsigned int three : 3; };
struct bits___b { unsigned int three : 3; unsigned int one : 1; };
enum colour { RED = 1, GREEN = 2 };
enum colour___b { RED_B = 1, GREEN___b = 2, GONE___b = 5 };
enum flags { FLAG_LOW = 1, FLAG_HIGH = 2 };
enum flags___b { FLAG_HIGH___b = 3 };

KEEP(inner) KEEP(inner___twin) KEEP(element) KEEP(flat) KEEP(flat___old) KEEP(flat___odd) KEEP(nested) KEEP(nested___b)
KEEP(arrays) KEEP(arrays___long) KEEP(bits) KEEP(bits___b)
enum colour keep_colour; enum colour___b keep_colour_b; enum flags keep_flags; enum flags___b keep_flags_b;
