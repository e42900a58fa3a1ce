"""Types that purebpf reads, makes and joins, against what the kernel itself makes of them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from purebpf.btf import Btf
from purebpf.btf.distill import distill
from purebpf.btf.permute import permute
from purebpf.cli.btf import read_types
from purebpf.cli.main import main
from purebpf.errors import NotSupported
from purebpf.plan.btf_file import read_btf_file
from tests.conftest import BUILT
from tests.honest_skips import version
from tests.kernel.conftest import IN_VM
from tests.kernel.module_image import with_sections

FOLDER = Path("/sys/kernel/btf")
EXECS = str(BUILT / "execs.bpf.o")


def test_the_running_kernels_types_are_cut_for_an_object_without_a_word_about_where_they_are(tmp_path: Path) -> None:
    out = tmp_path / "cut.btf"
    assert main(["btf", "min", EXECS, "-o", str(out)]) == 0
    assert Btf.parse(out.read_bytes()).find_one("task_struct") is not None


@pytest.mark.parametrize("name", ["running", str(FOLDER / "vmlinux")])
def test_the_running_kernels_types_are_printed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["btf", "json", name, "task_struct"]) == 0
    assert '"name": "task_struct"' in capsys.readouterr().out


if IN_VM:

    @contextmanager
    def inserted(path: Path, name: str) -> Iterator[Path]:
        """The kernel's file of a module's types, while the module in `path` is loaded."""
        insmod, rmmod = (shutil.which(word) or f"/sbin/{word}" for word in ("insmod", "rmmod"))
        subprocess.run([insmod, str(path)], check=True)
        try:
            yield FOLDER / name
        finally:
            subprocess.run([rmmod, name], check=True)

    def module_file(name: str) -> Path:
        (found,) = Path("/lib/modules", os.uname().release).rglob(f"{name}.ko")
        return found

    @pytest.mark.parametrize("name", ["ts_kmp", "dummy"])
    def test_a_modules_types_on_disk_are_those_that_the_kernel_shows(name: str) -> None:
        base = read_types("running")
        ours = read_btf_file(module_file(name), base=base)
        with inserted(module_file(name), name) as theirs:
            assert ours.raw == theirs.read_bytes()

    @pytest.mark.parametrize("name", ["ts_kmp", "dummy"])
    def test_a_module_that_brings_its_own_base_is_joined_to_the_kernels_types_as_the_kernel_does_it(
        name: str, tmp_path: Path
    ) -> None:
        base = read_types("running")
        small = distill(read_btf_file(module_file(name), base=base))
        apart = tmp_path / f"{name}.ko"
        apart.write_bytes(with_sections(module_file(name).read_bytes(), {".BTF": small.split, ".BTF.base": small.base}))
        ours = read_btf_file(apart, base=base)
        if version(os.uname().release) < (6, 11):
            raise NotSupported("a module with a base of its own", since="6.11")
        with inserted(apart, name):
            theirs = read_types(str(FOLDER / name))
        assert [ours[each] for each in ours.ids()] == [theirs[each] for each in theirs.ids()]

    @pytest.mark.parametrize("name", ["ts_kmp", "dummy"])
    def test_a_module_whose_types_were_put_into_another_order_is_taken(name: str, tmp_path: Path) -> None:
        types = read_btf_file(module_file(name), base=read_types("running"))
        ours = permute(types, list(reversed(types.ids()))).data
        sorted_file = tmp_path / f"{name}.ko"
        sorted_file.write_bytes(with_sections(module_file(name).read_bytes(), {".BTF": ours}))
        with inserted(sorted_file, name) as theirs:
            assert ours == theirs.read_bytes()
