"""Programs that put events into a ring buffer when BPF_PROG_TEST_RUN runs them; instruction by instruction."""

import struct
from types import TracebackType
from typing import Self

from purebpf.live.maps import MapShape, RingBufMap, open_shape
from purebpf.syscall import calls
from purebpf.syscall.fd import Fd
from purebpf.syscall.programs import prog_test_run
from purebpf.uapi import MapType, ProgramType

RINGBUF_OUTPUT = 130
NO_WAKEUP, FORCE_WAKEUP = 1, 2


def insn(opcode: int, dst: int = 0, src: int = 0, offset: int = 0, imm: int = 0) -> bytes:
    return struct.pack("=BBhi", opcode, src << 4 | dst, offset, imm)


def map_address(dst: int, fd: int) -> bytes:
    return insn(0x18, dst, 1, 0, fd) + insn(0)


def output_packet(ring_fd: int, flags: int) -> bytes:
    """An XDP program: one event with the first 8 bytes of the packet."""
    return b"".join(
        (
            insn(0x61, 2, 1, 0),  # r2 = ctx->data
            insn(0x61, 3, 1, 4),  # r3 = ctx->data_end
            insn(0xBF, 4, 2),
            insn(0x07, 4, imm=8),
            insn(0x2D, 4, 3, 9),  # fewer than 8 bytes: exit
            insn(0x79, 2, 2),  # the helper takes no packet pointer: by way of the stack
            insn(0x7B, 10, 2, -8),
            insn(0xBF, 2, 10),
            insn(0x07, 2, imm=-8),
            map_address(1, ring_fd),
            insn(0xB7, 3, imm=8),
            insn(0xB7, 4, imm=flags),
            insn(0x85, imm=RINGBUF_OUTPUT),
            insn(0xB7, 0, imm=2),
            insn(0x95),
        )
    )


class Emitter:
    """A ring buffer map and a program that writes to it; `emit(7)` makes an event of eight bytes."""

    def __init__(self, size: int = 4096, flags: int = 0) -> None:
        number = calls.map_create(map_type=MapType.RINGBUF, key_size=0, value_size=0, max_entries=size, name=b"ring")
        fd = Fd(number, "map 'ring'")
        opened = open_shape(fd, MapShape.of(fd, "ring"), cpus=1)
        assert isinstance(opened, RingBufMap)
        self.map = opened
        self.program = Fd(
            calls.prog_load(prog_type=ProgramType.XDP, insns=output_packet(number, flags), license="GPL"), "emitter"
        )

    def emit(self, number: int, times: int = 1) -> None:
        packet = struct.pack("=Q", number) + bytes(56)
        prog_test_run(self.program.number, data=packet, repeat=times)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.program.close()
        self.map.close()
