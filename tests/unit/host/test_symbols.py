"""Functions of a file as offsets into it, on files made here and on the libraries of the machine."""

import struct
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import given
from hypothesis import strategies as st

from purebpf.errors import AttachTargetError, ElfError
from purebpf.host.binaries import find_binary
from purebpf.host.symbols import ElfSymbols, function_offset, open_symbols

FUNC, OBJECT, IFUNC = 2, 1, 10
LOCAL, GLOBAL, WEAK = 0, 1, 2
TEXT_ADDRESS, TEXT_OFFSET, TEXT_SIZE = 0x401000, 0x1000, 0x800


class Image:
    """An ELF file with .text and the symbol tables given, as bytes; `wide` is 64 bits."""

    def __init__(self, *, wide=True, order="<"):
        self.wide, self.order = wide, order
        self.sections = [(0, 0, b"", 0), (1, TEXT_ADDRESS, None, 0)]
        self.body = bytearray(TEXT_OFFSET + TEXT_SIZE)
        self.first_exported = 0

    def pack(self, form, *values):
        return struct.pack(self.order + form, *values)

    def add(self, kind, data, link=0, address=0):
        self.sections.append((kind, address, bytes(data), link))
        return len(self.sections) - 1

    def symbols(self, kind, entries):
        """`entries` are (name, value, type, binding, section)."""
        strings = bytearray(1)
        rows = bytearray(24 if self.wide else 16)
        for name, value, symbol_type, binding, section in entries:
            info = binding << 4 | symbol_type
            if self.wide:
                rows += self.pack("IBBHQQ", len(strings), info, 0, section, value, 16)
            else:
                rows += self.pack("IIIBBH", len(strings), value, 16, info, 0, section)
            strings += name.encode() + b"\0"
        return self.add(kind, rows, self.add(3, strings))

    def gnu_hash(self, table, names, buckets=3):
        """The hash table of `names`, the symbols 1, 2, ... which must stand ordered by bucket."""
        hashes = [gnu_hash(name) for name in names]
        heads = [next((i + 1 for i, h in enumerate(hashes) if h % buckets == b), 0) for b in range(buckets)]
        last = {h % buckets: i for i, h in enumerate(hashes)}
        chain = [h & ~1 | (last[h % buckets] == i) for i, h in enumerate(hashes)]
        bloom = bytes(8 if self.wide else 4)
        data = self.pack("4I", buckets, 1, 1, 0) + bloom + self.pack(f"{buckets + len(chain)}I", *heads, *chain)
        return self.add(0x6FFFFFF6, data, table)

    def versions(self, table, numbers, names):
        """A version number for each symbol, and the names of the versions from 2 on."""
        strings = b"\0" + b"".join(name.encode() + b"\0" for name in names)
        self.add(0x6FFFFFFF, self.pack(f"{len(numbers) + 1}H", 0, *numbers), table)
        rows, at = bytearray(), 1
        for number, name in enumerate(names, 2):
            following = 28 if number - 1 < len(names) else 0
            rows += self.pack("4H3I", 1, 0, number, 1, 0, 20, following) + self.pack("2I", at, 0)
            at += len(name) + 1
        self.add(0x6FFFFFFD, rows, self.add(3, strings))

    def bytes(self):
        body, rows = bytearray(self.body), bytearray()
        for kind, address, data, link in self.sections:
            offset, size = (TEXT_OFFSET, TEXT_SIZE) if data is None else (len(body), len(data))
            body += data or b""
            form = "IIQQQQIIQQ" if self.wide else "10I"
            rows += self.pack(form, 0, kind, 0, address, offset, size, link, 0, 1, 0)
        ident = b"\x7fELF" + bytes([2 if self.wide else 1, 1 if self.order == "<" else 2, 1]) + bytes(9)
        form = "HHIQQQIHHHHHH" if self.wide else "HHIIIIIHHHHHH"
        row_size = 64 if self.wide else 40
        header = self.pack(form, 2, 62, 1, 0, 0, len(body), 0, 64, 0, 0, row_size, len(self.sections), 0)
        body[: 16 + len(header)] = ident + header
        return bytes(body + rows)


def gnu_hash(name):
    value = 5381
    for byte in name.encode():
        value = (value * 33 + byte) % (1 << 32)
    return value


def at(number):
    return TEXT_ADDRESS + number


def offsets(image, name):
    return [symbol.offset for symbol in ElfSymbols(image.bytes()).find(name)]


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("order", ["<", ">"])
def test_an_offset_is_where_the_function_stands_in_the_file(wide, order):
    image = Image(wide=wide, order=order)
    image.symbols(2, [("main", at(0x20), FUNC, GLOBAL, 1), ("domain", at(0x40), FUNC, LOCAL, 1)])
    assert offsets(image, "main") == [TEXT_OFFSET + 0x20]
    assert offsets(image, "domain") == [TEXT_OFFSET + 0x40]
    assert offsets(image, "ain") == []


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("order", ["<", ">"])
def test_an_exported_function_is_found_by_the_hash_table(wide, order):
    names = sorted(("alpha", "beta", "gamma", "delta", "epsilon"), key=lambda name: gnu_hash(name) % 3)
    image = Image(wide=wide, order=order)
    table = image.symbols(11, [(name, at(16 * index), FUNC, GLOBAL, 1) for index, name in enumerate(names)])
    image.gnu_hash(table, names)
    for index, name in enumerate(names):
        assert offsets(image, name) == [TEXT_OFFSET + 16 * index]
    assert offsets(image, "zeta") == []


def test_a_string_that_ends_alike_does_not_confuse():
    image = Image()
    tail = image.symbols(2, [("xmalloc", at(0), FUNC, GLOBAL, 1)])
    kind, address, rows, link = image.sections[tail]
    image.sections[tail] = (kind, address, rows + image.pack("IBBHQQ", 2, GLOBAL << 4 | FUNC, 0, 1, at(64), 1), link)
    assert offsets(image, "malloc") == [TEXT_OFFSET + 64]
    assert offsets(image, "xmalloc") == [TEXT_OFFSET]


def test_many_strings_that_end_alike_are_searched_in_one_pass():
    image = Image()
    image.symbols(
        2, [(f"{number}_main", at(number), FUNC, GLOBAL, 1) for number in range(500)] + [("main", at(7), FUNC, 1, 1)]
    )
    assert offsets(image, "main") == [TEXT_OFFSET + 7]


def test_only_functions_that_the_file_defines_count():
    image = Image()
    entries = [
        ("data", at(0), OBJECT, GLOBAL, 1),
        ("imported", 0, FUNC, GLOBAL, 0),
        ("chosen", at(8), IFUNC, GLOBAL, 1),
    ]
    image.symbols(11, entries)
    symbols = ElfSymbols(image.bytes())
    assert [symbols.find(name) for name in ("data", "imported", "chosen", "", "a\0b")] == [()] * 5
    assert "only imports 'imported'" in "\n".join(symbols.explain_missing("imported"))
    assert "ifunc" in "\n".join(symbols.explain_missing("chosen"))


def test_a_strong_function_goes_before_weak_and_local_ones():
    image = Image()
    image.symbols(
        2,
        [
            ("f", at(0), FUNC, LOCAL, 1),
            ("f", at(16), FUNC, WEAK, 1),
            ("f", at(32), FUNC, GLOBAL, 1),
            ("g", at(48), FUNC, WEAK, 1),
        ],
    )
    assert offsets(image, "f") == [TEXT_OFFSET + 32]
    assert offsets(image, "g") == [TEXT_OFFSET + 48]


def test_functions_of_one_name_at_one_place_are_no_ambiguity_and_at_two_are(tmp_path):
    image = Image()
    image.symbols(
        2,
        [
            ("f", at(0), FUNC, LOCAL, 1),
            ("f", at(0), FUNC, LOCAL, 1),
            ("g", at(0), FUNC, LOCAL, 1),
            ("g", at(16), FUNC, LOCAL, 1),
        ],
    )
    file = tmp_path / "x"
    file.write_bytes(image.bytes())
    assert function_offset(file, "f") == TEXT_OFFSET
    with pytest.raises(AttachTargetError, match=r"2 functions 'g'\n.*0x1000, 0x1010"):
        function_offset(file, "g")


@pytest.mark.parametrize("hashed", [True, False])
@pytest.mark.parametrize("order", ["<", ">"])
def test_versions_tell_functions_of_one_name_apart(hashed, order):
    image = Image(order=order)
    table = image.symbols(11, [("f", at(0), FUNC, GLOBAL, 1), ("f", at(16), FUNC, GLOBAL, 1)])
    if hashed:
        image.gnu_hash(table, ["f", "f"], buckets=1)
    image.versions(table, [2 | 0x8000, 3], ["V_1", "V_2"])
    assert offsets(image, "f") == [TEXT_OFFSET + 16]
    assert offsets(image, "f@V_1") == [TEXT_OFFSET]
    assert offsets(image, "f@V_2") == offsets(image, "f@@V_2") == [TEXT_OFFSET + 16]
    assert offsets(image, "f@@V_1") == offsets(image, "f@V_3") == []
    assert "the versions V_1, V_2" not in "\n".join(ElfSymbols(image.bytes()).explain_missing("f"))
    assert "V_2" in "\n".join(ElfSymbols(image.bytes()).explain_missing("f@V_3"))


def test_a_version_may_be_part_of_a_name_in_the_full_table():
    image = Image()
    image.symbols(2, [("f@@V_2", at(16), FUNC, GLOBAL, 1), ("f@V_1", at(0), FUNC, GLOBAL, 1)])
    assert offsets(image, "f@V_1") == [TEXT_OFFSET]
    assert offsets(image, "f@V_2") == offsets(image, "f@@V_2") == [TEXT_OFFSET + 16]


def test_a_missing_function_brings_near_ones(tmp_path):
    image = Image()
    image.symbols(2, [("handle_request", at(0), FUNC, GLOBAL, 1)])
    file = tmp_path / "x"
    file.write_bytes(image.bytes())
    with pytest.raises(AttachTargetError, match="did you mean 'handle_request'"):
        function_offset(file, "handle_requests")


@pytest.mark.parametrize(
    "data", [b"", b"\x7fELF", b"\x7fELF\2\1", b"#!/bin/sh\n", b"\x7fELF\3\1" + bytes(60), b"\x7fELF\1\3" + bytes(60)]
)
def test_what_is_no_elf_file_is_an_elf_error(tmp_path, data):
    file = tmp_path / "x"
    file.write_bytes(data)
    with pytest.raises(ElfError, match=r"ELF|empty|cut short"):
        function_offset(file, "main")


def test_a_file_without_section_headers_has_no_functions():
    image = bytearray(Image().bytes())
    image[0x28:0x30] = bytes(8)
    assert ElfSymbols(bytes(image)).find("main") == ()


def sample_image():
    image = Image()
    table = image.symbols(11, [("f", at(0), FUNC, GLOBAL, 1), ("g", at(16), FUNC, GLOBAL, 1)])
    image.gnu_hash(table, ["f", "g"], buckets=1)
    image.versions(table, [2, 2], ["V_1"])
    image.symbols(2, [("f", at(0), FUNC, GLOBAL, 1), ("h", at(32), FUNC, LOCAL, 1)])
    whole = image.bytes()
    return whole[:64] + whole[TEXT_OFFSET + TEXT_SIZE :], whole


_TAIL = sample_image()[1][TEXT_OFFSET + TEXT_SIZE :]


@given(
    st.lists(st.tuples(st.integers(0, 64 + len(_TAIL) - 1), st.integers(0, 255)), min_size=1, max_size=6), st.booleans()
)
def test_damage_is_an_answer_or_an_elf_error_in_bounded_time(damage, cut):
    whole = bytearray(sample_image()[1])
    for place, value in damage:
        whole[place if place < 64 else place - 64 + TEXT_OFFSET + TEXT_SIZE] = value
    if cut:
        del whole[len(whole) - damage[0][0] :]
    started = time.thread_time()
    with suppress(ElfError):
        symbols = ElfSymbols(bytes(whole))
        for name in ("f", "h", "f@V_1", "nowhere"):
            with suppress(ElfError):
                symbols.find(name)
        symbols.explain_missing("f@V_9")
    assert time.thread_time() - started < 2


def test_tens_of_thousands_of_symbol_tables_take_no_longer_than_one():
    image = Image()
    table = image.symbols(2, [(f"name_{number}", at(number), FUNC, GLOBAL, 1) for number in range(20_000)])
    image.sections += [image.sections[table]] * 20
    data = bytearray(image.bytes())
    many = 40_000
    rows = data[-64:] * many
    data[0x3C:0x3E] = struct.pack("<H", len(image.sections) + many)
    started = time.thread_time()
    symbols = ElfSymbols(bytes(data + rows))
    assert symbols.find("nosuch") == ()
    assert symbols.explain_missing("nosuch") == []
    assert time.thread_time() - started < 1


@pytest.mark.parametrize("library", ["libc.so.6", "libm.so.6"])
def test_every_exported_function_of_a_real_library_stands_where_pyelftools_says(library):
    path = find_binary(library)
    with Path(path).open("rb") as file, open_symbols(path) as symbols:
        elf = ELFFile(file)
        text = dict(enumerate(elf.iter_sections()))
        wanted = {}
        for symbol in elf.get_section_by_name(".dynsym").iter_symbols():
            section = symbol["st_shndx"]
            if symbol["st_info"]["type"] == "STT_FUNC" and isinstance(section, int):
                offset = symbol["st_value"] - text[section]["sh_addr"] + text[section]["sh_offset"]
                wanted.setdefault(symbol.name, set()).add(offset)
        assert len(wanted) > 300
        for name, places in wanted.items():
            found = {symbol.offset for symbol in symbols.find(name)}
            assert found, name
            assert found <= places, name


def test_a_function_of_the_running_interpreter_is_found():
    libraries = [line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "libpython" in line]
    path = libraries[0] if libraries else str(Path(sys.executable).resolve())
    assert function_offset(path, "PyObject_Repr") > 0
