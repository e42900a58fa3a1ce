"""A recorder that stands where bpf(2) would."""

import struct
from collections.abc import Callable
from typing import Any

Reply = Callable[[int, bytearray, tuple[Any, ...], tuple[Any, ...]], int]


class Recorder:
    """Stands in for `bpf`: keeps what it was called with and answers what it is told."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, bytes, tuple[Any, ...], tuple[Any, ...]]] = []
        self.reply: Reply = lambda command, attr, inputs, outputs: 7

    def __call__(
        self, command: int, attr: bytearray, inputs: tuple[Any, ...] = (), outputs: tuple[Any, ...] = ()
    ) -> int:
        self.calls.append((int(command), bytes(attr), inputs, outputs))
        return self.reply(command, attr, inputs, outputs)

    def field(self, offset: int, code: str = "I") -> int:
        value: int = struct.unpack_from("=" + code, self.calls[-1][1], offset)[0]
        return value
