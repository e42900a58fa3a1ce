"""`purebpf btf min`, `link` and `check` against bpftool on the same files, and the part of them that is work.

python -m bench.commands min OBJECT TYPES | link OBJECT... | check OBJECT FOLDER

Each bench has two rows: what a program pays that calls the function, everything imported and nothing opened, and the
command as a user types it, with the start of the interpreter and the imports. bpftool's side is its command in both.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import process_time_ns

from bench.measure import Goal, Result, Side, compare, cpu_time_of, printed

_OBJECTS = Path(__file__).resolve().parent.parent / "bpf" / "built"
_RUNNING = "/sys/kernel/btf/vmlinux"
_KERNELS = 100
_ALLOWED = 40_000_000
"""Nanoseconds that checking one object against one more kernel may take."""


def bench_min(_peer: str, rounds: int) -> list[Result]:
    """The part of the running kernel's types that one object needs."""
    source = str(_OBJECTS / "bootstrap.bpf.o")
    with tempfile.TemporaryDirectory(prefix="purebpf-bench-") as folder:
        theirs = _command("bpftool", "gen", "min_core_btf", _RUNNING, f"{folder}/theirs", source)
        work = Goal("minimal BTF by minimal_btf() / by bpftool", "process", most=3.0)
        whole = Goal("`purebpf btf min`, all of it / bpftool", "process", most=3.0)
        command = _purebpf("btf", "min", "--force", "-o", f"{folder}/ours", source)
        return compare([work], _work("min", source, _RUNNING), theirs, rounds=rounds) + compare(
            [whole], command, theirs, rounds=rounds
        )


def bench_link(_peer: str, rounds: int) -> list[Result]:
    """Two objects become one."""
    parts = [str(_OBJECTS / f"{name}.bpf.o") for name in ("numbers", "bootstrap")]
    with tempfile.TemporaryDirectory(prefix="purebpf-bench-") as folder:
        theirs = _command("bpftool", "gen", "object", f"{folder}/theirs", *parts)
        work = Goal("two objects by link_objects() / by bpftool", "process", most=10.0)
        whole = Goal("`purebpf link`, all of it / bpftool", "process", most=10.0)
        command = _purebpf("link", "--force", "-o", f"{folder}/ours", *parts)
        return compare([work], _work("link", *parts), theirs, rounds=rounds) + compare(
            [whole], command, theirs, rounds=rounds
        )


def bench_check(_peer: str, rounds: int) -> list[Result]:
    """One object against a hundred kernels' types, a kernel after the first; nobody else does that."""
    goal = Goal("check of one more kernel / 40 ms", "process", most=1.0)
    with tempfile.TemporaryDirectory(prefix="purebpf-bench-") as folder:
        first = Path(folder, "6.0.btf")
        shutil.copyfile(_RUNNING, first)
        for number in range(1, _KERNELS):
            Path(folder, f"6.{number}.btf").symlink_to(first)
        ours = _work("check", str(_OBJECTS / "bootstrap.bpf.o"), folder)
        return compare([goal], ours, lambda: {"process": _ALLOWED}, rounds=rounds)


def _work(*arguments: str) -> Side:
    return printed([sys.executable, "-m", "bench.commands", *arguments])


def _purebpf(*arguments: str) -> Side:
    return _command(sys.executable, "-m", "purebpf", *arguments)


def _command(*words: str) -> Side:
    program = shutil.which(words[0])
    if program is None:
        raise SystemExit(f"bench: {words[0]} is missing; apt-get install {words[0]}")
    run = cpu_time_of([program, *words[1:]], times=1)
    return lambda: {"process": run()["cpu"]}


def minimal(source: str, types: str) -> int:
    """Read an object and a kernel's types, and cut these."""
    from purebpf.gen.minimal import minimal_btf
    from purebpf.host.btf_tree import read_kernel_file
    from purebpf.plan.stages import open_object

    start = process_time_ns()
    minimal_btf([open_object(source)], read_kernel_file(types))
    return process_time_ns() - start


def link(*sources: str) -> int:
    """Read objects and link them."""
    from purebpf.linker import link_objects

    start = process_time_ns()
    link_objects(sources)
    return process_time_ns() - start


def check(source: str, folder: str) -> int:
    """Check an object against each file of a folder in this process; the time of one of them, without the first."""
    from purebpf.survey import check_kernels

    answers = check_kernels([source], [folder], jobs=1)
    next(answers)
    start = process_time_ns()
    count = sum(answer.value is not None for answer in answers)
    spent = process_time_ns() - start
    assert count == _KERNELS - 1
    return spent // count


_KINDS: dict[str, Callable[..., int]] = {"min": minimal, "link": link, "check": check}

if __name__ == "__main__":
    kind, *files = sys.argv[1:]
    print("process", _KINDS[kind](*files))
