"""The repository's own BPF sources compile against a vmlinux.h that purebpf made, in place of the C headers of Linux.

Many sources define a few of the kernel's types themselves, cut to what they read. So the header has the types that
Linux's own headers would have given them; their macros, which are no types, are kept.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import purebpf
from purebpf.btf import Btf, Enum, Kind
from purebpf.gen.header import header
from tests.oracle.corpus import SOURCES
from tests.oracle.kernel_types import kernels

LINUX = Path("/usr/include/linux")
SHADOWED = ("types", "bpf", "bpf_perf_event", "if_ether", "ip", "ipv6", "in6", "ptrace")
INCLUDED = {"types": "int-ll64"}
FLAGS = ("-O2", "-g", "-target", "bpfel", "-mcpu=v3", "-D__TARGET_ARCH_x86", "-Wall", "-Wextra", "-Werror",
         "-Wno-unused-parameter", "-Wno-missing-declarations")  # fmt: skip


def text_of(name: str) -> str:
    """A header of Linux without its comments, with what it includes of its architecture."""
    of_machine = [
        *LINUX.parent.glob(f"*-linux-gnu/asm/{name}.h"),
        *LINUX.parent.glob(f"asm-generic/{INCLUDED.get(name)}.h"),
    ]
    text = "\n".join(file.read_text() for file in (LINUX / f"{name}.h", *of_machine))
    return re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


def types_in(btf: Btf, text: str) -> list[int]:
    """The kernel's types of the names that a header defines: tags, typedefs, and enums by their first value."""
    tags = set(re.findall(r"\b(?:struct|union|enum)\s+(\w+)\s*\{", text))
    typedefs = set(re.findall(r"^typedef .*?(\w+);", text, re.MULTILINE))
    words = set(re.findall(r"^\s+(\w+)\s*(?:=|,)", text, re.MULTILINE)) | {"BPF_ANY"}
    found: list[int] = []
    for type_id in btf.ids_of(Kind.STRUCT, Kind.UNION, Kind.ENUM, Kind.ENUM64, Kind.TYPEDEF):
        name = btf.name_of(type_id)
        if name in (typedefs if btf.kind(type_id) == Kind.TYPEDEF else tags) and name:
            found.append(type_id)
        elif not name and isinstance(kind := btf[type_id], Enum) and kind.enumerators:
            found += [type_id] * (kind.enumerators[0].name in words)
    return found


def macros_in(text: str) -> str:
    """The macros of a header that stand for something; those that keep it from being read twice do not."""
    return "\n".join(
        re.findall(r"^[ \t]*#[ \t]*define[ \t]+\w+(?:\([^)\n]*\))?[ \t]+(?:.*\\\n)*.*$", text, re.MULTILINE)
    )


@pytest.fixture(scope="session")
def headers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with headers of the names of Linux's, all of which include ours."""
    folder = tmp_path_factory.mktemp("include")
    (folder / "linux").mkdir()
    texts = {name: text_of(name) for name in SHADOWED}
    btf = Btf.parse(next(iter(kernels().values())).read_bytes())
    (folder / "vmlinux.h").write_text(header(btf, types_in(btf, "\n".join(texts.values()))))
    for name, text in texts.items():
        ours = f'#pragma once\n#include "../vmlinux.h"\n{macros_in(text)}\n'
        (folder / "linux" / f"{name}.h").write_text(ours)
    return folder


@pytest.mark.parametrize("source", sorted(SOURCES.glob("*.bpf.c")), ids=lambda path: path.name)
def test_a_source_of_ours_compiles_with_our_header(source: Path, headers: Path, tmp_path: Path) -> None:
    target = tmp_path / source.with_suffix(".o").name
    done = subprocess.run(
        ["clang-19", *FLAGS, f"-I{headers}", "-H", "-c", str(source), "-o", str(target)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert str(headers / "vmlinux.h") in done.stderr.replace("linux/../", "")
    assert "/usr/include/linux/bpf.h" not in done.stderr
    ours, built = purebpf.open(target), purebpf.open(SOURCES / "built" / target.name)
    assert sorted(ours.programs) == sorted(built.programs)
    assert sorted(ours.maps) == sorted(built.maps)
