"""Merged and deduplicated by purebpf and by libbpf's btf__dedup: as many types of each kind, and the same ones.

libbpf keeps every variable and section apart, so purebpf is asked for that too.
"""

from __future__ import annotations

import random
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from purebpf.btf import Btf, BtfWriter, Kind, declare
from purebpf.btf.dedup import dedup
from purebpf.btf.references import references
from purebpf.elf import read_elf
from tests.oracle.corpus import cache_folder, shipped
from tests.oracle.kernel_types import kernels

BUILT = sorted((Path(__file__).resolve().parents[2] / "bpf" / "built").glob("*.o"))
_SOURCE = Path(__file__).parent / "harness" / "libbpf_dedup.c"


@cache
def harness() -> Path:
    target = cache_folder() / "libbpf_dedup"
    if not target.exists() or target.stat().st_mtime < _SOURCE.stat().st_mtime:
        command = ["gcc", "-O1", "-Wall", "-Wextra", "-Werror", str(_SOURCE), "-o", str(target), "-lbpf"]
        subprocess.run(command, check=True)
    return target


def types_of(path: Path) -> bytes:
    section = read_elf(path).section(".BTF")
    return b"" if section is None else bytes(section.data)


@cache
def corpus() -> tuple[bytes, ...]:
    """The types of every object at hand that has some."""
    files = [*BUILT, *(file for origin in shipped() for file in origin.objects())]
    return tuple(filter(None, map(types_of, files)))


def by_libbpf(parts: list[bytes], folder: Path) -> Btf:
    for number, data in enumerate(parts):
        (folder / f"{number}.btf").write_bytes(data)
    files = [str(folder / f"{number}.btf") for number in range(len(parts))]
    subprocess.run([harness(), folder / "out.btf", *files], check=True)
    return Btf.parse((folder / "out.btf").read_bytes())


def by_purebpf(parts: list[bytes]) -> Btf:
    writer = BtfWriter()
    for data in parts:
        writer.add_btf(Btf.parse(data))
    return Btf.parse(dedup(Btf.parse(writer.build()), variables=False).data)


def described(btf: Btf) -> Counter[tuple[str, str]]:
    """Each type by its kind and its C declaration; of pointers and the like what they lead to is enough."""
    return Counter((Kind(btf.kind(each)).name, declare(btf, each)) for each in btf.ids())


@pytest.mark.parametrize("seed", range(12))
def test_some_objects_merged_and_deduplicated_are_what_libbpf_makes_of_them(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    parts = chance.sample(corpus(), k=min(len(corpus()), chance.choice((2, 3, 5, 10))))
    assert described(by_purebpf(parts)) == described(by_libbpf(parts, tmp_path))


def test_all_objects_merged_and_deduplicated_are_what_libbpf_makes_of_them(tmp_path: Path) -> None:
    parts = list(corpus())
    ours, theirs = by_purebpf(parts), by_libbpf(parts, tmp_path)
    # Where objects of several kernels define a struct differently, libbpf takes a declaration that nothing tells more
    # about for the definition that it met first; purebpf lets it be a declaration.
    undecided = [ours.name_of(each) for each in ours.ids_of(Kind.FWD)]
    undecided = [name for name in undecided if ours.find_one(name, Kind.STRUCT) is not None]
    assert len(undecided) < 5
    more, fewer = described(ours) - described(theirs), described(theirs) - described(ours)
    assert not fewer
    assert [text for _, text in more if not any(name in text for name in undecided)] == []


@pytest.mark.parametrize("kernel", sorted(kernels()))
def test_a_kernels_types_hold_nothing_twice(kernel: str) -> None:
    btf = Btf.parse(kernels()[kernel].read_bytes())
    assert len(Btf.parse(dedup(btf).data)) == len(btf)


def test_two_copies_of_a_kernels_types_are_one(tmp_path: Path) -> None:
    data = next(iter(kernels().values())).read_bytes()
    btf = Btf.parse(data)
    writer = BtfWriter()
    writer.add_btf(btf)
    writer.add_btf(btf)
    result = dedup(Btf.parse(writer.build()))
    merged = Btf.parse(result.data)
    assert len(merged) == len(btf)
    assert [merged[result.ids[each]].name for each in btf.ids()] == [btf[each].name for each in btf.ids()]
    assert all(0 < target < len(merged) or target == 0 for each in merged.ids() for target in references(merged[each]))
