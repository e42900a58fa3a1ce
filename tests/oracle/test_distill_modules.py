"""The types of real kernel modules leave their kernel and come back: every declaration is what it was."""

from __future__ import annotations

import lzma
import random
from pathlib import Path

import pytest

from purebpf.btf import Btf, declare
from purebpf.btf.dedup import dedup
from purebpf.btf.distill import distill, relocate
from purebpf.elf import read_elf
from purebpf.errors import BtfError
from tests.oracle.kernel_types import kernels
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
