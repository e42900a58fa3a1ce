"""The types of a kernel from a file: raw, or in an ELF image of any class and byte order."""

import gzip
import lzma
import struct

import pytest

from purebpf.btf import Btf, BtfWriter, Int, Pointer
from purebpf.btf.distill import distill
from purebpf.elf import ElfWriter
from purebpf.errors import BtfError
from purebpf.plan.btf_file import byteorder_of, read_btf_file
from purebpf.units import ByteOrder, TypeId


def types(byteorder: ByteOrder = "little", base: Btf | None = None) -> bytes:
    writer = BtfWriter(byteorder=byteorder, base=base)
    writer.add(Int("own" if base else "int", 4, 32, signed=True))
    return writer.build()


def image(*sections: tuple[str, bytes], byteorder: ByteOrder = "little", wide: bool = True) -> bytes:
    """An ELF file of either class with these sections, written here word by word."""
    order = "<" if byteorder == "little" else ">"
    names, bodies, headers = b"\0", b"", []
    header_size, entry_size, word = (64, 64, "Q") if wide else (52, 40, "I")
    for name, data in (*sections, (".shstrtab", b"")):
        at = len(names)
        names += name.encode() + b"\0"
        if name == ".shstrtab":
            data = names
        headers.append((at, 1, 0, 0, header_size + len(bodies), len(data), 0, 0, 1, 0))
        bodies += data
    table = struct.Struct(f"{order}II4{word}II2{word}")
    ident = b"\x7fELF" + bytes((2 if wide else 1, 1 if byteorder == "little" else 2, 1)) + bytes(9)
    head = struct.pack(
        f"{order}HHI3{word}I6H",
        2, 62, 1, 0, 0, header_size + len(bodies), 0, header_size, 0, 0, entry_size, len(headers) + 1, len(headers),
    )  # fmt: skip
    return ident + head + bodies + bytes(entry_size) + b"".join(table.pack(*header) for header in headers)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_raw_types_are_read_from_whatever_holds_bytes(kind) -> None:
    assert read_btf_file(kind(types())).find_one("int") == 1


def test_a_path_is_read_and_names_the_types(tmp_path) -> None:
    file = tmp_path / "kernel.btf"
    file.write_bytes(types())
    assert read_btf_file(file).name == str(file)


@pytest.mark.parametrize("wide", [True, False], ids=["elf64", "elf32"])
@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_the_section_of_an_image_is_found(byteorder: ByteOrder, wide: bool) -> None:
    data = image((".text", b"code"), (".BTF", types(byteorder)), byteorder=byteorder, wide=wide)
    assert read_btf_file(data).raw == types(byteorder)
    assert byteorder_of(data) == byteorder


def test_another_writers_image_is_read_alike() -> None:
    writer = ElfWriter()
    writer.add_section(".BTF", types())
    assert read_btf_file(writer.build()).raw == types()


def test_a_modules_types_continue_those_of_its_kernel() -> None:
    base = Btf.parse(types())
    module = read_btf_file(image((".BTF", types(base=base))), base=base, name="nf_nat.ko")
    assert (module.first_id, module.find_one("own")) == (2, 2)


@pytest.mark.parametrize("name", ["nf_nat.ko", "nf_nat.ko.xz", "nf_nat.ko.debug"])
def test_a_module_alone_is_refused(name: str) -> None:
    with pytest.raises(BtfError, match="continue its kernel's, which must be given too"):
        read_btf_file(image((".BTF", types())), name=name)


def built_apart() -> bytes:
    """A module with what it needs of its kernel in .BTF.base."""
    split = BtfWriter(base=Btf.parse(types()))
    split.add(Pointer(TypeId(1)))
    distilled = distill(Btf.parse(split.build(), base=split.base))
    return image((".BTF", distilled.split), (".BTF.base", distilled.base))


def test_a_module_with_a_base_of_its_own_is_fitted_to_the_kernels_types() -> None:
    kernel = BtfWriter()
    kernel.add(Int("char", 1, 8, signed=True))
    kernel.add(Int("int", 4, 32, signed=True))
    base = Btf.parse(kernel.build())
    module = read_btf_file(built_apart(), base=base, name="mine.ko")
    assert module.base is base
    assert module[3] == Pointer(TypeId(2))


def test_a_module_with_a_base_of_its_own_is_read_alone_only_where_that_is_asked_for() -> None:
    assert read_btf_file(built_apart(), name="mine.ko", alone=True)[2] == Pointer(TypeId(1))
    with pytest.raises(BtfError, match="continue its kernel's"):
        read_btf_file(built_apart(), name="mine.ko")
    with pytest.raises(BtfError, match="continue its kernel's"):
        read_btf_file(image((".BTF", types())), name="mine.ko", alone=True)


def test_a_module_that_is_for_another_kernel_names_what_that_kernel_lacks() -> None:
    base = Btf.parse(types("big"), name="other")
    assert read_btf_file(built_apart(), base=base)[2] == Pointer(TypeId(1))
    empty = Btf.parse(BtfWriter().build(), name="other")
    with pytest.raises(
        BtfError, match=r"'mine.ko', section '.BTF.base': .*, other, has no signed int 'int' of 4 bytes"
    ):
        read_btf_file(built_apart(), base=empty, name="mine.ko")


def test_damage_of_the_modules_own_base_is_told_as_such() -> None:
    data = image((".BTF", types()), (".BTF.base", types()[:30]))
    with pytest.raises(BtfError, match=r"'mine.ko', section '.BTF.base', offset 0x10: the string section"):
        read_btf_file(data, base=Btf.parse(types()), name="mine.ko")


@pytest.mark.parametrize("pack", [lzma.compress, gzip.compress])
def test_a_packed_module_is_read_as_it_is_installed(pack) -> None:
    base = Btf.parse(types())
    data = pack(image((".BTF", types(base=base))))
    assert read_btf_file(data, base=base, name="nf_nat.ko.xz").find_one("own") == 2


def test_an_image_without_types_says_what_to_give() -> None:
    with pytest.raises(
        BtfError, match=r"no section \.BTF: a kernel built with CONFIG_DEBUG_INFO_BTF has one \(in the uncomp"
    ):
        read_btf_file(image((".text", b"code")))


def test_what_is_neither_is_no_btf() -> None:
    with pytest.raises(BtfError, match="no BTF"):
        read_btf_file(b"#!/bin/sh and more than a header of bytes")


@pytest.mark.parametrize("wide", [True, False], ids=["elf64", "elf32"])
def test_a_damaged_image_is_a_btf_error_whatever_byte_is_hit(wide: bool) -> None:
    whole = image((".text", b"code"), (".BTF", types()), wide=wide)
    for at in range(4, len(whole)):
        for damaged in (whole[:at], whole[:at] + b"\xff" + whole[at + 1 :]):
            try:
                read_btf_file(damaged)
            except BtfError:
                continue
