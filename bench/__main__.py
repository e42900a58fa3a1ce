"""purebpf's CPU time against libbpf's.

python -m bench [--json] [--rounds N] [--strict] [NAME ...]

Builds libbpf's side from bench/peer.c with gcc and libbpf-dev, runs everything on the running kernel (as root; only
programs run by hand, nothing is attached) and prints a table. --strict: exit code 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.commands import bench_check, bench_link, bench_min
from bench.measure import Goal, Result, Side, compare, cpu_time_of, printed
from tools.dev.paths import cache_dir

_HERE = Path(__file__).resolve().parent
_OBJECTS = _HERE.parent / "bpf" / "built"
_ENTRIES = 20_000
_EVENTS = 40_000
_EVENT_SIZE = 64
_LOADS = 10
_IMPORTS = 10
_SELFTESTS = "selftests-6.1"
_LARGEST = ("pyperf180", "strobemeta", "netif_receive_skb")


def _ours(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "bench.work", *map(str, arguments)]


def bench_import(_peer: str, rounds: int) -> list[Result]:
    """A fresh interpreter that imports purebpf, against one that does nothing."""
    bare, importing = ([sys.executable, "-c", code] for code in ("pass", "import purebpf"))
    goal = Goal("import purebpf / bare interpreter", "cpu", most=1.5)
    return compare([goal], cpu_time_of(importing, times=_IMPORTS), cpu_time_of(bare, times=_IMPORTS), rounds=rounds)


def bench_maps(peer: str, rounds: int) -> list[Result]:
    """A hash map of numbers as a dict, against bpf_map_*_elem() in C."""
    arguments = ("maps", str(_OBJECTS / "numbers.bpf.o"), str(_ENTRIES))
    goals = [Goal(f"map {verb} / libbpf C", verb, most=1.3) for verb in ("lookup", "update", "delete")]
    return compare(goals, printed(_ours(*arguments)), printed([peer, *arguments]), rounds=rounds, same=("sum",))


def bench_ring(peer: str, rounds: int) -> list[Result]:
    """A full ring drained into a buffer, against ring_buffer__consume() with a copying callback in C."""
    arguments = ("ring", str(_OBJECTS / "ring_events.bpf.o"), str(_EVENTS), str(_EVENT_SIZE))
    goal = Goal("ring drained into a buffer / libbpf C", "drain", most=1.2)
    return compare(
        [goal], printed(_ours(*arguments)), printed([peer, *arguments]), rounds=rounds, same=("count", "sum")
    )


def bench_callback(_peer: str, rounds: int) -> list[Result]:
    """Each event handed to a Python function as bytes, against libbpf.so called through ctypes."""
    arguments = (str(_OBJECTS / "ring_events.bpf.o"), str(_EVENTS), str(_EVENT_SIZE))
    theirs = [sys.executable, "-m", "bench.through_ctypes", "ring", *arguments]
    goal = Goal("ctypes libbpf / callback with bytes", "callback", least=4.0)
    return compare(
        [goal], printed(_ours("callback", *arguments)), printed(theirs), rounds=rounds, same=("count", "sum")
    )


def bench_load(peer: str, rounds: int) -> list[Result]:
    """open+load+close of minimal, not the first in its process, against the same in C.

    purebpf remembers what the last small files said; so once with the file that was opened before, and once with
    files whose bytes it has not seen.
    """
    arguments = (str(_OBJECTS / "minimal.bpf.o"), str(_LOADS))
    theirs = printed([peer, "load", *arguments])
    again = Goal("open+load+close of minimal / libbpf C", "load", most=3.0)
    unseen = Goal("the same, a file not seen before / libbpf C", "load", most=3.0)
    results = compare([again], printed(_ours("load", *arguments)), theirs, rounds=rounds)
    return results + compare([unseen], printed(_ours("load-new", *arguments)), theirs, rounds=rounds)


def bench_first(peer: str, rounds: int) -> list[Result]:
    """A CO-RE object, the first and the second time in a process of its own, against the same in C.

    The first time imports what `import purebpf` puts off. Memory is by how much the most in use grew.
    """
    goals = [
        Goal("bootstrap, first load of a process / libbpf C", "first", most=1.5),
        Goal("the second load / libbpf C", "second", most=0.7),
        Goal("memory of the first / libbpf C and 10 MB", "memory", most=1.0, allowance=10_000_000),
    ]
    arguments = ("first", str(_OBJECTS / "bootstrap.bpf.o"))
    return compare(goals, printed(_ours(*arguments)), printed([peer, *arguments]), rounds=rounds)


def bench_largest(peer: str, rounds: int) -> list[Result]:
    """The largest of the kernel's selftest objects that this kernel takes; the corpus makes them."""
    results: list[Result] = []
    for name in _LARGEST:
        path = cache_dir("corpus", "objects", _SELFTESTS) / f"{name}.bpf.o"
        if not path.exists():
            print(f"bench: no {name}: ./dev corpus {_SELFTESTS} makes it", file=sys.stderr)
            continue
        goals = [
            Goal(f"{name}, first load of a process / libbpf C", "first", most=2.0),
            Goal(f"{name}, the second load / libbpf C", "second", most=2.0),
        ]
        arguments = ("first", str(path))
        results += compare(goals, printed(_ours(*arguments)), printed([peer, *arguments]), rounds=rounds)
    return results


def bench_types(peer: str, rounds: int) -> list[Result]:
    """The kernel's own types, read and indexed, and a name looked up in them, against btf__load_vmlinux_btf()."""
    goals = [
        Goal("the kernel's BTF usable / btf__load_vmlinux_btf()", "types", most=0.4),
        Goal("the same and a name looked up / libbpf C", "found", most=1.0),
    ]
    sides = printed(_ours("types", "task_struct")), printed([peer, "types", "task_struct"])
    return compare(goals, *sides, rounds=rounds, same=("id", "count"))


def bench_header(_peer: str, rounds: int) -> list[Result]:
    """A whole vmlinux.h of the running kernel into a file, the start of the interpreter included, against bpftool."""
    goal = Goal("vmlinux.h by `purebpf btf c` / by bpftool", "process", most=10.0)
    with tempfile.TemporaryDirectory(prefix="purebpf-bench-") as folder:
        target = f"{folder}/vmlinux.h"
        ours = [sys.executable, "-m", "purebpf", "btf", "c", "running", "--force", "-o", target]
        theirs = ["/bin/sh", "-c", f"exec bpftool btf dump file /sys/kernel/btf/vmlinux format c > {target}"]
        return compare([goal], _process(ours), _process(theirs), rounds=rounds)


def _process(command: list[str]) -> Side:
    """The CPU time of one run of a command."""
    run = cpu_time_of(command, times=1)
    return lambda: {"process": run()["cpu"]}


_BENCHES: dict[str, Callable[[str, int], list[Result]]] = {
    "import": bench_import,
    "maps": bench_maps,
    "ring": bench_ring,
    "callback": bench_callback,
    "load": bench_load,
    "first": bench_first,
    "largest": bench_largest,
    "types": bench_types,
    "header": bench_header,
    "min": bench_min,
    "link": bench_link,
    "check": bench_check,
}
# How many times the measured work is done in one figure, to print it for one.
_PER = {"cpu": _IMPORTS, "drain": _EVENTS, "callback": _EVENTS, "load": _LOADS}
_PER |= dict.fromkeys(("first", "second", "memory", "types", "found", "process"), 1)


def build_peer(folder: Path) -> str:
    """Compile libbpf's side; says what to install where that fails."""
    target = folder / "peer"
    command = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", str(_HERE / "peer.c"), "-o", str(target), "-lbpf"]
    try:
        subprocess.run(command, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit("bench: cannot build libbpf's side; apt-get install gcc libbpf-dev") from error
    return str(target)


def _keep_bytecode(folder: str) -> None:
    """Modules are compiled once, as they are for who installed purebpf, whatever this shell is told of .pyc files."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = f"{folder}/bytecode"
    subprocess.run(_ours("first", _OBJECTS / "bootstrap.bpf.o"), check=True, stdout=subprocess.DEVNULL)


def as_json(results: Sequence[Result]) -> str:
    """Everything measured, as one JSON document."""
    benches = [
        {
            "name": result.goal.name,
            "ratio": result.ratio,
            "at_most": result.goal.most,
            "at_least": result.goal.least,
            "reached": result.reached,
            "ratios": result.ratios,
            "ours_ns": result.ours / _PER.get(result.goal.figure, _ENTRIES),
            "theirs_ns": result.theirs / _PER.get(result.goal.figure, _ENTRIES),
        }
        for result in results
    ]
    where = {"kernel": platform.release(), "python": platform.python_version(), "machine": platform.machine()}
    return json.dumps({**where, "benches": benches}, indent=2)


def _rows(results: Sequence[Result]) -> list[tuple[str, ...]]:
    return [
        (
            result.goal.name,
            f"{result.ratio:.2f}x",
            f">= {result.goal.least}x" if result.goal.least is not None else f"<= {result.goal.most}x",
            f"{min(result.ratios):.2f} to {max(result.ratios):.2f}",
            _amount(result, result.ours),
            _amount(result, result.theirs),
            "yes" if result.reached else "NO",
        )
        for result in results
    ]


def _amount(result: Result, figure: float) -> str:
    if result.goal.figure == "memory":
        return f"{figure / 1e6:.1f} MB"
    return _duration(figure / _PER.get(result.goal.figure, _ENTRIES))


def _duration(nanoseconds: float) -> str:
    for unit, size in (("ms", 1e6), ("us", 1e3)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.2f} {unit}"
    return f"{nanoseconds:.1f} ns"


_HEADINGS = ("ratio", "median", "goal", "rounds", "purebpf", "peer", "reached")


def print_table(results: Sequence[Result]) -> None:
    """The results as a table, with rich where it is installed."""
    rows = _rows(results)
    try:
        from rich.console import Console
        from rich.table import Table
    except ImportError:
        widths = [max(len(row[column]) for row in [_HEADINGS, *rows]) for column in range(len(_HEADINGS))]
        for row in [_HEADINGS, *rows]:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        return
    table = Table()
    for heading in _HEADINGS:
        table.add_column(heading, no_wrap=heading != _HEADINGS[0])
    for row in rows:
        table.add_row(*row, style="" if row[-1] == "yes" else "bold red")
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benches that are named, or all."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(_BENCHES)} (default: all)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each bench, at least 5 (default: 7)")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a goal is missed")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in _BENCHES]
    if unknown or options.rounds < 5:
        parser.error(f"no bench named {unknown[0]}" if unknown else "fewer than 5 rounds say nothing")
    if os.geteuid():
        print("bench: loading objects needs root", file=sys.stderr)
        return 2
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="purebpf-bench-") as folder:
        peer = build_peer(Path(folder))
        _keep_bytecode(folder)
        for name in options.names or _BENCHES:
            results += _BENCHES[name](peer, options.rounds)
    if options.json:
        print(as_json(results))
    else:
        print_table(results)
    return 1 if options.strict and not all(result.reached for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
