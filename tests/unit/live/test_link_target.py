"""What stands behind the "/" of a SEC() name."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purebpf.errors import AttachTargetError
from purebpf.live.link.target import (
    KernelFunction,
    TraceEvent,
    UserFunction,
    parse_function_pattern,
    parse_kprobe,
    parse_raw_tracepoint,
    parse_tracepoint,
    parse_uprobe,
    parse_uprobe_pattern,
)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("do_unlinkat", KernelFunction("do_unlinkat")),
        ("do_unlinkat+8", KernelFunction("do_unlinkat", 8)),
        ("vfs_read.isra.0+0x1F", KernelFunction("vfs_read.isra.0", 31)),
    ],
)
def test_a_kprobe_is_a_function_and_an_offset(text, place):
    assert parse_kprobe(text) == place


@pytest.mark.parametrize(
    "text", ["", "+8", "f+", "f+x", "f+-1", "f g", "0x10", "f+99999999999999999999", "f/g", "f+8 "]
)
def test_what_is_no_kprobe_is_refused_with_the_form(text):
    with pytest.raises(AttachTargetError, match="function"):
        parse_kprobe(text)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("libc.so.6:malloc", UserFunction("libc.so.6", "malloc")),
        ("/bin/x:f+0x10", UserFunction("/bin/x", "f", 16)),
        ("/bin/x:f@@V_2+4", UserFunction("/bin/x", "f@@V_2", 4)),
        ("/bin/x:f@V_2", UserFunction("/bin/x", "f@V_2")),
        ("/bin/x:0x1234", UserFunction("/bin/x", "", 0x1234)),
        ("/bin/x:77", UserFunction("/bin/x", "", 77)),
        ("/bin/x:_ZN3foo3barEv", UserFunction("/bin/x", "_ZN3foo3barEv")),
        ("/bin/x:std::sort", UserFunction("/bin/x", "std::sort")),
    ],
)
def test_a_uprobe_is_a_file_a_function_and_an_offset(text, place):
    assert parse_uprobe(text) == place


@pytest.mark.parametrize(
    "text", ["", "libc.so.6", ":malloc", "/bin/x:", "/bin/x:f+", "/bin/x:+4", "/bin/x:f+4+4", "a:b c"]
)
def test_what_is_no_uprobe_is_refused_with_the_form(text):
    with pytest.raises(AttachTargetError, match="path:function"):
        parse_uprobe(text)


def test_a_tracepoint_is_category_and_name():
    assert parse_tracepoint("sched/sched_process_exec") == TraceEvent("sched", "sched_process_exec")


@pytest.mark.parametrize("text", ["", "sched", "sched/", "/x", "a/b/c", "../x", "a/..", "a b/c"])
def test_what_is_no_tracepoint_is_refused_with_the_form(text):
    with pytest.raises(AttachTargetError, match="category/name"):
        parse_tracepoint(text)


def test_a_raw_tracepoint_is_a_name():
    assert parse_raw_tracepoint("sys_enter") == "sys_enter"
    with pytest.raises(AttachTargetError, match="sched_process_exec"):
        parse_raw_tracepoint("sched/sched_switch")


_NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.]{0,20}", fullmatch=True)


@given(_NAMES, st.integers(0, 1 << 40))
def test_a_kprobe_prints_as_it_is_written(symbol, offset):
    assert parse_kprobe(str(KernelFunction(symbol, offset))) == KernelFunction(symbol, offset)


@given(st.from_regex(r"[^:\x00\n]{1,20}", fullmatch=True), _NAMES, st.integers(0, 1 << 40))
def test_a_uprobe_prints_as_it_is_written(path, symbol, offset):
    assert parse_uprobe(str(UserFunction(path, symbol, offset))) == UserFunction(path, symbol, offset)


@given(st.text(max_size=40))
def test_any_text_is_a_place_or_an_attach_target_error(text):
    for parse in (parse_kprobe, parse_uprobe, parse_tracepoint, parse_raw_tracepoint):
        with suppress(AttachTargetError):
            assert str(parse(text))


@pytest.mark.parametrize("text", ["vfs_read", "vfs_*", "*_read", "do_?nlinkat", "f.isra.0", "*"])
def test_a_pattern_of_kernel_functions_is_what_it_says(text):
    assert parse_function_pattern(text) == text


@pytest.mark.parametrize("text", ["", "vfs read", "vfs_read+4", "a/b", "vfs_[ab]"])
def test_what_is_no_pattern_shows_the_form(text):
    with pytest.raises(AttachTargetError) as refused:
        parse_function_pattern(text)
    assert "vfs_*" in str(refused.value)


def test_a_pattern_of_a_files_functions_ends_at_the_first_colon():
    assert parse_uprobe_pattern("/bin/x:f*") == ("/bin/x", "f*")
    assert parse_uprobe_pattern("libc.so.6:malloc@@V") == ("libc.so.6", "malloc@@V")


@pytest.mark.parametrize("text", ["", "/bin/x", ":f", "/bin/x:", "/bin/x:a b"])
def test_what_is_no_place_in_a_file_shows_the_form(text):
    with pytest.raises(AttachTargetError) as refused:
        parse_uprobe_pattern(text)
    assert "libssl.so.3:SSL_*" in str(refused.value)
