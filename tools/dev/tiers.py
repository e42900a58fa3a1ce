"""`./dev test`: the tiers, on this machine and in the VMs.

The host's tiers run one after the other with their output shown. The VMs run meanwhile, one at a time beside them:
a VM's pytest keeps one core busy, and two emulated machines at once on two cores would only delay each other and
the host's tests. Their output goes to a file in the cache and is shown when something failed.

A tier that cannot run here is named with the reason; with CI=true that counts as a failure.
"""

import ctypes
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from tools.dev.paths import ROOT, VENV_PYTHON, cache_dir
from tools.dev.results import Count, read_junit, skipped_tests, table, total
from tools.vm.command import pytest_command
from tools.vm.kernels import SERIES, Unavailable, kernel
from tools.vm.machine import run

HOST_TIERS = ("unit", "property", "oracle", "repo", "kernel", "examples", "vm")
_ON_KERNEL = ("kernel", "examples")
_HOST_LIMIT = 900
_VM_LIMIT = 1200
_LOG_TAIL = 120
_BPF_NUMBERS = {"x86_64": 321, "aarch64": 280}


@dataclass(frozen=True, slots=True)
class Choice:
    """What to run: host tiers, VM series, and pytest's own arguments."""

    tiers: tuple[str, ...]
    series: tuple[str, ...]
    pytest: tuple[str, ...]


class Ran(NamedTuple):
    """The counts of one run of pytest, and the tests it skipped."""

    counts: list[Count]
    skips: list[str]


def main(arguments: list[str]) -> int:
    """Run the chosen tiers, all by default; the last line is the plain total."""
    try:
        choice = choose(arguments)
    except ValueError as error:
        print(f"dev test: {error}", file=sys.stderr)
        return 2
    runs: list[Ran] = []
    vms = threading.Thread(target=lambda: runs.extend(_vm(series, choice.pytest) for series in choice.series))
    vms.start()
    host = [_host(tier, choice.pytest) for tier in choice.tiers]
    if vms.is_alive():
        print("\nthe host's tiers are done; waiting for the VMs", flush=True)
    vms.join()
    return _conclude([*host, *runs])


def choose(arguments: list[str]) -> Choice:
    """Read tier names; `vm` means every series and the harness's own tests, `vm 6.1` or `6.1` one series."""
    split = arguments.index("--") if "--" in arguments else len(arguments)
    words, rest = arguments[:split], tuple(arguments[split + 1 :])
    if not words:
        return Choice(HOST_TIERS, tuple(SERIES), rest)
    tiers: list[str] = []
    series: list[str] = []
    for position, word in enumerate(words):
        if word in SERIES:
            series.append(word)
        elif word == "vm" and words[position + 1 : position + 2] and words[position + 1] in SERIES:
            continue
        elif word in HOST_TIERS:
            tiers.append(word)
            series.extend(SERIES if word == "vm" else ())
        else:
            raise ValueError(f"no tier '{word}'; there are {', '.join(HOST_TIERS)} and {', '.join(SERIES)}")
    return Choice(tuple(dict.fromkeys(tiers)), tuple(dict.fromkeys(series)), rest)


def _conclude(runs: list[Ran]) -> int:
    counts = [count for ran in runs for count in ran.counts]
    skips = [line for ran in runs for line in ran.skips]
    if os.environ.get("CI") == "true":
        counts = [replace(count, failed=1) if count.reason else count for count in counts]
    if skips:
        print("\nskipped, and why:")
        print("\n".join(f"  {line}" for line in skips))
    print(f"\n{table(counts)}\n")
    print(total(counts), flush=True)
    return 1 if any(count.failed for count in counts) or not any(count.passed for count in counts) else 0


def _host(tier: str, arguments: tuple[str, ...]) -> Ran:
    where = f"host {_series_of(os.uname().release)}" if tier in _ON_KERNEL else "host"
    reason = _obstacle(tier)
    if reason:
        return Ran([Count(tier, where, reason=reason)], [])
    print(f"\n== {tier} ({where})", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "junit.xml"
        command = [str(VENV_PYTHON), "-m", "pytest", "-q", f"--junitxml={report}", f"tests/{tier}", *arguments]
        began = time.monotonic()
        try:
            status: int | str = subprocess.run(command, cwd=ROOT, timeout=_HOST_LIMIT, check=False).returncode
        except subprocess.TimeoutExpired:
            status = f"ended after {_HOST_LIMIT} s"
        return _read(report.read_bytes() if report.exists() else b"", status, tier, where, time.monotonic() - began)


def _vm(series: str, arguments: tuple[str, ...]) -> Ran:
    where = f"vm {series}"
    if platform.machine() != "x86_64":
        return Ran([Count("kernel", where, reason=f"the VMs are x86_64, this machine is {platform.machine()}")], [])
    log = cache_dir("logs") / f"vm-{series}.log"
    command = pytest_command(["-q", "--color=no", *arguments], report="junit.xml")
    began = time.monotonic()
    try:
        with log.open("wb") as out:
            outcome = run(kernel(series), command, output=out, timeout=_VM_LIMIT)
    except Unavailable as error:
        return Ran([Count("kernel", where, reason=str(error))], [])
    took = time.monotonic() - began
    status: int | str = outcome.status if outcome.status is not None else outcome.reason
    ran = _read(outcome.files.get("junit.xml", b""), status, "kernel", where, took)
    failed = any(count.failed for count in ran.counts)
    lines = [f"\n== {where}: {total(ran.counts)} in {took:.0f} s (output: {log})"]
    if failed:
        lines += log.read_text(errors="replace").splitlines()[-_LOG_TAIL:]
    if outcome.console:
        lines += ["-- the console's last lines", outcome.console]
    print("\n".join(lines), flush=True)
    return ran


def _read(report: bytes, status: int | str, tier: str, where: str, seconds: float) -> Ran:
    """Turn one run into counts; a run that went wrong without a failed test counts as one failure."""
    counts = read_junit(report, where) if report else []
    if status == 5 and not counts:
        return Ran([Count(tier, where, reason="there are no such tests")], [])
    if status not in (0, 1) or (status == 1 and not any(count.failed for count in counts)):
        said = f"pytest ended with {status}" if isinstance(status, int) else status
        print(f"\n== {tier} ({where}): {said}", flush=True)
        counts.append(Count(tier, where, failed=1))
    if len(counts) == 1:
        counts = [replace(counts[0], seconds=seconds)]
    skips = [f"{where}: {line}" for line in skipped_tests(report)] if report else []
    return Ran(counts, skips)


def _obstacle(tier: str) -> str:
    """Say why a tier cannot run on this machine; empty when it can."""
    if not (ROOT / "tests" / tier).is_dir():
        return "there are no such tests"
    check = _NEEDS.get(tier)
    return check() if check else ""


def _no_bpf() -> str:
    if os.geteuid() != 0:
        return "not root"
    number = _BPF_NUMBERS.get(platform.machine())
    if number is None:
        return f"the number of bpf(2) on {platform.machine()} is not known here"
    libc = ctypes.CDLL(None, use_errno=True)
    # BPF_MAP_CREATE of an array of one u32: what every test needs
    attr = (ctypes.c_uint32 * 32)(2, 4, 4, 1)
    fd = libc.syscall(number, 0, ctypes.byref(attr), ctypes.sizeof(attr))
    if fd < 0:
        return f"bpf(2) fails as root: {os.strerror(ctypes.get_errno())}"
    os.close(fd)
    return _absent("ip")


def _absent(*programs: str) -> str:
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    gone = [program for program in programs if not shutil.which(program, path=path)]
    return f"missing: {', '.join(gone)}" if gone else ""


def _no_peers() -> str:
    headers = "" if Path("/usr/include/bpf/libbpf.h").exists() else "missing: libbpf-dev"
    return _absent("clang-19", "clang-16", "clang-14", "llvm-objdump-19", "bpftool", "pahole", "gcc", "make") or headers


_NEEDS: dict[str, Callable[[], str]] = {
    "oracle": _no_peers,
    "kernel": _no_bpf,
    "examples": _no_bpf,
    "vm": lambda: _absent("qemu-system-x86_64", "busybox"),
}


def _series_of(release: str) -> str:
    return ".".join(release.split(".")[:2])
