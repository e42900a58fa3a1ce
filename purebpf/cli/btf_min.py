"""`purebpf btf min`: the part of kernels' types that CO-RE needs for some objects.

Rules: one kernel gives one file; several (a folder of BTF files) give a folder in which each file stands as in theirs,
`<label>.btf`. A kernel that cannot be cut is told and the others are written; the exit code is 1 then.
"""

from __future__ import annotations

import os
import sys

from purebpf.cli.output import write_output
from purebpf.host.btf_tree import KernelFile, kernel_files
from purebpf.survey import Answer, cut_kernels

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

_RUNNING = "/sys/kernel/btf/vmlinux"


def btf_min(arguments: argparse.Namespace) -> int:
    """Run the command."""
    given = arguments.btf or [_RUNNING]
    kernels = list(kernel_files(given))
    if not kernels:
        raise FileNotFoundError(f"no .btf or .btf.tar.xz file in {', '.join(given)}")
    many = len(kernels) > 1 or any(os.path.isdir(path) for path in given)
    failed = 0
    for answer in cut_kernels(arguments.objects, kernels, jobs=arguments.jobs):
        failed += not _write(answer, arguments, many)
    return 1 if failed else 0


def _write(answer: Answer[bytes], arguments: argparse.Namespace, many: bool) -> bool:
    if answer.value is None:
        where = "" if answer.kernel.path in answer.error else f"{answer.kernel.label}: "
        print(f"purebpf: {where}{answer.error}", file=sys.stderr)
        return False
    path = _place(arguments.output, answer.kernel) if many else arguments.output
    if many:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    write_output(path, answer.value, force=arguments.force)
    return True


def _place(folder: str, kernel: KernelFile) -> str:
    # A label that is a path of its own (a single file given beside folders) keeps its name only.
    label = os.path.basename(kernel.label) if os.path.isabs(kernel.label) or ".." in kernel.label else kernel.label
    return os.path.join(folder, f"{label.removesuffix('.btf')}.btf")
