"""Each call fills its attribute as the kernel reads it; a recorder stands where bpf(2) would."""

import errno
import struct
from typing import Any

import pytest

from purebpf.syscall import calls
from purebpf.syscall import load_attrs as attrs
from purebpf.uapi import Command
from tests.unit.syscall.recorder import Recorder


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr(calls, "bpf", recorder)
    return recorder


CODE = bytes.fromhex("b700000000000000 9500000000000000")


def test_map_create_puts_every_argument_in_its_place(kernel: Recorder) -> None:
    fd = calls.map_create(
        map_type=2, key_size=4, value_size=12, max_entries=9, flags=1024, name=b"counts", btf_fd=5, map_extra=1 << 40
    )
    assert fd == 7
    assert kernel.calls[-1][0] == Command.MAP_CREATE
    assert struct.unpack_from("=5I", kernel.calls[-1][1]) == (2, 4, 12, 9, 1024)
    assert kernel.calls[-1][1][28:44] == b"counts".ljust(16, b"\0")
    assert kernel.field(attrs.MAP_CREATE_BTF_FD) == 5
    assert kernel.field(attrs.MAP_CREATE_MAP_EXTRA, "Q") == 1 << 40


def test_prog_load_counts_instructions_and_records(kernel: Recorder) -> None:
    calls.prog_load(
        prog_type=1, insns=CODE, license="GPL", func_info=bytes(16), func_info_rec_size=8, line_info=bytes(32),
        line_info_rec_size=16,
    )  # fmt: skip
    assert kernel.field(attrs.PROG_LOAD_INSN_CNT) == 2
    assert kernel.field(attrs.PROG_LOAD_FUNC_INFO_CNT) == 2
    assert kernel.field(attrs.PROG_LOAD_LINE_INFO_CNT) == 2
    assert dict(kernel.calls[-1][2]) == {
        attrs.PROG_LOAD_INSNS: CODE,
        attrs.PROG_LOAD_LICENSE: b"GPL\0",
        attrs.PROG_LOAD_FUNC_INFO: bytes(16),
        attrs.PROG_LOAD_LINE_INFO: bytes(32),
    }


def test_prog_load_sends_no_address_of_nothing(kernel: Recorder) -> None:
    calls.prog_load(prog_type=1, insns=CODE, license="")
    assert [offset for offset, _buffer in kernel.calls[-1][2]] == [attrs.PROG_LOAD_INSNS, attrs.PROG_LOAD_LICENSE]
    assert kernel.calls[-1][3] == ()


def test_prog_load_asks_five_times_while_the_kernel_says_eagain(kernel: Recorder) -> None:
    def reply(*_: object) -> int:
        raise BlockingIOError(errno.EAGAIN, "")

    kernel.reply = reply
    with pytest.raises(BlockingIOError):
        calls.prog_load(prog_type=1, insns=CODE, license="GPL")
    assert len(kernel.calls) == 5


def test_prog_load_gives_up_at_once_on_any_other_error(kernel: Recorder) -> None:
    def reply(*_: object) -> int:
        raise PermissionError(errno.EACCES, "")

    kernel.reply = reply
    with pytest.raises(PermissionError):
        calls.prog_load(prog_type=1, insns=CODE, license="GPL")
    assert len(kernel.calls) == 1


def test_a_log_holds_text_and_true_size_of_a_failed_load(kernel: Recorder) -> None:
    def reply(command: int, attr: bytearray, inputs: object, outputs: tuple[Any, ...]) -> int:
        outputs[0][1][:6] = b"no way"
        struct.pack_into("=I", attr, attrs.PROG_LOAD_LOG_TRUE_SIZE, 5000)
        raise PermissionError(errno.EACCES, "")

    kernel.reply = reply
    log = calls.Log(bytearray(100), level=2)
    with pytest.raises(PermissionError):
        calls.prog_load(prog_type=1, insns=CODE, license="GPL", log=log)
    assert (log.text, log.true_size) == ("no way", 5000)
    assert (kernel.field(attrs.PROG_LOAD_LOG_LEVEL), kernel.field(attrs.PROG_LOAD_LOG_SIZE)) == (2, 100)


def test_a_log_without_a_zero_byte_is_all_text() -> None:
    assert calls.Log(bytearray(b"cut o")).text == "cut o"


def test_btf_load_gives_size_and_log(kernel: Recorder) -> None:
    log = calls.Log(bytearray(10))
    calls.btf_load(b"\x9f\xeb", log=log)
    assert kernel.field(attrs.BTF_LOAD_BTF_SIZE) == 2
    assert kernel.calls[-1][2:] == (
        ((attrs.BTF_LOAD_BTF, b"\x9f\xeb"),),
        ((attrs.BTF_LOAD_BTF_LOG_BUF, log.buffer),),
    )
