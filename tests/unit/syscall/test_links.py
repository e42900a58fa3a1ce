"""Each call that makes or changes a link fills its attribute as the kernel reads it."""

import pytest

from purebpf.syscall import attrs, links
from tests.unit.syscall.recorder import Recorder


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr(links, "bpf", recorder)
    return recorder


def test_a_cookie_uses_the_tracing_layout(kernel: Recorder) -> None:
    links.link_create(prog_fd=3, attach_type=24, cookie=99)
    assert kernel.field(attrs.LINK_CREATE_TRACING_COOKIE, "Q") == 99


def test_kprobe_multi_nests_the_addresses_of_its_names(kernel: Recorder) -> None:
    links.link_create_kprobe_multi(prog_fd=3, attach_type=42, symbols=("a", "bc"), flags=1)
    assert kernel.field(attrs.LINK_CREATE_KPROBE_MULTI_CNT) == 2
    assert kernel.field(attrs.LINK_CREATE_KPROBE_MULTI_KPROBE_MULTI_FLAGS) == 1
    assert kernel.field(attrs.LINK_CREATE_KPROBE_MULTI_FLAGS) == 0
    (offset, table, names) = kernel.calls[-1][2][0]
    assert (offset, len(table)) == (attrs.LINK_CREATE_KPROBE_MULTI_SYMS, 16)
    assert names == ((0, b"a\0"), (8, b"bc\0"))


def test_raw_tracepoint_open_without_a_name_sends_none(kernel: Recorder) -> None:
    links.raw_tracepoint_open(prog_fd=3)
    assert kernel.calls[-1][2] == ()
    links.raw_tracepoint_open(prog_fd=3, name="sys_enter")
    assert kernel.calls[-1][2] == ((attrs.RAW_TRACEPOINT_OPEN_NAME, b"sys_enter\0"),)
