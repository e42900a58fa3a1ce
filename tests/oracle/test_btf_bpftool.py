"""Every type as bpftool, pahole and clang see it, in the running kernel's BTF and in the objects of bpf/built.

bpftool's JSON dump says each field of each record; pahole the size of each struct; clang, given bpftool's header
beside purebpf's declarations, where each member lies.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from purebpf.btf import (
    Array,
    Btf,
    BtfType,
    Const,
    DataSection,
    DeclTag,
    Enum,
    Float,
    Forward,
    Function,
    FunctionProto,
    Int,
    Kind,
    Member,
    Pointer,
    Restrict,
    Struct,
    Typedef,
    TypeTag,
    Union,
    Variable,
    Volatile,
    align_of,
    declare,
    resolve,
    size_of,
)
from purebpf.elf import read_elf

VMLINUX = Path("/sys/kernel/btf/vmlinux")
BUILT = sorted((Path(__file__).resolve().parents[2] / "bpf" / "built").glob("*.o"))
FUNCTION_LINKAGE = ("static", "global", "extern")
SAMPLED = 3
"""Every third struct is shown to clang: all of them were equal on 6.1, 6.12 and 6.18, at three times the cost."""
VARIABLE_LINKAGE = ("static", "global", "extern")

KINDS = """
enum narrow { MINUS = -1, PLUS = 0x7fffffff };
enum unsigned_narrow { TOP = 0xffffffffu };
enum wide { WIDE_TOP = 0xfedcba9876543210ull };
enum signed_wide { WIDE_BOTTOM = -0x7edcba9876543210ll };
struct unseen;
union unseen_union;
typedef int (*callback)(struct unseen *, union unseen_union *, ...);
struct holder {
  int low : 3; unsigned high : 29; unsigned long long crossing : 40; _Bool truth; char letter; double number;
  const volatile int *qualified; int *restrict alone; callback call; int matrix[2][3];
  union { enum narrow n; enum unsigned_narrow u; enum wide w; enum signed_wide s; };
  int __attribute__((btf_type_tag("user"))) *tagged; int decorated __attribute__((btf_decl_tag("a_member")));
} __attribute__((btf_decl_tag("a_struct")));
struct holder value = {}; static volatile int hidden = 3;
extern int kernel_value __attribute__((section(".ksyms")));
extern int kernel_function(struct holder *held) __attribute__((section(".ksyms")));
__attribute__((noinline)) static int local(int number) { return number * hidden; }
int entry(struct holder *held) { return local(held->low) + kernel_value + kernel_function(held); }
"""

Json = dict[str, Any]

needs_vmlinux = pytest.mark.skipif(not VMLINUX.exists(), reason="the running kernel has no BTF")


@cache
def vmlinux() -> Btf:
    return Btf.parse(VMLINUX.read_bytes(), name=str(VMLINUX))


def run(tool: str, *arguments: str | Path, stdin: str | None = None) -> str:
    path = shutil.which(tool)
    if path is None:
        pytest.skip(f"{tool} is not installed")
    done = subprocess.run([path, *arguments], capture_output=True, text=True, input=stdin, check=False)
    assert done.returncode == 0, f"{tool}: {done.stderr[-4000:]}"
    return done.stdout


def dumped(path: Path) -> list[Json]:
    types: list[Json] = json.loads(run("bpftool", "btf", "dump", "file", path, "format", "raw", "-j"))["types"]
    return types


def as_bpftool_has_it(type_id: int, kind: BtfType) -> Json:
    head: Json = {"id": type_id, "kind": "", "name": kind.name or "(anon)"}
    match kind:
        case Int():
            encodings = [(kind.signed, "SIGNED"), (kind.char, "CHAR"), (kind.boolean, "BOOL")]
            encoding = next((name for flag, name in encodings if flag), "(none)")
            bits = {"size": kind.size, "bits_offset": kind.bit_offset, "nr_bits": kind.bits}
            return head | {"kind": "INT"} | bits | {"encoding": encoding}
        case Pointer(target=target):
            return head | {"kind": "PTR", "type_id": target}
        case Array():
            sizes = {"type_id": kind.element, "index_type_id": kind.index, "nr_elems": kind.count}
            return head | {"kind": "ARRAY"} | sizes
        case Struct() | Union():
            members = [member_as_bpftool_has_it(member, kind.kind_flag) for member in kind.members]
            name = type(kind).__name__.upper()
            return head | {"kind": name, "size": kind.size, "vlen": len(members), "members": members}
        case Enum():
            values = [{"name": each.name, "val": value_in_bpftool(each.value, kind)} for each in kind.enumerators]
            name, encoding = "ENUM64" if kind.wide else "ENUM", "SIGNED" if kind.signed else "UNSIGNED"
            sizes = {"size": kind.size, "vlen": len(values)}
            return head | {"kind": name, "encoding": encoding} | sizes | {"values": values}
        case Forward(is_union=is_union):
            return head | {"kind": "FWD", "fwd_kind": "union" if is_union else "struct"}
        case Typedef() | Volatile() | Const() | Restrict():
            return head | {"kind": type(kind).__name__.upper(), "type_id": kind.type}
    return rarer_as_bpftool_has_it(head, kind)


def rarer_as_bpftool_has_it(head: Json, kind: BtfType) -> Json:
    match kind:
        case Function():
            return head | {"kind": "FUNC", "type_id": kind.type, "linkage": FUNCTION_LINKAGE[kind.linkage]}
        case FunctionProto():
            parameters = [{"name": each.name or "(anon)", "type_id": each.type} for each in kind.parameters]
            vlen = {"ret_type_id": kind.return_type, "vlen": len(parameters)}
            return head | {"kind": "FUNC_PROTO"} | vlen | {"params": parameters}
        case Variable():
            return head | {"kind": "VAR", "type_id": kind.type, "linkage": VARIABLE_LINKAGE[kind.linkage]}
        case DataSection():
            places = [{"type_id": each.type, "offset": each.offset, "size": each.size} for each in kind.variables]
            return head | {"kind": "DATASEC", "size": kind.size, "vlen": len(places), "vars": places}
        case Float():
            return head | {"kind": "FLOAT", "size": kind.size}
        case DeclTag():
            return head | {"kind": "DECL_TAG", "type_id": kind.type, "component_idx": kind.component}
        case TypeTag():
            return head | {"kind": "TYPE_TAG", "type_id": kind.type}
    raise AssertionError(f"bpftool has no word for {kind}")


def member_as_bpftool_has_it(member: Member, kind_flag: bool) -> Json:
    said: Json = {"name": member.name or "(anon)", "type_id": member.type, "bits_offset": member.bit_offset}
    return said | {"bitfield_size": member.bitfield_size} if member.bitfield_size else said


def value_in_bpftool(value: int, kind: Enum) -> int:
    """Bpftool 7.1 takes an unsigned 32-bit value for a signed one on its way to 64 bits."""
    return value + (1 << 64) - (1 << 32) if not kind.wide and value >> 31 == 1 else value


def assert_equal_types(btf: Btf, expected: list[Json]) -> None:
    assert len(btf) - 1 == len(expected)
    for type_id, theirs in enumerate(expected, 1):
        ours = as_bpftool_has_it(type_id, btf[type_id])
        assert ours == theirs


@needs_vmlinux
def test_every_type_of_the_running_kernel_equals_bpftools_dump() -> None:
    expected = dumped(VMLINUX)
    assert_equal_types(vmlinux(), expected)


@needs_vmlinux
def test_names_and_kinds_read_without_building_equal_bpftools() -> None:
    btf = vmlinux()
    for theirs in dumped(VMLINUX):
        assert btf.name_of(theirs["id"]) == theirs["name"].replace("(anon)", "")
        assert Kind(btf.kind(theirs["id"])).name == theirs["kind"]


@pytest.mark.parametrize("path", BUILT, ids=lambda path: path.name)
def test_every_type_of_an_object_equals_bpftools_dump(path: Path) -> None:
    section = read_elf(path).section(".BTF")
    if section is None:
        return
    assert_equal_types(Btf.parse(section.data, name=path.name), dumped(path))


@pytest.mark.parametrize("compiler", ["clang-19", "clang-14"])
@pytest.mark.parametrize("target", ["bpfel", "bpfeb"])
def test_every_type_that_clang_writes_equals_bpftools_dump(compiler: str, target: str, tmp_path: Path) -> None:
    built = tmp_path / "kinds.o"
    options = ("-target", target, "-g", "-O2", "-xc", "-c", "-", "-o")
    run(compiler, *options, built, stdin=KINDS)
    section = read_elf(built).section(".BTF")
    assert section is not None
    btf = Btf.parse(section.data)
    assert btf.byteorder == ("little" if target == "bpfel" else "big")
    assert_equal_types(btf, dumped(built))
    found = {Kind(btf.kind(type_id)) for type_id in btf.ids()}
    newer = {Kind.ENUM64} if compiler == "clang-14" else set()
    assert found == set(Kind) - {Kind.VOID} - newer


@needs_vmlinux
def test_find_gives_the_ids_that_bpftool_lists_for_a_name() -> None:
    btf = vmlinux()
    by_name: dict[str, list[int]] = {}
    for theirs in dumped(VMLINUX):
        by_name.setdefault(theirs["name"], []).append(theirs["id"])
    by_name.pop("(anon)")
    names = sorted(by_name)
    for name in names[:: len(names) // 200]:
        assert list(btf.find(name)) == by_name[name]
    assert btf.find("no type has this name") == ()


@needs_vmlinux
def test_struct_sizes_equal_paholes() -> None:
    btf = vmlinux()
    listed = run("pahole", "-F", "btf", "--sizes", VMLINUX).splitlines()
    theirs = {name: int(size) for name, size, _ in (line.split("\t") for line in listed)}
    ids = btf.ids_of(Kind.STRUCT)
    names = Counter(btf.name_of(type_id) for type_id in ids)
    ours = {btf.name_of(type_id): size_of(btf, type_id) for type_id in ids if names[btf.name_of(type_id)] == 1}
    shared = theirs.keys() & ours.keys()
    assert {name: ours[name] for name in shared} == {name: theirs[name] for name in shared}
    assert len(shared) > len(theirs) // 2


COMPOUND = (Kind.STRUCT, Kind.UNION, Kind.ENUM, Kind.ENUM64)


def words(btf: Btf, type_id: int) -> str:
    """A named struct, union or enum as C refers to it."""
    kind = btf.kind(type_id)
    return f"{'enum' if kind == Kind.ENUM64 else Kind(kind).name.lower()} {btf.name_of(type_id)}"


def embedded(btf: Btf, type_id: int) -> set[int]:
    """The structs, unions and enums that a type holds by value, itself included."""
    found: set[int] = set()
    waiting = [type_id]
    while waiting:
        match btf[(at := resolve(btf, waiting.pop()))]:
            case Struct(members=members) | Union(members=members) if at not in found:
                found.add(at)
                waiting += [member.type for member in members]
            case Enum():
                found.add(at)
            case Array(element=element):
                waiting.append(element)
    return found


def clang(source: Path) -> list[str]:
    """The messages of the static assertions that fail; any other error fails the test."""
    options = ("-target", "bpf", "-fsyntax-only", "-Wno-everything", "-ferror-limit=0")
    if shutil.which("clang-19") is None:
        pytest.skip("clang-19 is not installed")
    done = subprocess.run(["clang-19", *options, source], capture_output=True, text=True, check=False)
    errors = [line for line in done.stderr.splitlines() if ": error: " in line]
    failed = [re.fullmatch(r".*: error: static assertion failed .*: (.*)", line) for line in errors]
    assert all(failed), [line for line, match in zip(errors, failed, strict=True) if match is None]
    return [match[1] for match in failed if match]


def misplaced_by_bpftool(btf: Btf, header: str, times: Counter[str], tmp_path: Path) -> set[str]:
    """What bpftool 7.1's own header gives another size than the BTF, or none: enums of one byte, empty ones."""
    unique = [type_id for type_id in btf.ids_of(*COMPOUND) if times[btf.name_of(type_id)] == 1]
    empty = {at for at in unique if isinstance(kind := btf[at], Enum) and not kind.enumerators}
    names = {words(btf, at): at for at in unique if at not in empty}
    source = tmp_path / "sizes.c"
    checks = [f'_Static_assert(sizeof({name}) == {size_of(btf, at)}, "{name}");' for name, at in names.items()]
    source.write_text("\n".join([header, *checks]))
    return {words(btf, at) for at in empty} | set(clang(source))


def assertions(btf: Btf, type_id: int) -> str:
    """The declaration under another name, and what must hold of it."""
    kind = btf[type_id]
    assert isinstance(kind, Struct | Union)
    name, theirs = kind.name, words(btf, type_id)
    ours = theirs.replace(" ", " purebpf_")
    lines = [declare(btf, type_id).replace(theirs, ours, 1)]
    lines.append(f'_Static_assert(sizeof({ours}) == {size_of(btf, type_id)}, "size of {name}");')
    lines.append(f'_Static_assert(_Alignof({ours}) == {align_of(btf, type_id)}, "alignment of {name}");')
    for member in kind.members:
        if member.name and not member.bitfield_size:
            place = f"__builtin_offsetof({ours}, {member.name})"
            lines.append(f'_Static_assert({place} == {member.bit_offset // 8}, "{name}.{member.name}");')
    return "\n".join(lines)


@needs_vmlinux
def test_clang_lays_declarations_out_as_the_btf_says(tmp_path: Path) -> None:
    """Checked are structs and unions with everything they embed unique by name and right in bpftool's header.

    What declares enumerators inside cannot stand beside a header that declares them too.
    """
    btf = vmlinux()
    header = run("bpftool", "btf", "dump", "file", VMLINUX, "format", "c")
    times = Counter(btf.name_of(type_id) for type_id in btf.ids_of(*COMPOUND, Kind.TYPEDEF, Kind.FWD))
    wrong = misplaced_by_bpftool(btf, header, times, tmp_path)
    checks = []
    for type_id in btf.ids_of(Kind.STRUCT, Kind.UNION)[::SAMPLED]:
        named = [at for at in embedded(btf, type_id) if btf.name_of(at)]
        unique = all(times[btf.name_of(at)] == 1 and words(btf, at) not in wrong for at in named)
        anonymous_enum = any(isinstance(btf[at], Enum) and not btf.name_of(at) for at in embedded(btf, type_id))
        if btf.name_of(type_id) and unique and not anonymous_enum:
            checks.append(assertions(btf, type_id))
    assert len(checks) > 2000
    source = tmp_path / "layout.c"
    source.write_text("\n".join([header, *checks]))
    assert clang(source) == []
