"""`./dev check`: what can be said of the source without running it; every check runs, even after one failed."""

import os
import shlex
import subprocess
import sys
import sysconfig

from tools.dev.paths import ROOT, VENV, VENV_PYTHON

_PUBLIC_API = "tests/repo/test_public_api.py"
# -Wconversion and its like stay out: CPython's own headers do not pass them.
_C_FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-Wshadow", "-Wstrict-prototypes", "-Wvla")


def main(arguments: list[str]) -> int:
    """Run every check; give 1 if one failed."""
    unknown = [word for word in arguments if word not in ("--update", "--fix")]
    if unknown:
        print(f"dev check: no option '{unknown[0]}'; there are --update and --fix", file=sys.stderr)
        return 2
    if "--fix" in arguments:
        _passes("ruff fixes", [_tool("ruff"), "check", "-q", "--fix", "."])
        _passes("ruff format", [_tool("ruff"), "format", "-q", "."])
    if "--update" in arguments:
        os.environ["PUREBPF_UPDATE"] = "1"
        for tool in ("make_initializers", "make_load_path"):
            _passes(tool, [str(VENV_PYTHON), "-m", f"tools.{tool}"])
    failed = [name for name, command in _checks() if not _passes(name, command)]
    print(f"\ncheck: {'failed: ' + ', '.join(failed) if failed else 'all well'}")
    return 1 if failed else 0


def _checks() -> list[tuple[str, list[str]]]:
    pytest = [str(VENV_PYTHON), "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    return [
        ("lint", [_tool("ruff"), "check", "-q", "."]),
        ("format", [_tool("ruff"), "format", "-q", "--check", "."]),
        ("types", [_tool("mypy")]),
        ("layering", [*pytest, "tests/repo/test_layering.py"]),
        ("sizes", [*pytest, "tests/repo/test_sizes.py"]),
        ("public names", [*pytest, _PUBLIC_API]),
        ("generated files", [*pytest, "tests/repo/test_initializers.py", "tests/repo/test_load_path.py"]),
        ("C without a warning", _strict_compilation()),
    ]


def _tool(name: str) -> str:
    return str(VENV / "bin" / name)


def _passes(name: str, command: list[str]) -> bool:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    print(f"{'ok    ' if done.returncode == 0 else 'FAILED'}  {name}", flush=True)
    if done.returncode:
        print(f"        {shlex.join(command)}\n{done.stdout}{done.stderr}", flush=True)
    return done.returncode == 0


def _strict_compilation() -> list[str]:
    macros = ["-DPy_LIMITED_API=0x030B0000", f"-I{sysconfig.get_path('include')}"]
    compiler = shlex.join(["gcc", *_C_FLAGS, *macros, "-fPIC", "-c", "-o", os.devnull])
    return ["sh", "-c", f"for source in purebpf/*.c; do {compiler} $source || exit 1; done"]
