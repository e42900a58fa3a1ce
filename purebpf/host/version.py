"""The running kernel's version, as the kernel itself compares it.

`uname -r` does not tell it on two distributions. Ubuntu and Debian freeze the third number at 0 in the release
("5.15.0-91-generic", "6.1.0-9-amd64") while the kernel's LINUX_VERSION_CODE follows the stable series; kprobe
programs of kernels before 5.0 are refused unless they name the exact code. Ubuntu gives the real version in
/proc/version_signature, Debian in `uname -v`.
"""

from __future__ import annotations

import os

from purebpf.plan.target import encode_version
from purebpf.standard import remembered


def exact_release(release: str, build: str, signature: str = "") -> str:
    """The version behind `uname -r`, given `uname -v` and the text of /proc/version_signature ('' where absent).

    >>> exact_release("6.1.0-9-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.27-1 (2023-05-08)")
    '6.1.27'
    """
    match signature.split():
        case ["Ubuntu", _, version] if _numbers(version) == version:
            return version
    return _numbers(build.partition(" Debian ")[2]) or release


def _numbers(text: str) -> str:
    """The three numbers that `text` begins with, '' if it does not."""
    numbers = text[: len(text) - len(text.lstrip("0123456789."))].split(".")[:3]
    return ".".join(numbers) if len(numbers) == 3 and all(numbers) else ""


@remembered
def running_version() -> int:
    """KERNEL_VERSION() of the running kernel."""
    system = os.uname()
    try:
        with open("/proc/version_signature", encoding="utf-8", errors="replace") as file:
            signature = file.read(256)
    except OSError:
        signature = ""
    return encode_version(exact_release(system.release, system.version, signature))
