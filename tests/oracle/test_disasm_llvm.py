"""The disassembly against llvm-objdump 19: compiled C, shipped objects, and every encoding there is.

Differences that are meant stand in `differs_on_purpose`, each with its reason; everything else must be equal to the
letter.
"""

import itertools
import re
import shutil
import struct
import subprocess
from io import BytesIO
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from purebpf.insn import assemble_text, disassemble
from purebpf.units import ByteOrder

OBJDUMP = "llvm-objdump-19"
MC = "llvm-mc-19"
TARGETS: dict[ByteOrder, str] = {"little": "bpfel", "big": "bpfeb"}

# What C needs to make clang emit each family; MCPU is the level without its v.
C_SOURCE = r"""
typedef unsigned char u8; typedef unsigned short u16; typedef unsigned int u32; typedef unsigned long long u64;
typedef signed char s8; typedef short s16; typedef int s32; typedef long long s64;
#define SEC(name) __attribute__((section(name), used))
struct wide { u64 a; u32 b; u16 c; u8 d; s32 e; s16 f; s8 g; };
extern int kernel_function(void *) SEC(".ksyms");
u64 global_counter; const volatile u32 tunable = 3; static u64 hidden[4];
static __attribute__((noinline)) u64 subprogram(struct wide *w, u64 x) { return x * w->a + w->b; }
static long callback(u32 index, void *context) { hidden[index & 3]++; return 0; }

SEC("arith_code") u64 arithmetic(struct wide *w) {
  u64 a = w->a; u32 b = w->b; u16 c = w->c; u8 d = w->d;
  u64 r = a + b; r -= c; r *= 0x12345; r /= d; r %= 77; r |= b; r &= 0x0fffffffffffffffULL; r <<= 3; r >>= d & 7;
  r ^= a; b += 5; b *= 3; b /= (c | 1); b %= (d | 1); b <<= 2; b >>= 1; b ^= 0xdeadbeef; r += -a; b = -b;
  r += (u64)((s64)a >> 5); b += (s32)b >> (c & 31);
  return r + b;
}
SEC("memory_code") u64 memory(struct wide *w) {
  s64 sum = w->e; sum += w->f; sum += w->g;
  w->a = 1; w->b = 2; w->c = 3; w->d = 4; w->a = sum; w->b = sum; w->c = sum; w->d = sum;
  *(volatile u64 *)w = -7; *(volatile u32 *)w = 0x7fffffff; *(volatile u16 *)w = 9; *(volatile u8 *)w = 10;
  return sum + (s64)(s8)w->a + (s16)w->a + (s32)w->a;
}
SEC("jumps_code") u64 jumps(struct wide *w) {
  u64 r = 0; s64 s = w->a; s32 t = w->e;
  if (w->a > 5) r++; if (w->a >= w->b) r += 2; if (s < -3) r += 3; if (s <= (s64)w->b) r += 5; if (w->a & 8) r += 7;
  if (t < 9) r *= 2; if (t > (s32)w->b) r *= 3; if (w->b == 0xffffffff) r *= 5; if (w->b != w->c) r *= 7;
  if (w->b < 4) r ^= 9; if (t >= 6) r ^= 10; if (s > 1000000) r ^= 11; if (w->a <= 99) r ^= 12;
  for (int i = 0; i < (int)w->c; i++) { r += i; __asm__ volatile("" : "+r"(r)); }
  return r;
}
SEC("calls_code") u64 calls(struct wide *w) {
  u64 (*helper)(void) = (void *)5; long (*loop)(u32, void *, void *, u64) = (void *)181;
  loop(4, callback, w, 0); global_counter += helper() + tunable;
  return subprogram(w, 0x123456789abcdefULL) + kernel_function(w) + 0xffffffff80000000ULL;
}
SEC("swaps_code") u64 swaps(struct wide *w) {
  return __builtin_bswap16(w->c) + __builtin_bswap32(w->b) + __builtin_bswap64(w->a);
}
SEC("packet_code") u64 packet(void *skb) {
  u64 byte(void *, u64) __asm__("llvm.bpf.load.byte"); u64 half(void *, u64) __asm__("llvm.bpf.load.half");
  u64 word(void *, u64) __asm__("llvm.bpf.load.word");
  return byte(skb, 12) + half(skb, global_counter) + word(skb, 26);
}
SEC("xadd_code") void xadd(struct wide *w) { __sync_fetch_and_add(&w->a, 7); __sync_fetch_and_add(&w->b, 7); }
#if MCPU >= 3
SEC("atomics_code") u64 atomics(struct wide *w, u64 x) {
  u64 r = __sync_fetch_and_add(&w->a, x); r += __sync_fetch_and_or(&w->a, x); r += __sync_fetch_and_and(&w->a, x);
  r += __sync_fetch_and_xor(&w->a, x); r += __sync_lock_test_and_set(&w->a, x);
  r += __sync_val_compare_and_swap(&w->a, r, x); __sync_fetch_and_or(&w->a, x); __sync_fetch_and_xor(&w->a, x);
  u32 y = x; y += __sync_fetch_and_add(&w->b, y); y += __sync_fetch_and_or(&w->b, y);
  y += __sync_lock_test_and_set(&w->b, y); y += __sync_val_compare_and_swap(&w->b, r, y);
  __sync_fetch_and_and(&w->b, y);
  return r + y;
}
#endif
#if MCPU >= 4
SEC("v4_code") s64 newest(struct wide *w) {
  s64 a = w->a; s32 b = w->e; a = a / (s64)w->b; a = a % 9; b = b / 3; b = b % (s32)w->c;
  __asm__ volatile("goto +0\n gotol +0\n may_goto +0\n may_goto -1" ::: "memory");
  __asm__ volatile("%0 = (s8)%0\n %0 = (s16)%0\n %0 = (s32)%0\n %0 = bswap16 %0\n %0 = bswap32 %0" : "+r"(a));
  __asm__ volatile("w3 = (s8)w4\n w3 = (s16)w4\n w3 s/= w4\n w3 s%%= -5\n r3 s/= 6" ::: "r3", "r4");
  __asm__ volatile("%0 = addr_space_cast(%0, 1, 0)\n %0 = addr_space_cast(%0, 0, 1)" : "+r"(a));
  __asm__ volatile("r3 = *(s8 *)(r10 - 8)\n r3 = *(s16 *)(r10 - 8)\n r3 = *(s32 *)(r10 - 8)" ::: "r3");
  __asm__ volatile("if w3 s> -3 goto +0\n if r3 & r4 goto +0\n if w3 & 7 goto +0\n callx r3" ::: "r3", "r4");
  __asm__ volatile("*(u16 *)(r10 - 8) = -2\n r3 = le16 r3\n r3 = be32 r3\n r3 = le64 r3" ::: "r3");
  return a + b;
}
#endif
"""

COMPILERS = [
    (compiler, level, byteorder)
    for compiler, levels in (("clang-19", (1, 2, 3, 4)), ("clang-14", (1, 2, 3)))
    for level in levels
    for byteorder in TARGETS
]


@pytest.fixture(scope="module", autouse=True)
def _tools() -> None:
    for tool in (OBJDUMP, MC, "clang-19", "clang-14"):
        assert shutil.which(tool), f"the oracle tier needs {tool}"


def objdump(path: Path, *options: str) -> dict[str, list[str]]:
    """Text of each instruction by section; jump targets as objdump names them."""
    command = [OBJDUMP, "-d", "-z", "--no-show-raw-insn", *options, str(path)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    for line in text.splitlines():
        if heading := re.fullmatch(r"Disassembly of section (.*):", line):
            current = sections.setdefault(heading[1], [])
        elif insn := re.fullmatch(r"\s*[0-9]+:\t(.*?)\s*", line):
            current.append(insn[1])
    return sections


def code_sections(image: bytes) -> tuple[ByteOrder, dict[str, bytes]]:
    elf = ELFFile(BytesIO(image))
    found = {s.name: s.data() for s in elf.iter_sections() if s["sh_flags"] & 4 and s["sh_size"]}
    return ("little" if elf.little_endian else "big"), found


def without_place(text: str) -> str:
    return re.sub(r" <\S+>$", "", text)


def check_object(path: Path, image: bytes) -> int:
    """Compare both styles with objdump's, and the text with the bytes it came from; returns how many instructions."""
    byteorder, sections = code_sections(image)
    assert sections
    count = 0
    for alu32, options in ((False, ()), (True, ("--mcpu=v4",))):
        expected = objdump(path, *options)
        assert set(expected) == set(sections)
        for name, code in sections.items():
            lines = disassemble(code, byteorder, alu32=alu32)
            wanted = [without_place(text) for text in expected[name]]
            pairs = list(zip(lines, wanted, strict=True))
            assert [p for p in pairs if p[0] != p[1] and not differs_on_purpose(*p)] == []
            assert assemble_text("\n".join(disassemble(code, byteorder, alu32=alu32, exact=True)), byteorder) == code
            count += len(lines)
    return count


def differs_on_purpose(ours: str, llvm: str) -> bool:
    # Without --mcpu=v3 LLVM knows no 32-bit atomic but add, and writes that one without looking at the fetch bit.
    word_atomic = "(u32 *)" in ours or "xchg32_32" in ours
    return word_atomic and "w" in ours and (llvm == "<unknown>" or llvm.startswith("lock *(u32 *)"))


@pytest.mark.parametrize(("compiler", "level", "byteorder"), COMPILERS)
def test_what_clang_emits_reads_as_objdump_reads_it(
    compiler: str, level: int, byteorder: ByteOrder, tmp_path: Path
) -> None:
    source, out = tmp_path / "all.c", tmp_path / "all.o"
    source.write_text(C_SOURCE)
    target = ["-target", TARGETS[byteorder], f"-mcpu=v{level}", f"-DMCPU={level}"]
    command = [compiler, "-O2", "-w", *target, "-c", str(source), "-o", str(out)]
    subprocess.run(command, check=True, capture_output=True)
    assert check_object(out, out.read_bytes()) > 300


def test_jump_targets_are_named_as_objdump_names_them(tmp_path: Path) -> None:
    source, out = tmp_path / "all.c", tmp_path / "all.o"
    source.write_text(C_SOURCE)
    subprocess.run(
        ["clang-19", "-O2", "-w", "-target", "bpfel", "-mcpu=v4", "-DMCPU=4", "-c", str(source), "-o", str(out)],
        check=True,
    )
    elf = ELFFile(BytesIO(out.read_bytes()))
    section = elf.get_section_by_name("jumps_code")
    index = elf.get_section_index("jumps_code")
    symbols = {
        s["st_value"] // 8: s.name
        for s in elf.get_section_by_name(".symtab").iter_symbols()
        if s["st_shndx"] == index and s.name
    }
    expected = objdump(out)["jumps_code"]
    assert any(text.endswith(">") for text in expected)
    assert disassemble(section.data(), symbols=symbols) == expected


def embedded_objects(binary: bytes) -> list[bytes]:
    """BPF objects inside a program: libbpf's skeletons carry them as string constants."""
    images = []
    at = binary.find(b"\x7fELF\x02")
    while at >= 0:
        if struct.unpack_from("<H", binary, at + 18)[0] == 247:
            (table,) = struct.unpack_from("<Q", binary, at + 40)
            size, count = struct.unpack_from("<HH", binary, at + 58)
            images.append(binary[at : at + table + size * count])
        at = binary.find(b"\x7fELF\x02", at + 4)
    return images


def shipped_files(package: str) -> list[Path]:
    listed = subprocess.run(["dpkg", "-L", package], check=True, capture_output=True, text=True).stdout
    return [path for path in map(Path, listed.split()) if path.is_file() and not path.is_symlink()]


def test_objects_inside_libbpf_tools_read_as_objdump_reads_them(tmp_path: Path) -> None:
    images = [
        image
        for path in shipped_files("libbpf-tools")
        if path.parent.name == "sbin"
        for image in embedded_objects(path.read_bytes())
    ]
    assert len(images) > 40
    total = 0
    for number, image in enumerate(images):
        path = tmp_path / f"{number}.o"
        path.write_bytes(image)
        total += check_object(path, image)
    assert total > 20_000


def test_objects_of_xdp_tools_read_as_objdump_reads_them() -> None:
    files = shipped_files("xdp-tools") + shipped_files("libxdp1")
    paths = [path for path in files if path.suffix == ".o"]
    assert len(paths) > 10
    assert sum(check_object(path, path.read_bytes()) for path in paths) > 5_000


REGISTERS = ((0, 0), (1, 2), (10, 11), (12, 1), (1, 13))
OFFSETS = (0, 1, 2, 8, 16, 32, 64, -1, -32768, 32767)
IMMEDIATES = (0, 1, 5, -1, 0x40, 0x41, 0x51, 0xA1, 0xE1, 0xF1, 16, 32, 64, -(1 << 31), (1 << 31) - 1)


def every_encoding(byteorder: ByteOrder) -> bytes:
    slot = struct.Struct("<BBhi" if byteorder == "little" else ">BBhi")

    def registers(dst: int, src: int) -> int:
        return dst | src << 4 if byteorder == "little" else src | dst << 4

    pieces = [
        slot.pack(opcode, registers(*pair), offset, imm)
        for opcode in range(256)
        if opcode != 0x18
        for pair, offset, imm in itertools.product(REGISTERS, OFFSETS, IMMEDIATES)
    ]
    halves = (0, 1, -1, -(1 << 31), (1 << 31) - 1)
    for dst, src, low, high in itertools.product(range(12), range(16), halves, halves):
        pieces += [slot.pack(0x18, registers(dst, src), 0, low), slot.pack(0, 0, 0, high)]
    return b"".join(pieces)


def llvm_says_less(opcode: int, ours: str, llvm: str) -> bool:
    """The differences on encodings that clang 19 does not emit."""
    if opcode == 0x0D:  # gotox came with LLVM 21
        return llvm == "<unknown>" and ours.startswith("gotox")
    if opcode in (0xC3, 0xDB):  # LLVM's add looks at some bits of the imm only, its word atomics need --mcpu=v3
        return llvm.startswith("lock ") or (llvm == "<unknown>" and "w" in ours)
    # LLVM leaves out the upper half of a pseudo source's value.
    kept, _, value = ours.rpartition(" ")
    return opcode == 0x18 and ours.startswith("ld_pseudo") and f"{kept} {int(value, 16) & 0xFFFFFFFF:#x}" == llvm


@pytest.mark.parametrize("byteorder", list(TARGETS))
def test_every_encoding_reads_as_objdump_reads_it(byteorder: ByteOrder, tmp_path: Path) -> None:
    code = every_encoding(byteorder)
    (tmp_path / "code").write_bytes(code)
    source, out = tmp_path / "all.s", tmp_path / "all.o"
    source.write_text(f'.section .text,"ax",@progbits\n.incbin "{tmp_path}/code"\n')
    subprocess.run([MC, f"-triple={TARGETS[byteorder]}", "-filetype=obj", str(source), "-o", str(out)], check=True)
    wanted = [without_place(text) for text in objdump(out)[".text"]]
    lines = disassemble(code, byteorder)
    opcodes = list(code[::8])
    strays = len(opcodes) - 12 * 16 * 25 * 2
    opcodes[strays:] = opcodes[strays::2]
    different = [
        (hex(opcode), ours, llvm)
        for opcode, ours, llvm in zip(opcodes, lines, wanted, strict=True)
        if ours != llvm and not llvm_says_less(opcode, ours, llvm)
    ]
    assert different == []
