"""Boot a kernel with the checkout, run one command in it, give its status and files back.

The guest always runs under qemu's own emulation (TCG): a /dev/kvm that exists but kills its guests, as in nested
clouds, cannot be told from a good one beforehand. `PUREBPF_VM_ACCEL=kvm` overrules that where KVM is known to work.
"""

import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tools.dev.paths import cache_dir
from tools.vm.image import kernel_archive, system_archive, write_checkout
from tools.vm.kernels import Kernel, Unavailable

# a panic prints its cause, then registers and a trace of some thirty lines
_CONSOLE_LINES = 50

# A kernel that changes its own code (a tracepoint is switched on) has a breakpoint there meanwhile. Under TCG another
# CPU may meet one that the kernel is done with and knows no more: seen in two of five runs on a day, in __schedule()
# while perf_event_open() switched perf_sched_events on, and on no other day.
_STALE_BREAKPOINT = "Oops: int3"
_MOST_BOOTS = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came back: `status` is None when the VM ended without a result; `console` then has its last lines."""

    status: int | None
    files: dict[str, bytes] = field(default_factory=dict)
    console: str = ""
    reason: str = ""


def run(
    kernel: Kernel,
    command: str,
    *,
    interactive: bool = False,
    output: IO[bytes] | None = None,
    timeout: float | None = None,
    extra: Sequence[Path] = (),
) -> Outcome:
    """Boot `kernel` and run the shell text `command` in the checkout's copy, as root.

    Its output goes to `output`, or to this process's own. Files it leaves in /run/vm/out come back in the outcome.
    `extra` are more cpio archives to unpack over the rest. Where the emulator's own fault ended it, it is run again.
    """
    boots_left = 1 if interactive else _MOST_BOOTS
    while True:
        outcome = _boot(kernel, command, interactive=interactive, output=output, timeout=timeout, extra=extra)
        boots_left -= 1
        if not boots_left or outcome.status is not None or _STALE_BREAKPOINT not in outcome.console:
            return outcome
        print("vm: qemu led the kernel into a breakpoint that was gone (Oops: int3); once more", file=sys.stderr)


def _boot(
    kernel: Kernel,
    command: str,
    *,
    interactive: bool,
    output: IO[bytes] | None,
    timeout: float | None,
    extra: Sequence[Path],
) -> Outcome:
    qemu = shutil.which("qemu-system-x86_64")
    if qemu is None:
        raise Unavailable("qemu-system-x86_64 is missing; apt-get install qemu-system-x86")
    parts = [system_archive(), kernel_archive(kernel), *extra]
    with tempfile.TemporaryDirectory(dir=cache_dir("vm")) as name:
        scratch = Path(name)
        with (scratch / "initrd").open("wb") as initrd:
            for part in parts:
                with part.open("rb") as source:
                    shutil.copyfileobj(source, initrd, 1 << 20)
            write_checkout(initrd, command, interactive=interactive)
        machine = _command(qemu, kernel, scratch)
        reason = _execute(machine, interactive=interactive, output=output, timeout=timeout)
        files = _unpack(scratch / "result")
        console = (scratch / "console").read_text(errors="replace") if (scratch / "console").exists() else ""
    status = files.pop("status", b"").strip()
    if status:
        return Outcome(int(status), files)
    lines = [line.rstrip() for line in console.splitlines() if line.strip()]
    return Outcome(None, files, "\n".join(lines[-_CONSOLE_LINES:]), reason or "the VM stopped without a result")


def _command(qemu: str, kernel: Kernel, scratch: Path) -> list[str]:
    accelerator = os.environ.get("PUREBPF_VM_ACCEL", "tcg,thread=multi")
    return [
        *(qemu, "-M", "q35", "-accel", accelerator, "-cpu", "max", "-m", "2048", "-smp", "2"),
        *("-display", "none", "-vga", "none", "-nic", "none", "-no-reboot"),
        *("-kernel", str(kernel.image), "-initrd", str(scratch / "initrd")),
        # on a busy host the emulated timer is late, and a kernel that checks it ("IO-APIC + timer") panics at once
        *("-append", "console=ttyS0 quiet panic=-1 random.trust_cpu=on no_timer_check"),
        *("-serial", f"file:{scratch / 'console'}"),
        *("-chardev", "stdio,id=command,signal=off", "-serial", "chardev:command"),
        *("-serial", f"file:{scratch / 'result'}"),
    ]


def _execute(machine: list[str], *, interactive: bool, output: IO[bytes] | None, timeout: float | None) -> str:
    """Run qemu to its end; give the reason when it had to be ended or went wrong itself."""
    child = subprocess.Popen(
        machine,
        stdin=None if interactive or not sys.stdin.isatty() else subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.PIPE,
    )
    try:
        _, complaint = child.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return f"no result after {timeout:.0f} s: the VM hangs"
    except BaseException:
        child.send_signal(signal.SIGKILL)
        child.wait()
        raise
    return f"qemu: {complaint.decode(errors='replace').strip()}" if child.returncode else ""


def _unpack(result: Path) -> dict[str, bytes]:
    """Read the tar archive the VM sent; a truncated one means that the VM died, and counts as none."""
    try:
        with tarfile.open(result) as archive:
            members = [member for member in archive if member.isfile()]
            streams = [(member.name, archive.extractfile(member)) for member in members]
            return {name.removeprefix("./"): stream.read() for name, stream in streams if stream is not None}
    except (OSError, tarfile.TarError):
        return {}
