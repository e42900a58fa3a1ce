"""Programs that do nothing but count their runs in this process, for the tests of hooks."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from struct import unpack
from time import monotonic

from purebpf.insn.asm import R0, R1, R2, R6, Assembler
from purebpf.syscall import calls
from purebpf.syscall.fd import Fd
from purebpf.uapi import MapType, ProgramType

_GET_CURRENT_PID_TGID, _GET_ATTACH_COOKIE = 14, 174


class Counter:
    """A loaded program: it counts, and keeps the last cookie; `fd` and `name` are what hooks ask for."""

    def __init__(self, program: Fd, counts: Fd) -> None:
        self.name = "count"
        self._program = program
        self._counts = counts

    @property
    def fd(self) -> int:
        return self._program.number

    @property
    def runs(self) -> int:
        return self._value()[0]

    @property
    def cookie(self) -> int:
        return self._value()[1]

    def runs_again(self, action: Callable[[], object]) -> bool:
        """Whether the program has run once `action` was done, now or within some seconds."""
        before, deadline = self.runs, monotonic() + 10
        while monotonic() < deadline:
            action()
            if self.runs > before:
                return True
        return False

    def _value(self) -> tuple[int, int]:
        runs, cookie = unpack("=QQ", calls.map_lookup(self._counts.number, bytes(4), 16))
        return runs, cookie


@contextmanager
def counter(
    program_type: ProgramType,
    *,
    pid: int | None = None,
    result: int = 0,
    everyone: bool = False,
    cookie: bool = False,
    attach_type: int = 0,
) -> Iterator[Counter]:
    """Load a counter of the runs in process `pid`, by default this one.

    `everyone` counts all runs: for hooks that only this test's packets pass and that have no process. `result` is
    what the program returns; `cookie` keeps the attach cookie.
    """
    counts = calls.map_create(map_type=MapType.ARRAY, key_size=4, value_size=16, max_entries=1)
    with Fd(counts, "the counts") as held:
        code = _code(counts, None if everyone else os.getpid() if pid is None else pid, result, cookie)
        program = calls.prog_load(
            prog_type=program_type, insns=code, license="GPL", name=b"count", expected_attach_type=attach_type
        )
        with Fd(program, "the counter") as loaded:
            yield Counter(loaded, held)


def _code(counts: int, pid: int | None, result: int, cookie: bool) -> bytes:
    code = Assembler().mov(R6, R1)
    if pid is not None:
        code.call(_GET_CURRENT_PID_TGID).alu(R0, ">>=", 32).jump_if(R0, "!=", pid, "out")
    if cookie:
        code.mov(R1, R6).call(_GET_ATTACH_COOKIE).map_value(R1, counts, 8).store(R1, 0, R0)
    code.map_value(R1, counts).mov(R2, 1).atomic(R1, 0, "+=", R2)
    return code.label("out").mov(R0, result).exit().assemble(sys.byteorder)
