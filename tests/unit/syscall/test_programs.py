"""The calls on a loaded program fill their attributes as the kernel reads them, and believe its counts with care."""

import struct
from typing import Any

import pytest

from purebpf.syscall import attrs, programs
from tests.unit.syscall.recorder import Recorder


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr(programs, "bpf", recorder)
    return recorder


def test_a_test_run_is_cut_to_what_the_kernel_wrote(kernel: Recorder) -> None:
    def reply(command: int, attr: bytearray, inputs: object, outputs: tuple[Any, ...]) -> int:
        outputs[0][1][:3] = b"abc"
        for offset, value in ((attrs.TEST_RUN_RETVAL, 2), (attrs.TEST_RUN_DATA_SIZE_OUT, 3)):
            struct.pack_into("=I", attr, offset, value)
        return 0

    kernel.reply = reply
    run = programs.prog_test_run(3, data=b"x" * 14, data_out_size=20, repeat=5)
    assert (run.retval, run.data, run.context) == (2, b"abc", b"")
    assert kernel.field(attrs.TEST_RUN_REPEAT) == 5


def test_prog_query_never_believes_a_count_beyond_its_room(kernel: Recorder) -> None:
    def reply(command: int, attr: bytearray, inputs: object, outputs: tuple[Any, ...]) -> int:
        struct.pack_into("=II", outputs[0][1], 0, 11, 12)
        struct.pack_into("=I", attr, attrs.PROG_QUERY_PROG_CNT, 1000)
        return 0

    kernel.reply = reply
    assert programs.prog_query(target_fd=3, attach_type=0, room=2).prog_ids == (11, 12)
