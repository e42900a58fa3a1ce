"""Recordings of whole groups: libbpf's are kept in the cache, purebpf's are made each time.

Each run has a mount namespace of its own: an empty file system for pins, and, where another kernel is played, that
kernel's types, symbols and configuration in the places where both libraries look for them.
"""

import os
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tools.corpus.kernels import facts
from tools.corpus.libbpf import harness, recorder
from tools.corpus.packages import Unobtainable
from tools.dev.paths import ROOT, VENV_PYTHON, cache_dir

HOST = "host"
_JOBS = 2
_BATCH = 40
_LIMIT = 120
_DIED = '{"kind": "died", "status": %d}\n'


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a recording is made: `kernel` is `host` or a series whose types are put in place; `played` or real."""

    kernel: str = HOST
    played: bool = True

    def name(self) -> str:
        """For folders and tables."""
        return f"{self.kernel}-{'played' if self.played else 'real'}"


def of_libbpf(version: str, objects: Sequence[Path], setting: Setting, *, each: bool = False) -> dict[Path, Path]:
    """Recordings by libbpf, object -> file."""
    program = harness(version)
    key = f"{program.stem}.{recorder().stem.rpartition('.')[2]}{'.each' if each else ''}"
    todo, found = [], {}
    for path in objects:
        folder = cache_dir("corpus", "recordings", setting.name(), key, path.parent.name)
        found[path] = target = folder / f"{path.name}.jsonl"
        if not target.exists() or target.stat().st_mtime < path.stat().st_mtime:
            todo.append(path)

    def one(path: Path) -> None:
        partial = found[path].with_suffix(".partial")
        with partial.open("wb") as out:
            try:
                status = _run([str(program), str(path)], setting, each=each, out=out)
            except subprocess.TimeoutExpired:
                status = -1
        if status:
            with partial.open("a") as out:
                out.write(_DIED % status)
        partial.replace(found[path])

    with ThreadPoolExecutor(_JOBS) as pool:
        list(pool.map(one, todo))
    return found


def of_purebpf(objects: Sequence[Path], setting: Setting, folder: Path, *, each: bool = False) -> dict[Path, Path]:
    """Recordings by purebpf as it is now, object -> file in `folder`."""
    found = {path: folder / f"{path.parent.name}.{path.name}.jsonl" for path in objects}
    batches = [list(objects[at : at + _BATCH]) for at in range(0, len(objects), _BATCH)]

    def one(batch: list[Path]) -> None:
        pairs = [f"{path}={found[path]}" for path in batch]
        command = [str(VENV_PYTHON), "-m", "tools.corpus.side", "PLAYED" if setting.played else "REAL", *pairs]
        status = _run(command, setting, each=each, limit=_LIMIT * len(batch))
        if status:
            raise Unobtainable(f"tools/corpus/side.py ended with {status}")

    with ThreadPoolExecutor(_JOBS) as pool:
        list(pool.map(one, batches))
    return found


def _run(command: list[str], setting: Setting, *, each: bool, out: BinaryIO | None = None, limit: int = _LIMIT) -> int:
    """Run a recording process in its namespace; its status."""
    environment = {**os.environ, "LD_PRELOAD": str(recorder())}
    if setting.played:
        environment["CORPUS_PLAY"] = "1"
    if each:
        environment["CORPUS_EACH"] = "1"
    lines = ["mount --make-rprivate /", "mkdir -p /sys/fs/bpf"]
    if setting.kernel != HOST:
        known = facts(setting.kernel)
        release = (known / "release").read_text().strip()
        environment["CORPUS_RELEASE"] = release
        environment["CORPUS_VERSION"] = (known / "version").read_text().strip()
        lines += [
            f"mount --bind {known}/vmlinux.btf /sys/kernel/btf/vmlinux",
            f"mount --bind {known}/kallsyms /proc/kallsyms",
            "mount -t tmpfs tmpfs /boot",
            f"cp {known}/config /boot/config-{release}",
        ]
    # The mounts are made before the recorder is preloaded: env sets it for the program alone.
    preload = f"LD_PRELOAD={environment.pop('LD_PRELOAD')}"
    script = " && ".join([*lines, 'exec env "$@"'])
    words = ["unshare", "-m", "sh", "-c", script, "sh", preload, *command]
    try:
        done = subprocess.run(
            words, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=out, timeout=limit, check=False
        )
        return done.returncode
    except FileNotFoundError as error:
        raise Unobtainable("unshare is missing: apt-get install util-linux") from error
