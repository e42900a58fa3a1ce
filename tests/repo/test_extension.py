"""The C extension compiles without a warning, with the sanitizers too, and where there is no bpf(2)."""

import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.repo.source import PACKAGE

INCLUDE = f"-I{sysconfig.get_path('include')}"
STRICT = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-DPy_LIMITED_API=0x030B0000", INCLUDE]
SANITIZED = ["-fsanitize=address,undefined", "-O1"]
# As on a system that has no bpf(2). Debian's Python headers want to know the real one, so they come first.
ELSEWHERE = "#include <Python.h>\n#undef __linux__\n"


@pytest.mark.parametrize(
    ("before", "flags"), [("", []), ("", SANITIZED), (ELSEWHERE, [])], ids=["plain", "sanitized", "elsewhere"]
)
@pytest.mark.parametrize("source", sorted(PACKAGE.glob("_fastpath*.c")), ids=lambda source: source.name)
def test_it_compiles_without_a_warning(source: Path, before: str, flags: list[str], tmp_path: Path) -> None:
    command = ["gcc", *STRICT, *flags, "-x", "c", "-c", "-", "-o", str(tmp_path / "object.o")]
    text = f'#define PY_SSIZE_T_CLEAN\n{before}#include "{source}"\n' if before else f'#include "{source}"\n'
    compiled = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert (compiled.returncode, compiled.stderr) == (0, "")
