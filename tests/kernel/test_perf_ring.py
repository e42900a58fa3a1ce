"""Perf rings: what a program writes with bpf_perf_event_output comes out of `perf_take` and `records`."""

import mmap
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from purebpf.insn.asm import R0, R1, R2, R3, R4, R5, R6, R10, Assembler
from purebpf.live.maps import MapShape, open_shape
from purebpf.syscall import calls, perf
from purebpf.syscall.fd import Fd
from purebpf.syscall.native import perf_take
from purebpf.syscall.programs import prog_test_run
from purebpf.uapi import MapType, ProgramType

PERF_EVENT_OUTPUT, CURRENT_CPU = 25, 0xFFFF_FFFF
PAGES = 1


def output_packet(events: int) -> bytes:
    """An XDP program: one sample with the first 8 bytes of the packet."""
    code = Assembler().mov(R6, R1).load(R2, R1, 0, "u32").load(R3, R1, 4, "u32").mov(R4, R2).alu(R4, "+=", 8)
    code.jump_if(R4, ">", R3, "out").load(R2, R2).store(R10, -8, R2)
    code.mov(R1, R6).map_fd(R2, events).ldimm64(R3, CURRENT_CPU).mov(R4, R10).alu(R4, "+=", -8).mov(R5, 8)
    return code.call(PERF_EVENT_OUTPUT).label("out").mov(R0, 2).exit().assemble(sys.byteorder)


class Output:
    """A perf event array with the ring of one CPU, and a program that writes to it there."""

    def __init__(self, stack: ExitStack) -> None:
        cpu = min(os.sched_getaffinity(0))
        stack.callback(os.sched_setaffinity, 0, os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cpu})
        number = calls.map_create(
            map_type=MapType.PERF_EVENT_ARRAY, key_size=4, value_size=4, max_entries=cpu + 1, name=b"events"
        )
        fd = Fd(number, "map 'events'")
        slots: Any = stack.enter_context(open_shape(fd, MapShape.of(fd, "events"), cpus=cpu + 1))
        event = stack.enter_context(Fd(perf.open_output(cpu=cpu), "the event"))
        self.ring = mmap.mmap(event.number, (1 + PAGES) * mmap.PAGESIZE, mmap.MAP_SHARED)
        stack.callback(self.ring.close)
        perf.enable(event.number)
        slots[cpu] = event
        program = calls.prog_load(prog_type=ProgramType.XDP, insns=output_packet(number), license="GPL")
        self.program = stack.enter_context(Fd(program, "the program"))

    def emit(self, value: int, times: int = 1) -> None:
        prog_test_run(self.program.number, data=struct.pack("=Q", value) + bytes(56), repeat=times)

    def taken(self) -> list[bytes | int]:
        return perf.records(perf_take(self.ring, mmap.PAGESIZE))

    def values(self) -> list[int]:
        return [struct.unpack_from("=Q", taken)[0] for taken in self.taken() if isinstance(taken, bytes)]


@pytest.fixture
def output() -> Iterator[Output]:
    with ExitStack() as stack:
        yield Output(stack)


def test_samples_come_in_order_and_once(output: Output) -> None:
    assert output.taken() == []
    for value in (1, 2, 1 << 63):
        output.emit(value)
    assert output.values() == [1, 2, 1 << 63]
    assert output.taken() == []


def test_records_that_wrap_around_are_whole(output: Output) -> None:
    seen: list[int] = []
    for start in range(0, 1000, 10):
        for value in range(start, start + 10):
            output.emit(value)
        seen += output.values()
    assert seen == list(range(1000))


def test_what_a_full_ring_lost_is_counted(output: Output) -> None:
    output.emit(7, times=1000)
    kept = output.values()
    assert 0 < len(kept) < 1000
    output.emit(8)
    after = output.taken()
    assert [lost for lost in after if isinstance(lost, int)] == [1000 - len(kept)]
    assert struct.unpack_from("=Q", after[-1])[0] == 8  # type: ignore[arg-type]
