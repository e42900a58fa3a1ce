"""The kernel's own BPF selftests as objects: progs/*.c of Debian's linux-source, compiled as its Makefile does.

The flags are the Makefile's but for -Werror: a newer clang warns of more. The kernel's types (vmlinux.h) are those
of Debian's kernel of the same series, so a test of something that this kernel was built without does not compile;
the manifest has the first error of each. Other kernel headers are the machine's own (linux-libc-dev).
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tools.corpus.kernels import facts
from tools.corpus.packages import Unobtainable, run, source_tree
from tools.dev.paths import cache_dir

PARTS = (
    "tools/testing/selftests/bpf/",
    "tools/lib/bpf/",
    "tools/include/",
    "tools/arch/x86/include/",
    "tools/build/",
    "tools/scripts/",
    "scripts/bpf_doc.py",
)
"""What of the kernel's source is unpacked: the tests, libbpf, and what both include."""

_CLANG = "clang-19"
_JOBS = 2
_NOT_INLINED = ("test_l4lb_noinline.c", "test_xdp_noinline.c")


@dataclass(frozen=True, slots=True)
class Compiled:
    """One source: the object, or the compiler's first error."""

    source: str
    object: str
    error: str = ""


def compile_all(series: str, folder: Path) -> list[Compiled]:
    """Compile every test of a series into `folder`; sources that are not newer than their objects are left alone."""
    done = _compile_tests(series, folder, "*")
    (folder / "compiled.json").write_text(json.dumps([[c.source, c.object, c.error] for c in done], indent=1))
    return done


def compiled(series: str, name: str) -> Path:
    """The object of one test, in the folder of its group: what the corpus has already is not compiled again."""
    folder = cache_dir("corpus", "objects", f"selftests-{series}")
    (done,) = _compile_tests(series, folder, name)
    if not done.object:
        raise Unobtainable(f"{done.source} of {series} does not compile: {done.error}")
    return folder / done.object


def _compile_tests(series: str, folder: Path, names: str) -> list[Compiled]:
    source = source_tree(series, PARTS)
    flags = [*_flags(source, headers(series, source)), *_system_includes()]
    tests = sorted((source / "tools/testing/selftests/bpf/progs").glob(f"{names}.c"))
    print(f"corpus: compiling {len(tests)} selftests of {series}", file=sys.stderr, flush=True)
    with ThreadPoolExecutor(_JOBS) as pool:
        return list(pool.map(lambda test: _compile(test, folder, flags), tests))


def headers(series: str, source: Path) -> Path:
    """The include folder that the selftests' Makefile makes: libbpf's installed headers and vmlinux.h."""
    folder = source / "made"
    bpf = folder / "bpf"
    bpf.mkdir(parents=True, exist_ok=True)
    for header in (source / "tools/lib/bpf").glob("*.h"):
        (bpf / header.name).write_bytes(header.read_bytes())
    uapi = source / "tools/include/uapi/linux/bpf.h"
    helpers = run([sys.executable, "scripts/bpf_doc.py", "--header", "--file", str(uapi)], source)
    (bpf / "bpf_helper_defs.h").write_text(helpers)
    types = folder / "vmlinux.h"
    if not types.exists():
        types.write_text(
            run(["bpftool", "btf", "dump", "file", str(facts(series) / "vmlinux.btf"), "format", "c"], source)
        )
    return folder


def _flags(source: Path, made: Path) -> list[str]:
    tests = source / "tools/testing/selftests/bpf"
    defines = ["-D__TARGET_ARCH_x86", "-DENABLE_ATOMICS_TESTS"]
    includes = [f"-I{path}" for path in (made, tests, source / "tools/include/uapi")]
    return [_CLANG, "-g", "-O2", "-target", "bpf", "-mcpu=v3", "-mlittle-endian", "-w", *defines, *includes]


def _system_includes() -> list[str]:
    """The host's own header folders: the target bpf has none."""
    said = subprocess.run([_CLANG, "-v", "-E", "-"], input="", capture_output=True, text=True, check=False).stderr
    between = said.partition("<...> search starts here:")[2].partition("End of search list.")[0]
    return [word for folder in between.split() for word in ("-idirafter", folder)]


def _compile(test: Path, folder: Path, flags: list[str]) -> Compiled:
    target = folder / f"{test.name.removesuffix('.c')}.bpf.o"
    if target.exists() and target.stat().st_mtime > test.stat().st_mtime:
        return Compiled(test.name, target.name)
    partial = target.with_suffix(f".{os.getpid()}")
    extra = ["-fno-inline"] if test.name in _NOT_INLINED else []
    command = ["nice", *flags, *extra, "-c", str(test), "-o", str(partial)]
    done = subprocess.run(command, cwd=test.parent, capture_output=True, text=True, check=False)
    if done.returncode:
        partial.unlink(missing_ok=True)
        return Compiled(test.name, "", _first_error(done.stderr.splitlines()))
    partial.replace(target)
    return Compiled(test.name, target.name)


def _first_error(lines: Iterable[str]) -> str:
    return next((line.rpartition("error: ")[2] for line in lines if "error: " in line), "the compiler crashed")
