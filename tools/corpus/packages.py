"""Debian packages as a source of files: fetched by apt, unpacked into the cache, never installed.

What the corpus is made of is the same on every machine with Debian's mirrors, root or not, and the machine's own
installation stays as it is.
"""

import fcntl
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from tools.dev.paths import cache_dir


class Unobtainable(Exception):
    """A part of the corpus cannot be had on this machine; the text says which and why."""


def unpacked(package: str) -> Path:
    """The files of a package, as they would stand under /."""
    folder = cache_dir("corpus", "packages", package)
    tree = folder / "tree"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not tree.exists():
            archive = _fetched(package, folder)
            partial = folder / "partial"
            shutil.rmtree(partial, ignore_errors=True)
            run(["dpkg", "-x", archive.name, partial.name], folder)
            partial.rename(tree)
            archive.unlink()
    return tree


def source_tree(series: str, wanted: tuple[str, ...], name: str = "") -> Path:
    """The parts `wanted` (folders or files) of the kernel's source of a series, Debian's linux-source package.

    Whoever wants other parts than the corpus has a tree of his own, by a `name`.
    """
    package = f"linux-source-{series}"
    tree = unpacked(package)
    (archive,) = (tree / "usr" / "src").glob("*.tar.xz")
    folder = cache_dir("corpus", "source")
    label = f"{series}-{name}" if name else series
    target = folder / label
    with (folder / f"lock-{label}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = folder / f"{label}.parts"
        if not stamp.exists() or stamp.read_text() != "\n".join(wanted):
            print(f"corpus: unpacking {archive.name}", file=sys.stderr, flush=True)
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir()
            _extract(archive, wanted, target)
            stamp.write_text("\n".join(wanted))
    return target


def _extract(archive: Path, wanted: tuple[str, ...], target: Path) -> None:
    with tarfile.open(archive, "r|xz") as stream:
        # Debian's Python 3.11.2 has no filters yet.
        if hasattr(tarfile, "tar_filter"):
            stream.extraction_filter = tarfile.tar_filter
        for member in stream:
            inside = member.name.partition("/")[2]
            if not inside.startswith(wanted):
                continue
            member.name = inside
            stream.extract(member, target)


def _fetched(package: str, folder: Path) -> Path:
    print(f"corpus: fetching {package}", file=sys.stderr, flush=True)
    for old in folder.glob("*.deb"):
        old.unlink()
    # apt's sandbox user cannot write to a cache below root's home: without this option apt only warns, loudly.
    run(["apt-get", "-o", "APT::Sandbox::User=root", "-qq", "download", package], folder)
    return next(folder.glob("*.deb"))


def run(command: list[str], folder: Path) -> str:
    """A program's output; `Unobtainable` with the end of its complaint if it fails."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise Unobtainable(f"{command[0]} is missing") from error
    if done.returncode:
        raise Unobtainable(f"{' '.join(command[:6])} failed: {(done.stderr or done.stdout).strip()[-1500:]}")
    return done.stdout
