"""A vmlinux.h by purebpf gives C what bpftool's gives it: the same names, and every size and offset the same.

Prototypes of kfuncs are those of a newer bpftool, built from the kernel's source.

A program with the size of every struct and union, and the offset of every member that can be addressed, is compiled
with each header; the numbers are read back from the object and compared with each other and with the BTF.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from struct import iter_unpack

import pytest

import purebpf
from purebpf.btf import Array, Btf, BtfWriter, Enum, Int, Kind, Member, Struct, Typedef, Union, resolve
from purebpf.btf.layout import bit_place
from purebpf.elf import read_elf
from purebpf.gen.header import header
from purebpf.units import BitOffset, TypeId
from tests.oracle.kernel_types import kernels
from tools.corpus.bpftool import bpftool

COMPILERS = ("clang-14", "clang-16", "clang-16 -std=c2x", "clang-19", "clang-19 -std=c23")
C23 = ("clang-16 -std=c2x", "clang-19 -std=c23", "clang-19 -std=gnu23")
"""Compilers for which `bool`, `true` and `false` are keywords."""

PROGRAM = """
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

SEC("syscall")
int calls(void *ctx)
{
	struct task_struct *task = bpf_task_from_pid(1);
	bool found = !!task;

	if (task)
		bpf_task_release(task);
	return found;
}

char LICENSE[] SEC("license") = "GPL";
"""
BY_KERNEL = pytest.mark.parametrize("kernel", sorted(kernels()))
TAGGED = (Kind.STRUCT, Kind.UNION, Kind.ENUM, Kind.ENUM64, Kind.FWD)


@cache
def types_of(kernel: str) -> Btf:
    path = kernels()[kernel]
    return Btf.parse(path.read_bytes(), name=str(path))


@cache
def our_header(kernel: str) -> str:
    return header(types_of(kernel))


@cache
def bpftools_header(kernel: str) -> str:
    command = ["bpftool", "btf", "dump", "file", str(kernels()[kernel]), "format", "c"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def tags_defined(text: str) -> set[str]:
    return set(re.findall(r"^((?:struct|union|enum) \w+) \{", text, re.MULTILINE))


def enumerators_defined(text: str) -> set[str]:
    return set(re.findall(r"^\t+(\w+) = -?\d+U?L*,$", text, re.MULTILINE))


@cache
def expressions(kernel: str) -> dict[str, int]:
    """C expressions and their values: of each struct and union whose name only it has."""
    btf = types_of(kernel)
    ids = btf.ids_of(*TAGGED)
    uses = Counter(btf.name_of(each) for each in ids)
    found = {}
    for type_id in btf.ids_of(Kind.STRUCT, Kind.UNION):
        name = btf.name_of(type_id)
        if not name or uses[name] > 1:
            continue
        kind = btf[type_id]
        assert isinstance(kind, Struct | Union)
        tag = f"{'struct' if isinstance(kind, Struct) else 'union'} {name}"
        found[f"sizeof({tag})"] = kind.size
        for path, bit in addressable(btf, kind):
            found[f"__builtin_offsetof({tag}, {path})"] = bit // 8
    return found


def addressable(btf: Btf, kind: Struct | Union, prefix: str = "", begin: int = 0) -> Iterator[tuple[str, int]]:
    """The members that are no bitfields, those of anonymous structs included, and the bit at which they lie."""
    for member in kind.members:
        bit, width = bit_place(btf, member)
        inner = anonymous_inside(btf, member)
        if member.name and not width:
            yield prefix + member.name, begin + bit
        if inner is not None:
            deeper = f"{prefix}{member.name}." if member.name else prefix
            yield from addressable(btf, inner, deeper, begin + bit)


def anonymous_inside(btf: Btf, member: Member) -> Struct | Union | None:
    inner = btf[resolve(btf, member.type)]
    if isinstance(inner, Struct | Union) and not inner.name and not isinstance(inner, Array):
        return inner
    return None


def compiled(text: str, wanted: list[str], compiler: str, folder: Path) -> list[int]:
    """The values of C expressions, by that header and that compiler."""
    (folder / "types.h").write_text(text)
    lines = "".join(f"\t{each},\n" for each in wanted)
    (folder / "program.c").write_text(f'#include "types.h"\nconst unsigned int numbers[] = {{\n{lines}}};\n')
    command = [*compiler.split(), "-target", "bpfel", "-Wall", "-Werror", "-c", "program.c", "-o", "program.o"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:4000]
    section = read_elf(folder / "program.o").section(".rodata")
    assert section is not None
    return [number for (number,) in iter_unpack("<I", section.data)]


@BY_KERNEL
def test_the_same_tags_are_defined(kernel: str) -> None:
    assert tags_defined(our_header(kernel)) == tags_defined(bpftools_header(kernel))


@BY_KERNEL
def test_the_same_enumerators_are_defined(kernel: str) -> None:
    assert enumerators_defined(our_header(kernel)) == enumerators_defined(bpftools_header(kernel))


@BY_KERNEL
@pytest.mark.parametrize("compiler", COMPILERS)
def test_every_size_and_offset_is_what_the_btf_says(kernel: str, compiler: str, tmp_path: Path) -> None:
    wanted = expressions(kernel)
    # Linux 6.1 has a struct with a member of that name.
    spelled = [each.replace(", bool)", ", bool_)") if compiler in C23 else each for each in wanted]
    found = compiled(our_header(kernel), spelled, compiler, tmp_path)
    assert dict(zip(wanted, found, strict=True)) == wanted


@pytest.mark.parametrize("compiler", [*COMPILERS, "clang-14 -std=c2x", "clang-19 -std=gnu23"])
def test_a_name_that_c23_made_a_keyword_stands_with_a_line_behind_it_and_the_keyword_is_free(
    compiler: str, tmp_path: Path
) -> None:
    writer = BtfWriter()
    writer.add(Int("_Bool", 1, 8, boolean=True))
    writer.add(Typedef("bool", TypeId(1)))
    writer.add(Struct("s", 2, (Member("bool", TypeId(2), BitOffset(0)), Member("b", TypeId(2), BitOffset(8)))))
    text = header(Btf.parse(writer.build())).replace("#endif /* __VMLINUX_H__ */", "") + "bool afterwards;\n#endif\n"
    member = "bool_" if compiler in C23 else "bool"
    wanted = ["sizeof(bool)", f"__builtin_offsetof(struct s, {member})", "__builtin_offsetof(struct s, b)"]
    assert compiled(text, wanted, compiler, tmp_path) == [1, 0, 1]


def prototypes(text: str) -> list[str]:
    return re.findall(r"^extern .* __weak __ksym;$", text, re.MULTILINE)


@BY_KERNEL
def test_the_prototypes_of_kfuncs_are_those_of_a_newer_bpftool(kernel: str) -> None:
    command = [str(bpftool()), "btf", "dump", "file", str(kernels()[kernel]), "format", "c"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    # bpftool 7.5 knows no attributes but tags, and not which functions spare their caller's registers.
    theirs = re.sub(r'btf_type_tag\("(address_space\(1\))"\)', r"\1", "\n".join(prototypes(text)))
    assert [each.replace("__bpf_fastcall ", "") for each in prototypes(our_header(kernel))] == theirs.splitlines()


@pytest.mark.parametrize("compiler", ["clang-16", "clang-19", "clang-19 -std=gnu23"])
def test_a_program_calls_a_kfunc_that_only_the_header_declares(compiler: str, tmp_path: Path) -> None:
    (tmp_path / "vmlinux.h").write_text(our_header("running"))
    (tmp_path / "p.c").write_text(PROGRAM)
    command = [*compiler.split(), "-target", "bpfel", "-O2", "-g", "-Wall", "-Werror", "-c", "p.c", "-o", "p.o"]
    subprocess.run(command, cwd=tmp_path, check=True)
    with purebpf.load(tmp_path / "p.o") as loaded:
        assert set(loaded.programs) == {"calls"}


@BY_KERNEL
def test_every_size_and_offset_is_what_bpftools_header_gives(kernel: str, tmp_path: Path) -> None:
    wanted = [*expressions(kernel), *map("sizeof({})".format, structs_with_a_number(kernel))]
    ours = compiled(our_header(kernel), wanted, "clang-19", tmp_path)
    theirs = compiled(bpftools_header(kernel), wanted, "clang-19", tmp_path)
    differing = [each for each, a, b in zip(wanted, ours, theirs, strict=True) if a != b]
    wrong = wrong_in_bpftools_header(kernel)
    assert [each for each in differing if struct_in(each) not in wrong] == []
    assert len(differing) < len(wanted) / 100


def struct_in(expression: str) -> str:
    """The name in 'sizeof(struct NAME)' or '__builtin_offsetof(struct NAME, member)'."""
    return expression.partition(" ")[2].rstrip(")").partition(",")[0]


@cache
def wrong_in_bpftools_header(kernel: str) -> set[str]:
    """The structs and unions that hold, however deep, something bpftool 7.1 prints with another size.

    It prints an enum of 1 or 2 bytes as one of 4, and leaves `__builtin_va_list` to the compiler, which for BPF has
    another one than for the kernel.
    """
    btf = types_of(kernel)
    known: dict[int, bool] = {}

    def holds(type_id: int) -> bool:
        found = known.get(type_id)
        if found is None:
            match btf[resolve(btf, type_id)]:
                case Enum(size=size):
                    found = size < 4
                case Array(element=element):
                    found = holds(element)
                case Struct(name="__va_list_tag"):
                    found = True
                case Struct(members=members) | Union(members=members):
                    found = any(holds(member.type) for member in members)
                case _:
                    found = False
            known[type_id] = found
        return found

    return {btf.name_of(each) for each in btf.ids_of(Kind.STRUCT, Kind.UNION) if holds(each)}


def structs_with_a_number(kernel: str) -> list[str]:
    """The structs and unions that share their names with others: 'struct x___2'."""
    tags = tags_defined(bpftools_header(kernel))
    return sorted(each for each in tags if re.search(r"___\d+$", each) and not each.startswith("enum"))


@BY_KERNEL
def test_a_header_is_the_same_every_time(kernel: str) -> None:
    assert header(Btf.parse(types_of(kernel).raw)) == our_header(kernel)
