/* Types whose layout the codec must get from BTF alone; compiled by gcc for this machine and by clang for BPF. */
#ifndef CODEC_TYPES_H
#define CODEC_TYPES_H

typedef unsigned char u8;
typedef signed char s8;
typedef unsigned short u16;
typedef short s16;
typedef unsigned int u32;
typedef int s32;
typedef unsigned long long u64;
typedef long long s64;
typedef __int128 s128;
typedef unsigned __int128 u128;

enum color { RED, GREEN = 5, BLUE = 0x7fffffff };
enum level { LOW = -3, MID = 0, HIGH = 9 };
enum huge { HUGE_ONE = 1, HUGE_TOP = 0xffffffffffffffffULL };

struct scalars {
	u8 a;
	s8 b;
	u16 c;
	s16 d;
	u32 e;
	s32 f;
	u64 g;
	s64 h;
	_Bool i;
	char j;
	long k;
	float l;
	double m;
	void *n;
	enum color o;
	enum huge q;
};

struct wide {
	u8 before;
	s128 s;
	u128 u;
};

struct bits {
	u32 a : 1;
	u32 b : 4;
	s32 c : 7;
	u32 d : 20;
	u8 e : 3;
	u8 f : 5;
	s64 g : 33;
	u64 h : 31;
	_Bool i : 1;
	enum color j : 7;
	u16 k : 9;
	u32 plain;
	s8 l : 2;
	u32 : 3;
	u32 m : 9;
	u64 n : 64;
};

struct bits_packed {
	u8 lead;
	u64 a : 3;
	u64 b : 45;
	s64 c : 27;
	u32 d : 29;
	u8 tail;
} __attribute__((packed));

struct packed {
	u8 a;
	u32 b;
	u16 c;
	u64 d;
	u8 e;
	double f;
} __attribute__((packed));

struct inner {
	u16 x;
	s32 y;
};

struct nested {
	u8 head;
	struct inner one;
	struct inner many[3];
	struct {
		u8 left;
		u64 right;
		struct {
			s16 deep;
		};
	};
	struct {
		u32 part : 12;
		u32 rest : 20;
	} named;
	enum color colors[2];
	_Bool flags[3];
};

union any {
	u64 whole;
	u32 half[2];
	struct inner in;
	u8 raw[8];
};

struct unions {
	u32 kind;
	union any value;
	union {
		u32 v4;
		u8 v6[16];
		struct {
			u64 low;
			u64 high;
		};
	};
	u16 port;
};

struct texts {
	char comm[16];
	u8 mac[6];
	s8 levels[4];
	char full[3];
};

struct grids {
	u16 numbers[2][3];
	char lines[2][5];
	u8 macs[2][3];
};

struct signed_enums {
	enum level one;
	enum level many[2];
	enum level few : 5;
};

struct long_array {
	u32 count;
	u64 slots[40];
	struct inner table[20];
};

#endif
