"""`./dev corpus`: what libbpf and purebpf make of every object, side by side."""

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.corpus import objects
from tools.corpus.calls import Recording, read
from tools.corpus.compare import Difference, compare
from tools.corpus.differences import EXPLAINED, Explanation, explain
from tools.corpus.libbpf import VERSIONS
from tools.corpus.packages import Unobtainable
from tools.corpus.record import HOST, Setting, of_libbpf, of_purebpf
from tools.corpus.vm import recordings as in_vm
from tools.dev.paths import cache_dir
from tools.vm.kernels import SERIES

_EXAMPLES = 3
_WIDTH = 300


Recordings = dict[Path, tuple[Recording, Recording]]
"""Object -> libbpf's recording and purebpf's."""


@dataclass(slots=True)
class Outcome:
    """One row of the table."""

    setting: Setting
    libbpf: str
    objects: int = 0
    alike: int = 0
    seconds: float = 0.0
    explained: list[tuple[Difference, Explanation]] = field(default_factory=list)
    unexplained: list[Difference] = field(default_factory=list)


def main(arguments: list[str]) -> int:
    """Compare and print; 1 if a difference has no explanation."""
    options = _parser().parse_args(arguments)
    try:
        paths = [path for name in options.groups or objects.names() for path in _objects(name, options.only)]
        settings = [Setting(kernel) for kernel in options.kernel or (HOST, *SERIES)]
        vms = options.vm if options.vm is not None else () if options.kernel else tuple(SERIES)
        versions = options.libbpf or tuple(VERSIONS)
        if not options.kernel or HOST in options.kernel:
            settings.append(Setting(HOST, played=False))
        outcomes = [judge(paths, setting, version) for setting in settings for version in versions]
        outcomes += [judge_in_vm(paths[:: options.every], series, versions[-1]) for series in vms]
    except Unobtainable as error:
        print(f"dev corpus: {error}", file=sys.stderr)
        return 2
    report = cache_dir("logs") / "corpus.txt"
    report.write_text("\n".join(_lines(outcomes, examples=None, width=None)))
    print("\n".join(_lines(outcomes, examples=_EXAMPLES, width=_WIDTH)))
    print(f"\n{_table(outcomes)}\nall differences: {report}")
    return 1 if any(outcome.unexplained for outcome in outcomes) else 0


def judge(paths: Sequence[Path], setting: Setting, version: str) -> Outcome:
    """Record both libraries on the objects and compare."""
    began = time.monotonic()
    theirs = of_libbpf(version, paths, setting)
    with tempfile.TemporaryDirectory(dir=cache_dir("corpus")) as folder:
        mine = of_purebpf(paths, setting, Path(folder))
        recordings = {path: (read(theirs[path]), read(mine[path])) for path in paths}
        _look_closer(recordings, setting, version, Path(folder))
    return _outcome(setting, version, recordings, time.monotonic() - began)


def judge_in_vm(paths: Sequence[Path], series: str, version: str) -> Outcome:
    """The same inside Debian's kernel of a series."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=cache_dir("corpus")) as folder:
        found = in_vm(series, version, paths, Path(folder))
        recordings = {path: (read(theirs), read(mine)) for path, (theirs, mine) in found.items()}
    return _outcome(Setting(f"vm {series}", played=False), version, recordings, time.monotonic() - began)


def _outcome(setting: Setting, version: str, recordings: Recordings, seconds: float) -> Outcome:
    outcome = Outcome(setting, version, objects=len(recordings), seconds=seconds)
    for path, (theirs, mine) in recordings.items():
        differences = compare(path, theirs, mine)
        outcome.alike += not differences
        for difference in differences:
            reason = explain(difference, version)
            if reason is None:
                outcome.unexplained.append(difference)
            else:
                outcome.explained.append((difference, reason))
    return outcome


def _look_closer(recordings: Recordings, setting: Setting, version: str, folder: Path) -> None:
    """Where only one of the two loads the whole object, record each program alone as well."""
    unequal = [path for path, both in recordings.items() if not both[0].error and both[0].loads() != both[1].loads()]
    theirs = of_libbpf(version, unequal, setting, each=True)
    mine = of_purebpf(unequal, setting, folder, each=True)
    recordings.update((path, (read(theirs[path]), read(mine[path]))) for path in unequal)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./dev corpus", description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"default all: {' '.join(objects.names())}")
    parser.add_argument("--kernel", action="append", choices=(HOST, *SERIES), help="whose types, default all")
    parser.add_argument("--libbpf", action="append", choices=tuple(VERSIONS), help="default all")
    parser.add_argument("--vm", action="append", choices=tuple(SERIES), help="kernels to load a sample on, default all")
    parser.add_argument("--no-vm", dest="vm", action="store_const", const=[], help="no kernel in a VM")
    parser.add_argument("--every", type=int, default=10, metavar="N", help="the sample for a VM: every Nth object")
    parser.add_argument("-k", dest="only", default="", metavar="TEXT", help="objects whose name has TEXT in it")
    return parser


def _objects(name: str, only: str) -> list[Path]:
    if name not in objects.names():
        raise Unobtainable(f"no group '{name}'; there are {', '.join(objects.names())}")
    found = objects.group(name)
    for source, reason in found.missing.items():
        print(f"dev corpus: {name}: no object of {source}: {reason}", file=sys.stderr)
    return [path for path in found.objects if only in path.name]


def _lines(outcomes: list[Outcome], *, examples: int | None, width: int | None) -> list[str]:
    """The differences without explanation by cause, the commonest first."""
    by_cause: dict[str, list[tuple[Outcome, Difference]]] = defaultdict(list)
    for outcome in outcomes:
        for difference in outcome.unexplained:
            by_cause[difference.cause].append((outcome, difference))
    lines = []
    for cause, found in sorted(by_cause.items(), key=lambda item: -len(item[1])):
        lines.append(f"{len(found):5} {cause}")
        for outcome, d in found[:examples]:
            where = f"{outcome.setting.name()} {outcome.libbpf} {d.object} {d.program}".strip()
            said = (where, f"  libbpf:  {d.libbpf}", f"  purebpf: {d.purebpf}")
            lines += [f"        {line}"[:width].replace("\n", " / ") for line in said]
    used = {id(reason) for outcome in outcomes for _, reason in outcome.explained}
    lines += [f"explains nothing here: {e.what}: {e.reason}" for e in EXPLAINED if id(e) not in used]
    return lines


def _table(outcomes: list[Outcome]) -> str:
    rows: list[tuple[str, ...]] = [("kernel", "libbpf", "objects", "alike", "explained", "unexplained", "time")]
    for o in outcomes:
        unlike = {d.object for d in o.unexplained}
        explained = {d.object for d, _ in o.explained} - unlike
        counts = map(str, (o.objects, o.alike, len(explained), f"{len(unlike)} ({len(o.unexplained)})"))
        rows.append((o.setting.name(), o.libbpf, *counts, f"{o.seconds:.0f} s"))
    widths = [max(len(row[column]) for row in rows) for column in range(7)]
    return "\n".join("  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
