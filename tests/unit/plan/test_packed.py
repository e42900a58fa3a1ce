"""Packed modules: unpacked whole, or an error that says what is wrong with the file."""

import gzip
import lzma
import random
import sys

import pytest

from purebpf.errors import BtfError
from purebpf.plan import packed
from purebpf.plan.packed import unpacked

DATA = random.Random(1).randbytes(20_000)
ZSTD = bytes.fromhex("28b52ffd") + b"and more"


@pytest.mark.parametrize("pack", [lzma.compress, gzip.compress])
def test_what_is_packed_is_unpacked(pack) -> None:
    assert unpacked(pack(DATA), "m") == DATA
    assert unpacked(memoryview(pack(DATA)), "m") == DATA


def test_what_is_not_packed_stays_what_it_is() -> None:
    assert unpacked(DATA, "m") is DATA


@pytest.mark.parametrize("pack", [lzma.compress, gzip.compress])
def test_a_file_that_is_cut_off_is_told_so(pack) -> None:
    with pytest.raises(BtfError, match="'m': the packed file is cut off"):
        unpacked(pack(DATA)[:-1], "m")


@pytest.mark.parametrize("pack", [lzma.compress, gzip.compress])
def test_damage_is_told_as_damage(pack) -> None:
    data = bytearray(pack(DATA))
    for at in range(10_000, 10_010):
        data[at] ^= 0xFF
    with pytest.raises(BtfError, match=r"'m': the packed file \((xz|gzip)\) is damaged: "):
        unpacked(bytes(data), "m")


@pytest.mark.parametrize("pack", [lzma.compress, gzip.compress])
def test_a_small_file_cannot_become_an_endless_one(pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "MOST", 16 << 20)
    bomb = pack(bytes(packed.MOST + 1))
    with pytest.raises(BtfError, match="'m': the file unpacks to more than 16 MB"):
        unpacked(bomb, "m")


def test_zstd_says_what_to_do_where_python_cannot_read_it() -> None:
    expected = "is packed with zstd, .*: unpack it first" if sys.version_info < (3, 14) else r"\(zstd\) is damaged"
    with pytest.raises(BtfError, match=expected):
        unpacked(ZSTD, "m")
