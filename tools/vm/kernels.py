"""Debian's kernels: the newest cloud build of a series, fetched by apt and unpacked into the cache.

The cloud flavour is the smallest that has BTF, kprobes and the BPF LSM. Nothing is installed: the packages are
only unpacked, so no root is needed and the machine's own boot files stay alone.
"""

import fcntl
import lzma
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.dev.paths import cache_dir

# Series -> pattern of the package's name. 6.1.0 is bookworm's ABI-numbered form; newer series carry the full version.
SERIES = {
    "6.1": r"linux-image-6\.1\.0-[0-9]+-cloud-amd64-unsigned",
    "6.12": r"linux-image-6\.12\.[0-9]+\+[a-z0-9]+-cloud-amd64-unsigned",
}

# What tests may ask for: network devices, qdiscs, netfilter, and the libraries those stand on. The rest of the
# modules would only cost time to unpack at every boot.
_NETWORK = ("core", "ipv4", "ipv6", "netfilter", "sched", "802", "8021q", "bridge", "kcm", "tls", "xfrm", "psample")
_DEVICES = ("veth", "dummy", "ifb", "tun")
_MODULES = (
    *(f"net/{name}/" for name in _NETWORK),
    *(f"drivers/net/{name}." for name in _DEVICES),
    "lib/",
)


class Unavailable(Exception):
    """A VM cannot be had on this machine; the text says why and what would help."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """One unpacked kernel."""

    series: str
    release: str
    image: Path
    config: Path
    modules: Path


def kernel(series: str) -> Kernel:
    """Give the kernel of a series, fetched and unpacked on first use; after that no apt is asked."""
    if series not in SERIES:
        raise Unavailable(f"no kernel series '{series}'; known: {', '.join(SERIES)}")
    folder = cache_dir("kernels", series)
    with _locked(folder):
        found = _unpacked(series, folder)
        return found or _fetch(series, folder)


def refresh(series: str) -> Kernel:
    """Fetch the newest kernel of a series, whatever the cache holds."""
    folder = cache_dir("kernels", series)
    with _locked(folder):
        return _fetch(series, folder)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _unpacked(series: str, folder: Path) -> Kernel | None:
    images = sorted((folder / "tree" / "boot").glob("vmlinuz-*"))
    if not images or not (folder / "complete").exists():
        return None
    release = images[-1].name.removeprefix("vmlinuz-")
    boot = folder / "tree" / "boot"
    return Kernel(series, release, images[-1], boot / f"config-{release}", folder / "modules" / release)


def _fetch(series: str, folder: Path) -> Kernel:
    package = _newest(series)
    print(f"fetching {package} into {folder}", file=sys.stderr, flush=True)
    (folder / "complete").unlink(missing_ok=True)
    shutil.rmtree(folder / "tree", ignore_errors=True)
    shutil.rmtree(folder / "modules", ignore_errors=True)
    for old in folder.glob("*.deb"):
        old.unlink()
    # apt's sandbox user cannot write to a cache below root's home: without this option apt only warns, loudly.
    _run(["apt-get", "-o", "APT::Sandbox::User=root", "-qq", "download", package], folder)
    archive = next(folder.glob("*.deb"))
    _run(["dpkg", "-x", archive.name, "tree"], folder)
    archive.unlink()
    release = next((folder / "tree" / "boot").glob("vmlinuz-*")).name.removeprefix("vmlinuz-")
    _select_modules(folder / "tree" / "lib" / "modules" / release, folder / "modules" / release)
    shutil.rmtree(folder / "tree" / "lib")
    (folder / "complete").touch()
    found = _unpacked(series, folder)
    assert found is not None
    return found


def _newest(series: str) -> str:
    listing = _run(["apt-cache", "pkgnames", "linux-image-"], Path("/"))
    names = [name for name in listing.split() if re.fullmatch(SERIES[series], name)]
    if not names:
        raise Unavailable(
            f"no package matches {SERIES[series]}; run 'apt-get update', or this Debian release has no {series} kernel"
        )
    return max(names, key=lambda name: [int(part) for part in re.findall(r"[0-9]+", name)])


def _select_modules(source: Path, target: Path) -> None:
    """Copy the modules that tests may need, unpacked, and index them (depmod; the package does that on install)."""
    kernel_folder = source / "kernel"
    for path in sorted(kernel_folder.rglob("*.ko*")):
        inside = str(path.relative_to(kernel_folder))
        if not inside.startswith(_MODULES):
            continue
        copy = target / "kernel" / inside.removesuffix(".xz")
        copy.parent.mkdir(parents=True, exist_ok=True)
        content = path.read_bytes()
        copy.write_bytes(lzma.decompress(content) if path.suffix == ".xz" else content)
    for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        shutil.copy(source / name, target / name)
    staging = target.parent / "staging"
    (staging / "lib" / "modules").mkdir(parents=True)
    (staging / "lib" / "modules" / target.name).symlink_to(target)
    depmod = shutil.which("depmod", path="/usr/sbin:/sbin:/usr/bin:/bin") or "depmod"
    _run([depmod, "-b", str(staging), target.name], Path("/"))
    shutil.rmtree(staging)


def _run(command: list[str], folder: Path) -> str:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise Unavailable(f"{command[0]} is missing; apt-get install kmod apt dpkg") from error
    if done.returncode:
        raise Unavailable(f"{' '.join(command)} failed: {done.stderr.strip()[-400:]}")
    return done.stdout
