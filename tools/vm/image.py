"""The initramfs: a small Debian made of this machine's own files, and the checkout on top.

Three archives follow each other, so that a boot rebuilds only what changed:

    system    busybox, Debian's Python with its library, ip and bpftool, pytest and what it needs: cached
    kernel    the modules and the configuration of one kernel: cached
    checkout  the files git knows, the built extension, and the command to run: written for each boot

Everything Python is compiled ahead by the very interpreter the VM runs: under emulation, importing pytest from
source costs 5 to 9 s more.
"""

import fcntl
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

from tools.dev.paths import ROOT, VENV_PYTHON, cache_dir
from tools.vm.archive import Archive
from tools.vm.kernels import Kernel, Unavailable

_PYTHON = Path("/usr/bin/python3")
_PROGRAMS = ("dash", "bash", "ip", "tc", "bpftool", "strace")
_BUSYBOX = Path("/bin/busybox")
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_INIT = Path(__file__).with_name("init.sh")
_DISTRIBUTIONS = ("pytest", "hypothesis", "pyelftools", "rich")
_LIBRARY_LEFT_OUT = ("test", "idlelib", "ensurepip", "lib2to3", "turtledemo", "tkinter", "pydoc_data", "config-")
_LARGEST_FILE = 8 << 20

_ASK_PYTHON = """
import json, sys, sysconfig
print(json.dumps([list(sys.version_info[:3]), sys.executable, sysconfig.get_path("stdlib")]))
"""


def system_archive() -> Path:
    """Give the cached archive of the system part, built when one of its ingredients changed."""
    for needed, package in ((_BUSYBOX, "busybox-static"), (_PYTHON, "python3")):
        if not needed.exists():
            raise Unavailable(f"{needed} is missing; apt-get install {package}")
    if not shutil.which("ip", path=_PATH):
        raise Unavailable("ip is missing; apt-get install iproute2")
    version, executable, library = json.loads(_output([str(_PYTHON), "-I", "-c", _ASK_PYTHON]))
    programs = [Path(found) for name in _PROGRAMS if (found := shutil.which(name, path=_PATH))]
    ingredients = [_BUSYBOX, Path(executable).resolve(), *programs]
    pins = _pinned()
    key = hashlib.sha256(Path(__file__).read_bytes() + json.dumps([version, pins]).encode())
    for path in ingredients:
        status = path.stat()
        key.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
    folder = cache_dir("vm")
    target = folder / f"system-{key.hexdigest()[:16]}.cpio"
    with (folder / "system.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            print("building the VM's system image", file=sys.stderr, flush=True)
            for old in folder.glob("system-*.cpio"):
                old.unlink()
            unfinished = target.with_suffix(".tmp")
            with unfinished.open("wb") as out:
                _write_system(out, Path(executable), Path(library), programs, _site(version, pins))
            unfinished.rename(target)
    return target


def kernel_archive(kernel: Kernel) -> Path:
    """Give the cached archive of a kernel's modules and configuration."""
    target = cache_dir("vm") / f"kernel-{kernel.release}.cpio"
    if not target.exists() or target.stat().st_mtime < kernel.modules.stat().st_mtime:
        unfinished = target.with_suffix(f".{os.getpid()}")
        with unfinished.open("wb") as out:
            archive = Archive(out)
            archive.tree(f"usr/lib/modules/{kernel.release}", kernel.modules)
            archive.file(f"boot/{kernel.config.name}", kernel.config)
            archive.close()
        unfinished.rename(target)
    return target


def write_checkout(out: BinaryIO, command: str, *, interactive: bool) -> None:
    """Write the archive of the checkout, compiled, and of the command the VM shall run."""
    archive = Archive(out)
    stage = cache_dir("vm", "checkout-" + hashlib.sha256(str(ROOT).encode()).hexdigest()[:12])
    with (stage / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _stage_checkout(stage / "src")
        archive.tree("src", stage / "src")
    archive.data("init", _INIT.read_bytes(), mode=0o755)
    archive.data("run/vm/command", command.encode() + b"\n")
    if interactive:
        archive.data("run/vm/interactive", b"")
    archive.close()


def _pinned() -> list[str]:
    """The packages for the VM, each with the version of the .venv: what the host's tests ran with."""
    program = "import importlib.metadata as m, sys\nfor name in sys.argv[1:]: print(f'{name}=={m.version(name)}')"
    return _output([str(VENV_PYTHON), "-I", "-c", program, *_DISTRIBUTIONS]).split()


def _site(version: list[int], pins: list[str]) -> Path:
    """Install the packages for the VM's interpreter (its version may not be the .venv's) into the cache."""
    wanted = ".".join(map(str, version[:2]))
    digest = hashlib.sha256(json.dumps([wanted, pins]).encode()).hexdigest()[:12]
    target = cache_dir("vm") / f"site-{digest}"
    if not target.exists():
        unfinished = target.with_suffix(".tmp")
        shutil.rmtree(unfinished, ignore_errors=True)
        options = ["--target", str(unfinished), "--python-version", wanted, "--only-binary=:all:", "--no-compile"]
        _output([str(VENV_PYTHON), "-m", "pip", "install", "-q", *options, *pins])
        _compile(unfinished, "/site")
        unfinished.rename(target)
    return target


def _write_system(out: BinaryIO, python: Path, library: Path, programs: list[Path], site: Path) -> None:
    archive = Archive(out)
    for name in ("bin", "sbin", "lib", "lib64"):
        archive.directory(f"usr/{name}")
        archive.symlink(name, f"usr/{name}")
    for name in ("proc", "sys", "dev", "run", "root", "var", "mnt", "etc"):
        archive.directory(name)
    archive.directory("tmp", 0o1777)
    archive.symlink("var/run", "/run")
    archive.data("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n")
    archive.data("etc/group", b"root:x:0:\nnogroup:x:65534:\n")
    archive.data("etc/hosts", b"127.0.0.1 localhost\n::1 localhost\n")
    archive.data("etc/os-release", Path("/etc/os-release").read_bytes())
    binaries = [python.resolve(), *programs]
    for program in programs:
        archive.file(f"usr/bin/{program.name}", program)
    archive.file(f"usr/bin/{python.resolve().name}", python.resolve())
    archive.symlink("usr/bin/python3", python.resolve().name)
    archive.symlink("usr/bin/python", "python3")
    # busybox's own shell would run its applets instead of the real ip
    archive.symlink("usr/bin/sh", "dash")
    binaries += _write_library(archive, library)
    archive.tree("site", site)
    for name in ("bpf", "tests"):
        archive.directory(f"src/{name}")
    _write_shared_libraries(archive, [*binaries, *site.rglob("*.so")])
    _write_busybox(archive)
    archive.close()


def _write_library(archive: Archive, library: Path) -> list[Path]:
    """Add Python's standard library, compiled; give its extension modules."""
    stage = cache_dir("vm", "library")
    shutil.rmtree(stage)
    extensions = []
    for path in sorted(library.rglob("*")):
        inside = str(path.relative_to(library))
        if inside.startswith(_LIBRARY_LEFT_OUT) or "__pycache__" in inside or not path.is_file():
            continue
        if path.suffix == ".so":
            extensions.append(path)
        copy = stage / inside
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
    _compile(stage, str(library))
    archive.tree(str(library), stage)
    shutil.rmtree(stage)
    return extensions


def _write_shared_libraries(archive: Archive, binaries: list[Path]) -> None:
    """Add every shared library the binaries need, under the very path the loader looks for."""
    listing = subprocess.run(["ldd", *map(str, binaries)], capture_output=True, text=True, check=False).stdout
    for found in sorted(set(re.findall(r"(/\S+\.so[.0-9]*) \(0x", listing))):
        name = found if found.startswith("/usr/") else f"/usr{found}"
        if name not in archive:
            archive.file(name, Path(found))


def _write_busybox(archive: Archive) -> None:
    archive.file("usr/bin/busybox", _BUSYBOX)
    for applet in _output([str(_BUSYBOX), "--list"]).split():
        if f"usr/bin/{applet}" not in archive:
            archive.symlink(f"usr/bin/{applet}", "busybox")
    # the kernel calls these two by full path
    archive.symlink("usr/sbin/modprobe", "../bin/busybox")


def _stage_checkout(stage: Path) -> None:
    """Bring the staged copy up to date: changed files only, so that unchanged ones keep their compiled form."""
    listing = _output(["git", "-C", str(ROOT), "ls-files", "-z", "-co", "--exclude-standard"])
    wanted = {name for name in listing.split("\0") if name}
    wanted |= {str(path.relative_to(ROOT)) for path in (ROOT / "purebpf").rglob("*.so")}
    present = {str(path.relative_to(stage)) for path in stage.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    for gone in present - wanted:
        (stage / gone).unlink()
    for name in sorted(wanted):
        source, copy = ROOT / name, stage / name
        if not source.is_file() or source.stat().st_size > _LARGEST_FILE:
            copy.unlink(missing_ok=True)
            continue
        if copy.exists() and copy.stat().st_mtime_ns == source.stat().st_mtime_ns:
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, copy)
    _compile(stage, "/src", invalidation="timestamp")


def _compile(folder: Path, seen_as: str, *, invalidation: str = "unchecked-hash") -> None:
    """Compile what lies in `folder` for a VM that sees it at `seen_as`; a file with a syntax error stays source."""
    options = ["-q", "-q", "-s", str(folder), "-p", seen_as, "--invalidation-mode", invalidation]
    subprocess.run([str(_PYTHON), "-I", "-m", "compileall", *options, str(folder)], capture_output=True, check=False)


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"{shlex.join(command[:4])} ... failed: {done.stderr.strip()[-400:]}")
    return done.stdout
