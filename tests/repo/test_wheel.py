"""What is installed: one wheel for every Python from 3.11 on, with the demo's object and the types in it."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.repo.source import PACKAGE, ROOT

_SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel built from a copy of the sources, with what the developer's .venv has."""
    copy = tmp_path_factory.mktemp("source")
    for name in _SOURCES:
        shutil.copy(ROOT / name, copy)
    shutil.copytree(PACKAGE, copy / "purebpf", ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    done = subprocess.run(
        [sys.executable, "setup.py", "-q", "bdist_wheel"], cwd=copy, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (built,) = (copy / "dist").iterdir()
    return built


def test_it_is_one_wheel_for_every_python_from_the_oldest_on(wheel: Path) -> None:
    name, version, python, abi, _ = wheel.stem.split("-")
    assert (name, python, abi) == ("purebpf", "cp311", "abi3")
    assert version.startswith("0.")


def test_it_holds_every_module_and_what_goes_with_them(wheel: Path) -> None:
    held = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("purebpf/")}
    modules = {str(path.relative_to(ROOT)) for path in PACKAGE.rglob("*.py")}
    others = {"purebpf/_fastpath.abi3.so", "purebpf/_fastpath.pyi", "purebpf/py.typed", "purebpf/objects/execs.bpf.o"}
    assert held == modules | others


def test_what_it_holds_works_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    program = (
        "import purebpf, sys; from importlib.resources import files\n"
        "spec = purebpf.open((files('purebpf') / 'objects' / 'execs.bpf.o').read_bytes(), name='execs')\n"
        "from purebpf.syscall.native import btf_scan\n"
        "print(purebpf.__file__, *spec.programs)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == [str(tmp_path / "purebpf/__init__.py"), "on_fork", "on_exec", "on_exit"], done.stderr
