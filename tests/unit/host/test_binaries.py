"""Programs and libraries by name."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purebpf.errors import AttachTargetError
from purebpf.host.binaries import find_binary, parse_library_cache


def cache(*entries, prefix=b""):
    strings, rows = bytearray(), bytearray()
    start = 48 + 24 * len(entries)
    for name, path in entries:
        at = start + len(strings)
        strings += name.encode() + b"\0" + path.encode() + b"\0"
        rows += struct.pack("=iIIIQ", 0x0303, at, at + len(name) + 1, 0, 0)
    header = b"glibc-ld.so.cache1.1" + struct.pack("=II", len(entries), len(strings))
    return prefix + header.ljust(48, b"\0") + rows + strings


ENTRIES = (("libc.so.6", "/lib/64/libc.so.6"), ("libc.so.6", "/lib/32/libc.so.6"), ("libz.so.1", "/lib/64/libz.so.1"))


@pytest.mark.parametrize("prefix", [b"", b"ld.so-1.7.0" + bytes(53)])
def test_a_cache_lists_paths_by_name(prefix):
    assert parse_library_cache(cache(*ENTRIES, prefix=prefix)) == {
        "libc.so.6": ["/lib/64/libc.so.6", "/lib/32/libc.so.6"],
        "libz.so.1": ["/lib/64/libz.so.1"],
    }


@given(st.integers(0, 400), st.integers(0, 255), st.integers(0, 400))
def test_a_damaged_cache_is_a_smaller_one(place, value, length):
    data = bytearray(cache(*ENTRIES))
    data[place % len(data)] = value
    assert isinstance(parse_library_cache(bytes(data[:length])), dict)


def test_a_path_is_taken_as_it_is_and_must_exist(tmp_path):
    file = tmp_path / "program"
    file.touch()
    assert find_binary(str(file)) == str(file)
    with pytest.raises(AttachTargetError, match="no file"):
        find_binary(str(tmp_path / "nothing"))


def test_a_program_is_searched_in_path(tmp_path, monkeypatch):
    (tmp_path / "tool").touch(mode=0o755)
    (tmp_path / "text").touch(mode=0o644)
    monkeypatch.setenv("PATH", f"/nowhere:{tmp_path}")
    assert find_binary("tool") == f"{tmp_path}/tool"
    with pytest.raises(AttachTargetError, match="no program 'nosuchtool'"):
        find_binary("nosuchtool")


def test_a_library_is_searched_in_ld_library_path_first(tmp_path, monkeypatch):
    (tmp_path / "libc.so.6").touch()
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    assert find_binary("libc.so.6") == f"{tmp_path}/libc.so.6"


def test_the_c_library_is_found_by_name_and_without_its_suffix(monkeypatch):
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    path = find_binary("libc.so.6")
    assert Path(path).read_bytes()[:4] == b"\x7fELF"
    assert find_binary("libc") == path


def test_a_missing_library_brings_near_ones():
    with pytest.raises(AttachTargetError, match=r"libc\.so\.6"):
        find_binary("libc.so.7")


def test_an_empty_name_is_refused():
    with pytest.raises(AttachTargetError):
        find_binary("")
