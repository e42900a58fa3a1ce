"""`purebpf check`: will these objects load on this kernel, or on those.

Rules: without --btf the running kernel is asked, which may be probed; with it nothing is. For one kernel every finding
is shown; for several a row an object and kernel, as soon as it is known, with the first finding. The exit code is 0
only if everything will load: a verdict of "unknown" or a kernel that cannot be read is no promise, and gives 1 like a
failure. It is 2 where the question itself is wrong: an object or folder that is not there, or no object.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import purebpf
from purebpf.cli.main import WrongUsage
from purebpf.cli.values import counted, kconfig_text
from purebpf.errors import ObjectFileError
from purebpf.host.btf_tree import KernelFile, kernel_files
from purebpf.preflight import Report, Verdict
from purebpf.preflight import check as check_object

if TYPE_CHECKING:
    from purebpf.survey import Answer

    Answers = Iterator[Answer[tuple[Report, ...]]]

_REMEDIES = (
    ("give the configuration with the option kconfig", "give the configuration: --kconfig FILE"),
    (
        "give it with the option kconfig, as text or as a mapping: kconfig='CONFIG_HZ=250'",
        "give it: --kconfig FILE, or --kconfig CONFIG_HZ=250",
    ),
    ("give it: Target.from_btf(..., release='6.12.1')", "give it: --release 6.12.1"),
    ("plan for the running kernel, or give them: Target.from_btf(..., symbols={name: address})", "check it there"),
)
"""What to do in Python, and what on the command line."""
_BAR = 30
_SHOWN_AFTER = 0.5
_NOT_ALL = 1


def check(arguments: argparse.Namespace) -> int:
    """Run the command."""
    try:
        return _check(arguments)
    except ObjectFileError as error:
        raise WrongUsage(str(error)) from error
    except FileNotFoundError as error:
        raise WrongUsage(
            f"cannot open '{error.filename}': {error.strerror}" if error.filename else str(error)
        ) from error


def _check(arguments: argparse.Namespace) -> int:
    kconfig = kconfig_text(arguments.kconfig)
    if not arguments.btf:
        return _check_here(arguments, kconfig)
    kernels = list(kernel_files(arguments.btf))
    if not kernels:
        raise FileNotFoundError(f"no .btf or .btf.tar.xz file in {', '.join(arguments.btf)}")
    from purebpf.survey import check_kernels

    answers = check_kernels(
        arguments.files, kernels, kconfig=kconfig or "", release=arguments.release, jobs=arguments.jobs
    )
    return _show(arguments, kernels, answers)


def _check_here(arguments: argparse.Namespace, kconfig: str | None) -> int:
    from purebpf.host.target import running_target

    target = running_target()
    if kconfig is not None:
        target = target.with_kconfig(kconfig)
    reports = [check_object(purebpf.open(file), target) for file in arguments.files]
    if arguments.json:
        print(json.dumps(_plain(KernelFile("", target.name, target.release), reports)))
    else:
        print("\n".join(map(_whole, reports)))
    return 0 if all(report.verdict is Verdict.LOADS for report in reports) else _NOT_ALL


def _show(arguments: argparse.Namespace, kernels: list[KernelFile], answers: "Answers") -> int:
    verdicts: Counter[str] = Counter()
    width = max(len(kernel.label) for kernel in kernels)
    with _Progress(len(kernels)) as progress:
        for answer in answers:
            progress.clear()
            if arguments.json:
                print(json.dumps(_plain(answer.kernel, answer.value or (), answer.error)), flush=True)
            elif answer.value is None:
                print(f"{answer.kernel.label:{width}}  unreadable  {_line(answer.error)}", flush=True)
            for report in answer.value or ():
                verdicts[str(report.verdict)] += 1
                if not arguments.json:
                    print(_whole(report) if len(kernels) == 1 else _row(report, width), flush=True)
            verdicts["unreadable"] += answer.value is None
            progress.advance()
    if len(kernels) > 1:
        told = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()) if count)
        print(f"{counted(len(kernels), 'kernel')}, {counted(len(arguments.files), 'object')}: {told}", file=sys.stderr)
    return 0 if set(+verdicts) <= {str(Verdict.LOADS)} else _NOT_ALL


def _whole(report: Report) -> str:
    """A report with its programs."""
    lines = [f"'{report.object}' on {report.target}: {report.verdict}"]
    width = max(map(len, (*report.programs, *report.left_out, *report.maps)), default=0)
    lines += [f"  program {name:{width}}  {verdict}" for name, verdict in report.programs.items()]
    lines += [f'  program {name:{width}}  left out: a load leaves it alone (SEC("?..."))' for name in report.left_out]
    lines += [f"  map     {name:{width}}  {verdict}" for name, verdict in report.maps.items()]
    findings = "\n".join(str(report).splitlines()[1:])
    for in_python, here in _REMEDIES:
        findings = findings.replace(in_python, here)
    return "\n".join([*lines, *([findings] if findings else [])])


def _row(report: Report, width: int) -> str:
    first = next((f for f in report.findings if f.verdict is report.verdict), None)
    more = sum(f.verdict is report.verdict for f in report.findings) - 1
    reason = f"  {first}" + (f" (and {more} more)" if more > 0 else "") if first is not None else ""
    return f"{report.target:{width}}  {report.verdict!s:7}  {report.object}{reason}"


def _plain(kernel: KernelFile, reports: Sequence[Report], error: str = "") -> dict[str, object]:
    return {
        "kernel": kernel.label,
        "release": kernel.release,
        "file": kernel.path,
        "error": error,
        "reports": [report.to_json() for report in reports],
    }


def _line(error: str) -> str:
    return error.splitlines()[0]


class _Progress:
    """A bar on standard error, if that is a terminal and the work takes a while."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._shown = False
        self._begin = time.monotonic()
        self._wanted = sys.stderr.isatty() and total > 1

    def __enter__(self) -> "_Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def advance(self) -> None:
        self._done += 1
        if not self._wanted or time.monotonic() - self._begin < _SHOWN_AFTER or self._done == self._total:
            return
        full = _BAR * self._done // self._total
        bar = f"[{'#' * full}{' ' * (_BAR - full)}] {self._done} of {self._total}"
        print(f"\r{bar}", end="", file=sys.stderr, flush=True)
        self._shown = True

    def clear(self) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._shown = False
