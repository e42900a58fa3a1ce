""".BTF.ext: the three parts, their records, and what is refused."""

import struct

import pytest

from purebpf.btf import (
    Btf,
    BtfError,
    BtfExt,
    BtfExtWriter,
    BtfWriter,
    CoreKind,
    CoreRelocation,
    Int,
    LineInfo,
    line_infos,
)
from purebpf.units import ByteOffset, ByteOrder, TypeId

BOTH_ORDERS = pytest.mark.parametrize("byteorder", ["little", "big"])


def written(byteorder: ByteOrder = "little", **options: object) -> tuple[Btf, bytes]:
    writer = BtfWriter(byteorder=byteorder)
    writer.add(Int("int", 4, 32))
    ext = BtfExtWriter(writer, **options)
    ext.func("xdp", 0, 1)
    ext.func("xdp", 16, 1)
    ext.func("tc", 0, 1)
    ext.line("xdp", 8, "a.c", "  return 0;", 12, 3)
    if options.get("with_core", True):
        ext.core("xdp", 8, 1, "0:1", CoreKind.FIELD_BYTE_OFFSET)
        ext.core("xdp", 24, 1, "0", CoreKind.TYPE_EXISTS)
    data = ext.build()
    return Btf.parse(writer.build()), data


@BOTH_ORDERS
def test_each_part_is_keyed_by_section(byteorder: ByteOrder) -> None:
    btf, data = written(byteorder)
    ext = BtfExt.parse(data, btf)
    mark = "<" if byteorder == "little" else ">"
    assert ext.byteorder == byteorder
    assert list(ext.func_info) == ["xdp", "tc"]
    assert ext.func_info["xdp"].records == struct.pack(f"{mark}4I", 0, 1, 16, 1)
    assert (ext.func_info["xdp"].record_size, len(ext.func_info["xdp"])) == (8, 2)
    assert list(line_infos(ext.line_info["xdp"], btf)) == [LineInfo(ByteOffset(8), "a.c", "  return 0;", 12, 3)]
    assert ext.core == {
        "xdp": (
            CoreRelocation(ByteOffset(8), TypeId(1), "0:1", CoreKind.FIELD_BYTE_OFFSET),
            CoreRelocation(ByteOffset(24), TypeId(1), "0", CoreKind.TYPE_EXISTS),
        )
    }


@BOTH_ORDERS
def test_longer_records_are_kept_whole(byteorder: ByteOrder) -> None:
    btf, data = written(byteorder, record_sizes=(12, 24, 32))
    ext = BtfExt.parse(data, btf)
    assert (ext.func_info["xdp"].record_size, len(ext.func_info["xdp"].records)) == (12, 24)
    assert [line.line for line in line_infos(ext.line_info["xdp"], btf)] == [12]
    assert [relocation.access for relocation in ext.core["xdp"]] == ["0:1", "0"]


def test_the_header_without_a_core_part_is_read() -> None:
    btf, data = written(with_core=False)
    ext = BtfExt.parse(data, btf)
    assert (list(ext.func_info), ext.core) == (["xdp", "tc"], {})


def test_the_second_block_of_a_section_continues_the_first() -> None:
    btf, _ = written()
    offset = btf.string_offsets("xdp")[0]
    block = struct.pack("<II", offset, 1)
    func = struct.pack("<I", 8) + block + struct.pack("<II", 0, 1) + block + struct.pack("<II", 8, 1)
    head = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(func), len(func), 0)
    assert BtfExt.parse(head + func, btf).func_info["xdp"].records == struct.pack("<4I", 0, 1, 8, 1)


def with_func(part: bytes, **fields: int) -> bytes:
    values = {"magic": 0xEB9F, "version": 1, "flags": 0, "size": 24, "func": 0, "func_len": len(part)}
    values |= {"line": len(part), "line_len": 0} | fields
    return struct.pack("<HBBIIIII", *values.values()) + part


GOOD = struct.pack("<IIIII", 8, 1, 1, 0, 1)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "too few"),
        (with_func(GOOD)[:23], "too few"),
        (with_func(b""), "nothing follows the header"),
        (with_func(GOOD, magic=1), "magic number is 0x0001"),
        (with_func(GOOD, version=2), "version 2"),
        (with_func(GOOD, flags=2), "unknown flags 0x2"),
        (with_func(GOOD, size=20), "20 bytes long"),
        (with_func(GOOD, size=1 << 31), "2147483648 bytes long"),
        (with_func(GOOD, func=2, func_len=18), "not aligned to 4"),
        (with_func(GOOD, func_len=24), "end after the data"),
        (with_func(GOOD, func=0xFFFFFFFC), "end after the data"),
        (with_func(GOOD, func_len=2), "no record size"),
        (with_func(GOOD, func_len=4), "name no section"),
        (with_func(GOOD, func_len=8), "block of function records is cut off"),
        (with_func(GOOD, func_len=16), "end after their part"),
        (with_func(struct.pack("<I", 4) + GOOD[4:]), "function records of 4 bytes, expected 8 or more"),
        (with_func(struct.pack("<I", 10) + GOOD[4:]), "function records of 10 bytes"),
        (with_func(struct.pack("<III", 8, 1, 0)), "a section without function records"),
        (with_func(struct.pack("<III", 8, 1, 0xFFFFFFFF)), "4294967295 function records of 8 bytes end after"),
        (with_func(struct.pack("<IIIII", 8, 99, 1, 0, 1)), "string offset 0x63"),
    ],
)
def test_damage_is_refused_with_its_place(data: bytes, reason: str) -> None:
    btf, _ = written()
    assert list(BtfExt.parse(with_func(GOOD), btf).func_info) == ["int"]
    with pytest.raises(BtfError, match=reason):
        BtfExt.parse(data, btf, name="x.o")


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ((0, 9, 1, 0), "refers to type 9, the last one is 1"),
        ((0, 1, 1, 99), "unknown kind 99"),
        ((0, 1, 77, 0), "0x4d"),
    ],
)
def test_a_core_record_is_checked(record: tuple[int, ...], reason: str) -> None:
    btf, _ = written()
    core = struct.pack("<III4I", 16, 1, 1, *record)
    head = struct.pack("<HBBIIIIIII", 0xEB9F, 1, 0, 32, 0, 0, 0, 0, 0, len(core))
    with pytest.raises(BtfError, match=reason):
        BtfExt.parse(head + core, btf)


def test_a_line_record_with_a_name_outside_the_strings_is_a_btf_error() -> None:
    btf, data = written()
    section = BtfExt.parse(data, btf).line_info["xdp"]
    damaged = type(section)(section.record_size, struct.pack("<4I", 0, 9999, 0, 0))
    with pytest.raises(BtfError, match="string offset"):
        list(line_infos(damaged, btf))


def test_every_cut_and_every_flipped_byte_ends_in_a_value_or_a_btf_error() -> None:
    btf, data = written()
    damaged = [data[:size] for size in range(len(data))]
    for at in range(len(data)):
        damaged += [data[:at] + bytes([value]) + data[at + 1 :] for value in (0, 0x7F, 0x80, 0xFF)]
    refused = 0
    for each in damaged:
        try:
            BtfExt.parse(each, btf)
        except BtfError:
            refused += 1
    assert 0 < refused < len(damaged)
