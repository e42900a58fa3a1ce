"""The types of real kernel modules leave their kernel and come back, by purebpf and by libbpf 1.5, which must agree.

pahole makes .BTF.base by that very libbpf function; the kernel that fits them together is in tests/kernel/test_btf.py.
"""

from __future__ import annotations

import hashlib
import lzma
import random
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

from purebpf.btf import Btf, BtfType, declare
from purebpf.btf.dedup import dedup
from purebpf.btf.distill import distill, relocate
from purebpf.elf import read_elf
from purebpf.errors import BtfError
from tests.oracle.corpus import cache_folder
from tests.oracle.kernel_types import kernels
from tools.corpus.libbpf import library
from tools.dev.paths import cache_dir

MODULES = [
    pytest.param(series, file, id=f"{series}-{file.name.partition('.')[0]}")
    for series in sorted(kernels())
    if series != "running"
    for files in [sorted(cache_dir("kernels", series).rglob("*.ko*"))]
    for file in random.Random(1).sample(files, k=min(6, len(files)))
]


def types_of(file: Path, base: Btf) -> Btf:
    data = file.read_bytes()
    section = read_elf(lzma.decompress(data) if file.suffix == ".xz" else data, machines=None).section(".BTF")
    assert section is not None
    return Btf.parse(bytes(section.data), base=base, name=file.name)


def declared(btf: Btf, type_id: int) -> str:
    try:
        return declare(btf, type_id)
    except BtfError as error:
        return error.reason


@pytest.mark.parametrize(("series", "file"), MODULES)
def test_a_modules_types_distilled_and_fitted_to_their_kernel_are_what_they_were(series: str, file: Path) -> None:
    base = Btf.parse(kernels()[series].read_bytes(), name=series)
    module = types_of(file, base)
    result = distill(module)
    assert len(result.base) < len(base.raw) / 20
    small = Btf.parse(result.base)
    back = Btf.parse(relocate(Btf.parse(result.split, base=small), base).data, base=base)
    assert [declared(back, each) for each in module.ids()] == [declared(module, each) for each in module.ids()]


def test_a_fitted_module_deduplicated_against_its_kernel_is_the_module() -> None:
    series, file = MODULES[0].values
    assert isinstance(series, str)
    assert isinstance(file, Path)
    base = Btf.parse(kernels()[series].read_bytes(), name=series)
    module = types_of(file, base)
    result = distill(module)
    back = Btf.parse(relocate(Btf.parse(result.split, base=Btf.parse(result.base)), base).data, base=base)
    again = Btf.parse(dedup(back).data, base=base)
    assert [declared(again, each) for each in again.ids()] == [declared(module, each) for each in module.ids()]


_SOURCE = Path(__file__).parent / "harness" / "libbpf_distill.c"


@cache
def harness() -> Path:
    """Built with libbpf 1.5 of the kernel's source, the first that distills."""
    target = cache_folder() / f"libbpf_distill.{hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:12]}"
    if not target.exists():
        folder = library("6.12")
        command = ["gcc", "-O1", "-Wall", "-Wextra", "-Werror", f"-I{folder / 'include'}", str(_SOURCE)]
        subprocess.run([*command, str(folder / "libbpf.a"), "-lelf", "-lz", "-o", str(target)], check=True)
    return target


def by_libbpf(*words: str | Path) -> bool:
    """Whether libbpf did it."""
    return subprocess.run([harness(), *words], capture_output=True, check=False).returncode == 0


def types(btf: Btf) -> list[BtfType]:
    return [btf[each] for each in btf.ids()]


@cache
def fresh(series: str) -> Btf:
    return Btf.parse(kernels()[series].read_bytes(), name=series)


@pytest.mark.parametrize(("series", "file"), MODULES)
def test_libbpf_distills_a_module_to_the_same_types(series: str, file: Path, tmp_path: Path) -> None:
    module = types_of(file, fresh(series))
    (tmp_path / "module").write_bytes(module.raw)
    ours = distill(module)
    assert by_libbpf("distill", kernels()[series], tmp_path / "module", tmp_path / "base", tmp_path / "split")
    their_base = Btf.parse((tmp_path / "base").read_bytes())
    their_split = Btf.parse((tmp_path / "split").read_bytes(), base=their_base)
    our_base = Btf.parse(ours.base)
    assert types(our_base) == types(their_base)
    assert types(Btf.parse(ours.split, base=our_base)) == types(their_split)


@pytest.mark.parametrize("target", sorted(kernels()))
@pytest.mark.parametrize(("series", "file"), MODULES)
def test_libbpf_fits_a_distilled_module_to_every_kernel_alike_or_refuses_it_too(
    series: str, file: Path, target: str, tmp_path: Path
) -> None:
    small = distill(types_of(file, fresh(series)))
    (tmp_path / "base").write_bytes(small.base)
    (tmp_path / "split").write_bytes(small.split)
    done = by_libbpf("relocate", tmp_path / "base", tmp_path / "split", kernels()[target], tmp_path / "out")
    base = fresh(target)
    ours = None
    with suppress(BtfError):
        ours = Btf.parse(relocate(Btf.parse(small.split, base=Btf.parse(small.base)), base).data, base=base)
    assert (ours is not None) == done
    if ours is not None:
        assert types(ours) == types(Btf.parse((tmp_path / "out").read_bytes(), base=base))
