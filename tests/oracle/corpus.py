"""The objects on which purebpf and libbpf must agree.

Three kinds: what is checked in under bpf/built, what two compilers make of bpf/*.bpf.c for each version of the
instruction set, and what Debian ships: the ELF images inside the programs of libbpf-tools and xdp-tools, the .o
files of libxdp1. An `Origin` is cheap to list; its files are made when a test asks for them, and kept in the cache
(PUREBPF_CACHE, by default ~/.cache/purebpf).
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tools.corpus.embedded import images

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = REPOSITORY / "bpf"
COMPILERS = (("clang-19", ("v1", "v2", "v3", "v4")), ("clang-14", ("v1", "v2", "v3")))
PACKAGES = ("libbpf-tools", "xdp-tools", "libxdp1")


@cache
def cache_folder() -> Path:
    """Where built things are kept from run to run, in the place that ./dev has its own things too."""
    chosen = os.environ.get("PUREBPF_CACHE")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = (Path(chosen) if chosen else home / "purebpf") / "oracle"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@dataclass(frozen=True, slots=True)
class Origin:
    """Where objects come from: a checked-in or shipped file, or a source with a compiler and an ISA version."""

    name: str
    file: Path
    compiler: str = ""
    isa: str = ""

    def objects(self) -> tuple[Path, ...]:
        """The object files, made if they are not there yet; a source that does not compile is an error."""
        if self.compiler:
            return (_compiled(self.file, self.compiler, self.isa),)
        if self.file.suffix == ".o":
            return (self.file,)
        return _embedded(self.file)


def origins() -> tuple[Origin, ...]:
    """All of them, in a stable order."""
    return (*built(), *compiled(), *shipped())


def built() -> Iterator[Origin]:
    """bpf/built and its variants."""
    for path in sorted((SOURCES / "built").rglob("*.o")):
        yield Origin(str(path.relative_to(SOURCES)), path)


def compiled() -> Iterator[Origin]:
    """Each source with each compiler and ISA version."""
    for source in sorted(SOURCES.glob("*.bpf.c")):
        for compiler, versions in COMPILERS:
            for isa in versions:
                yield Origin(f"{source.name.removesuffix('.bpf.c')}-{compiler}-{isa}", source, compiler, isa)


def shipped() -> Iterator[Origin]:
    """What the Debian packages hold: programs with objects inside, and objects."""
    for package in PACKAGES:
        for path in _files_of(package):
            is_program = path.parent.name in ("bin", "sbin") and not path.is_symlink()
            if path.suffix == ".o" or is_program:
                yield Origin(f"{package}/{path.name}", path)


@cache
def _files_of(package: str) -> tuple[Path, ...]:
    listing = subprocess.run(["dpkg-query", "-L", package], capture_output=True, text=True)
    if listing.returncode:
        raise RuntimeError(f"the oracle tests need Debian's package {package}: apt-get install {package}")
    return tuple(sorted(path for path in map(Path, listing.stdout.splitlines()) if path.is_file()))


def _compiled(source: Path, compiler: str, isa: str) -> Path:
    text = source.read_bytes()
    label = f"{source.name.removesuffix('.bpf.c')}.{compiler}.{isa}.{hashlib.sha256(text).hexdigest()[:12]}"
    target = cache_folder() / f"{label}.bpf.o"
    if not target.exists():
        command = [compiler, "-target", "bpfel", f"-mcpu={isa}", "-O2", "-g", "-D__TARGET_ARCH_x86"]
        command += [f"-I/usr/include/{os.uname().machine}-linux-gnu", "-c", source.name]
        partial = target.with_suffix(f".{os.getpid()}")
        subprocess.run([*command, "-o", str(partial)], cwd=source.parent, check=True)
        partial.replace(target)
    return target


def _embedded(program: Path) -> tuple[Path, ...]:
    """The BPF objects inside an executable: bpftool's skeletons hold them as they are."""
    data = program.read_bytes()
    found = []
    for number, image in enumerate(images(data)):
        target = cache_folder() / f"{program.name}.{number}.{hashlib.sha256(image).hexdigest()[:12]}.bpf.o"
        if not target.exists():
            partial = target.with_suffix(f".{os.getpid()}")
            partial.write_bytes(image)
            partial.replace(target)
        found.append(target)
    return tuple(found)
