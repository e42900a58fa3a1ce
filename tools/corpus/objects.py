"""What the corpus consists of: groups of objects, each a folder in the cache with a manifest.

    libbpf-tools xdp-tools libxdp1 libknot13 pcp xdp-tests
    golang-github-cilium-ebpf-dev ir-keytable qemu-system-x86
                                     objects in Debian's packages
    selftests-6.1 selftests-6.12     the kernel's BPF selftests, compiled
    linked-6.1                       those that the selftests link from several files, by bpftool
    built                            bpf/built of this repository

A manifest (manifest.json) has for each object its file, size and SHA-256, and for each source that gave none why.
"""

import fcntl
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tools.corpus.embedded import PACKAGES, shipped
from tools.corpus.packages import run
from tools.corpus.selftests import compile_all
from tools.dev.paths import ROOT, cache_dir

LINKED = {
    "test_static_linked": ("test_static_linked1", "test_static_linked2"),
    "linked_funcs": ("linked_funcs1", "linked_funcs2"),
    "linked_vars": ("linked_vars1", "linked_vars2"),
    "linked_maps": ("linked_maps1", "linked_maps2"),
    "test_subskeleton": ("test_subskeleton_lib2", "test_subskeleton_lib", "test_subskeleton"),
    "test_subskeleton_lib": ("test_subskeleton_lib2", "test_subskeleton_lib"),
    "test_usdt": ("test_usdt", "test_usdt_multispec"),
}
"""Which selftests are linked to one object, and from what."""
_BUILT = "built"
_SERIES = ("6.1", "6.12")


@dataclass(frozen=True, slots=True)
class Group:
    """Objects of one origin; `missing` is source -> why it gave no object."""

    name: str
    objects: tuple[Path, ...]
    missing: dict[str, str]


def names() -> tuple[str, ...]:
    """All groups, in the order of the table."""
    return (*_MAKERS, _BUILT)


def group(name: str) -> Group:
    """A group, made on first use."""
    if name == _BUILT:
        return Group(name, tuple(sorted((ROOT / "bpf" / "built").rglob("*.bpf.o"))), {})
    folder = cache_dir("corpus", "objects", name)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        manifest = folder / "manifest.json"
        if not manifest.exists():
            missing = _MAKERS[name](folder)
            manifest.write_text(json.dumps(_manifest(folder, missing), indent=1))
        said = json.loads(manifest.read_text())
    return Group(name, tuple(folder / entry["file"] for entry in said["objects"]), said["missing"])


def folder_of_all() -> Path:
    """The folder that has a folder for each group."""
    return cache_dir("corpus", "objects")


def _manifest(folder: Path, missing: dict[str, str]) -> dict[str, object]:
    objects = []
    for path in sorted(folder.glob("*.bpf.o")):
        data = path.read_bytes()
        objects.append({"file": path.name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()})
    return {"objects": objects, "missing": missing}


def _shipped(package: str, folder: Path) -> dict[str, str]:
    return {} if shipped(package, folder) else {package: "no BPF object in it"}


def _selftests(series: str, folder: Path) -> dict[str, str]:
    return {c.source: c.error for c in compile_all(series, folder) if not c.object}


def _linked(series: str, folder: Path) -> dict[str, str]:
    parts = group(f"selftests-{series}").objects
    by_name = {path.name.removesuffix(".bpf.o"): str(path) for path in parts}
    for name, sources in LINKED.items():
        run(["bpftool", "gen", "object", str(folder / f"{name}.bpf.o"), *(by_name[s] for s in sources)], folder)
    return {}


_MAKERS: dict[str, Callable[[Path], dict[str, str]]] = {
    **{package: partial(_shipped, package) for package in PACKAGES},
    **{f"selftests-{series}": partial(_selftests, series) for series in _SERIES},
    "linked-6.1": partial(_linked, "6.1"),
}
