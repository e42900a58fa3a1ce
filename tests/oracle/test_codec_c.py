"""The codec against C compilers: what gcc stores, the codec reads by BTF alone, and writes back to the same bytes.

BTF comes from three makers that describe types differently (clang marks plain char SIGNED, gcc marks every one-byte
integer CHAR, pahole works from DWARF). A compiler for big-endian BPF stands in for a big-endian machine: the bytes of
its initialised variables are read from the object file.
"""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from purebpf.btf import Btf, Kind
from purebpf.btf.codec import codec_for, plain
from purebpf.elf.reader import read_elf

SOURCES = Path(__file__).parent / "codec"
ROUNDS = 60

# By type: members that are set, and members of unions that are only read back. "name:kind", kind int if not given.
SET = {
    "struct scalars": "a b c d e f g h i j k l:float m:float n:pointer o q",
    "struct wide": "before s:int128 u:int128",
    "struct bits": "a b c d e f g h i j k plain l m n",
    "struct bits_packed": "lead a b c d tail",
    "struct packed": "a b c d e f:float",
    "struct nested": "head one.x one.y many[0].x many[1].y many[2].x left right deep"
    " named.part named.rest colors[0] colors[1] flags[0] flags[2]",
    "union any": "half[0] half[1]",
    "struct unions": "kind value.half[0] value.half[1] low high port",
    "struct texts": "comm:text mac:bytes levels[0] levels[3] full:text",
    "struct grids": "numbers[0][0] numbers[0][2] numbers[1][1] lines[0]:text lines[1]:text macs[0]:bytes macs[1]:bytes",
    "struct signed_enums": "one many[0] many[1] few",
    "struct long_array": "count slots[0] slots[39] table[0].x table[19].y",
}
READ_BACK = {
    "union any": "whole in.x in.y raw:bytes",
    "struct unions": "value.whole value.in.y value.raw:bytes v4 v6:bytes",
}

# What a maker of BTF does not say, no reader can know.
LOST = {
    ("gcc", "struct grids"): "gcc 12 writes the dimensions of an array in reverse",
    ("gcc", "struct signed_enums"): "gcc 12 calls every enumeration unsigned",
    ("pahole", "struct grids"): "pahole 1.24 folds all dimensions of an array into one",
}
CASES = [
    (maker, type_name) for maker in ("clang-19", "gcc", "pahole") for type_name in SET if (maker, type_name) not in LOST
]

Leaf = tuple[str, str]


def leaves(*texts: str) -> list[Leaf]:
    found = []
    for word in " ".join(texts).split():
        path, _, kind = word.partition(":")
        found.append((path, kind or "int"))
    return found


def all_leaves(type_name: str) -> list[Leaf]:
    return leaves(SET[type_name], READ_BACK.get(type_name, ""))


def member(value: Any, path: str) -> Any:
    for name, index in re.findall(r"(\w+)|\[(\d+)\]", path.replace(".", " ")):
        value = getattr(value, name) if name and not name.isdigit() else value[int(index or name)]
    return value


def run(*command: object) -> str:
    words = [str(word) for word in command]
    assert shutil.which(words[0]), f"the oracle tier needs {words[0]}"
    # pahole calls llvm-objcopy, which Debian gives a version in its name.
    environment = {**os.environ, "LLVM_OBJCOPY": "llvm-objcopy-19"}
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=120, env=environment).stdout


@pytest.fixture(scope="module")
def fills(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, bytes, list[str]]]:
    """(type, bytes, what C read of each leaf) of each fill."""
    folder = tmp_path_factory.mktemp("codec")
    blocks = []
    for type_name in SET:
        sets = "".join(f"SET_{kind}({path}); " for path, kind in leaves(SET[type_name]))
        gets = "".join(f"GET_{kind}({path}); " for path, kind in all_leaves(type_name))
        tag = type_name.split()[1]
        blocks.append(
            f"{{ {type_name} d; memset(&d, 0, sizeof(d)); {sets}"
            f'printf("{tag}"); print_bytes(&d, sizeof(d)); {gets}putchar(10); }}\n'
        )
    (folder / "fills.h").write_text("".join(blocks))
    program = folder / "main"
    run("gcc", "-O1", "-w", "-I", folder, "-I", SOURCES, SOURCES / "main.c", "-o", program)
    by_tag = {name.split()[1]: name for name in SET}
    lines = [line.split() for line in run(program, ROUNDS).splitlines()]
    assert len(lines) == ROUNDS * len(SET)
    return [(by_tag[tag], bytes.fromhex(raw), values) for tag, raw, *values in lines]


def btf_of(path: Path) -> Btf:
    section = read_elf(path).section(".BTF")
    assert section is not None
    return Btf.parse(section.data, name=str(path))


def source_with_types(folder: Path) -> Path:
    source = folder / "types.c"
    variables = "".join(f"{name} a_{name.split()[1]};\n" for name in SET)
    source.write_text(f'#include "types.h"\n{variables}')
    return source


def make_btf(maker: str, folder: Path) -> Btf:
    source, made = source_with_types(folder), folder / "types.o"
    if maker == "clang-19":
        run("clang-19", "-target", "bpf", "-g", "-w", "-I", SOURCES, "-c", source, "-o", made)
        return btf_of(made)
    run("gcc", "-gbtf" if maker == "gcc" else "-g", "-w", "-I", SOURCES, "-c", source, "-o", made)
    if maker == "pahole":
        run("pahole", "-J", "--btf_gen_floats", made)
    run("objcopy", "--dump-section", f".BTF={folder / 'types.btf'}", made, folder / "copy.o")
    return Btf.parse((folder / "types.btf").read_bytes(), name=maker)


@pytest.fixture(scope="module")
def btfs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Btf]:
    """The types as each maker describes them."""
    return {maker: make_btf(maker, tmp_path_factory.mktemp(maker)) for maker in ("clang-19", "gcc", "pahole")}


def type_id(btf: Btf, type_name: str) -> int:
    keyword, tag = type_name.split()
    found = btf.find_one(tag, Kind.STRUCT if keyword == "struct" else Kind.UNION)
    assert found is not None
    return found


@cache
def float_format(size: int) -> struct.Struct:
    return struct.Struct({4: "<f", 8: "<d"}[size])


def seen_by_c(kind: str, text: str) -> Any:
    """What C printed, as the value that the codec should give (integers modulo 2^128)."""
    if kind in ("int", "int128", "pointer"):
        return int(text, 16)
    raw = bytes.fromhex(text)
    if kind == "float":
        return float_format(len(raw)).unpack(raw)[0]
    return raw.partition(b"\0")[0].decode() if kind == "text" else raw


def seen_by_codec(kind: str, value: Any) -> Any:
    return int(value) % (1 << 128) if kind in ("int", "int128", "pointer") else value


@pytest.mark.parametrize(("maker", "type_name"), CASES)
def test_members_that_c_stored_are_decoded_as_c_reads_them(
    btfs: dict[str, Btf], fills: list[tuple[str, bytes, list[str]]], maker: str, type_name: str
) -> None:
    codec = codec_for(btfs[maker], type_id(btfs[maker], type_name))
    compared = 0
    for name, raw, values in fills:
        if name != type_name:
            continue
        assert codec.size == len(raw)
        value = codec.decode(b"\xff" * 8 + raw, 8)
        for (path, kind), text in zip(all_leaves(type_name), values, strict=True):
            assert seen_by_codec(kind, member(value, path)) == seen_by_c(kind, text), path
            compared += 1
    assert compared == ROUNDS * len(all_leaves(type_name))


@pytest.mark.parametrize(("maker", "type_name"), CASES)
def test_decoded_values_are_encoded_to_the_bytes_that_c_stored(
    btfs: dict[str, Btf], fills: list[tuple[str, bytes, list[str]]], maker: str, type_name: str
) -> None:
    codec = codec_for(btfs[maker], type_id(btfs[maker], type_name))
    for raw in [raw for name, raw, _ in fills if name == type_name]:
        value = codec.decode(raw)
        assert codec.encode(value) == raw
        if type_name.startswith("struct"):
            assert codec.encode(value._asdict()) == raw
            assert codec.encode(tuple(value)) == raw


INITIALISED = {
    "struct bits": (
        "{.a=1, .b=9, .c=-2, .d=0xabcde, .e=5, .f=17, .g=-4000000000LL, .h=0x7abcdef0, .i=1, .j=GREEN, .k=0x155,"
        " .plain=0x12345678, .l=-1, .m=0x101, .n=0x1122334455667788ULL}",
        {
            "a": 1, "b": 9, "c": -2, "d": 0xABCDE, "e": 5, "f": 17, "g": -4000000000, "h": 0x7ABCDEF0, "i": True,
            "j": "GREEN", "k": 0x155, "plain": 0x12345678, "l": -1, "m": 0x101, "n": 0x1122334455667788,
        },
    ),
    "struct bits_packed": (
        "{.lead=0x81, .a=5, .b=0x123456789abULL, .c=-12345678, .d=0x1abcdef0, .tail=0x18}",
        {"lead": 0x81, "a": 5, "b": 0x123456789AB, "c": -12345678, "d": 0x1ABCDEF0, "tail": 0x18},
    ),
    "struct packed": (
        "{.a=1, .b=0xfffefdfc, .c=0x1234, .d=0x8877665544332211ULL, .e=7, .f=-2.5}",
        {"a": 1, "b": 0xFFFEFDFC, "c": 0x1234, "d": 0x8877665544332211, "e": 7, "f": -2.5},
    ),
    "struct wide": (
        "{.before=3, .s=-((s128)5 << 70), .u=((u128)0xdeadbeef << 90) + 7}",
        {"before": 3, "s": -(5 << 70), "u": (0xDEADBEEF << 90) + 7},
    ),
    "struct nested": (
        "{.head=9, .one={1,-2}, .many={{3,4},{5,-6},{7,8}}, .left=1, .right=1ULL<<60, .deep=-77,"
        " .named={.part=0xabc, .rest=0xf0f0f}, .colors={RED,GREEN}, .flags={1,0,1}}",
        {
            "head": 9, "one": {"x": 1, "y": -2}, "many": [{"x": 3, "y": 4}, {"x": 5, "y": -6}, {"x": 7, "y": 8}],
            "left": 1, "right": 1 << 60, "deep": -77, "named": {"part": 0xABC, "rest": 0xF0F0F},
            "colors": ["RED", "GREEN"], "flags": [True, False, True],
        },
    ),
    "struct texts": (
        '{.comm="init", .mac={1,2,3,4,5,255}, .levels={-1,2,-3,4}, .full="xyz"}',
        {"comm": "init", "mac": "0102030405ff", "levels": [-1, 2, -3, 4], "full": "xyz"},
    ),
    "struct grids": (
        '{.numbers={{1,2,3},{4,5,0xfff0}}, .lines={"ab","cdefg"}, .macs={{1,2,3},{4,5,6}}}',
        {"numbers": [[1, 2, 3], [4, 5, 0xFFF0]], "lines": ["ab", "cdefg"], "macs": ["010203", "040506"]},
    ),
    "struct signed_enums": (
        "{.one=LOW, .many={HIGH,-8}, .few=LOW}",
        {"one": "LOW", "many": ["HIGH", -8], "few": "LOW"},
    ),
    "struct unions": (
        "{.kind=2, .value={.half={1,2}}, .low=3, .high=4, .port=80}",
        None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("target", ["bpfel", "bpfeb"])
def test_initialised_variables_of_both_byte_orders_are_decoded_and_encoded(target: str, tmp_path: Path) -> None:
    source, made = tmp_path / "init.c", tmp_path / "init.o"
    variables = [f'{name} a{n} __attribute__((section("data{n}"))) = {text};\n'
                 for n, (name, (text, _)) in enumerate(INITIALISED.items())]  # fmt: skip
    source.write_text('#include "types.h"\n' + "".join(variables))
    run("clang-19", "-target", target, "-g", "-w", "-I", SOURCES, "-c", source, "-o", made)
    btf, elf = btf_of(made), read_elf(made)
    assert btf.byteorder == {"bpfel": "little", "bpfeb": "big"}[target]
    for n, (name, (_, expected)) in enumerate(INITIALISED.items()):
        section = elf.section(f"data{n}")
        assert section is not None
        codec = codec_for(btf, type_id(btf, name))
        value = codec.decode(section.data)
        assert codec.encode(value) == section.data[: codec.size]
        if expected is not None:
            assert plain(value) == expected
            assert codec.encode(value._asdict()) == section.data[: codec.size]
    assert value.kind == 2
    assert (value.value.half, value.low, value.high, value.port) == ([1, 2], 3, 4, 80)
