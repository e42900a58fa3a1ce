"""The kernel's symbols as text."""

import pytest

from purebpf.errors import KernelError, NotPermitted
from purebpf.host.kallsyms import Kallsyms, KernelSymbol, read_kallsyms

TEXT = b"""ffffffff81000000 T _stext
ffffffff81000100 t do_one
ffffffff81000200 t do_one
ffffffff81000300 T vfs_read
ffffffff81000400 T vfs_readv
ffffffff81000500 D jiffies
ffffffffc0000010 t xt_match\t[x_tables]
0000000000000000 A last"""


def test_a_symbol_has_its_address_kind_and_module():
    symbols = Kallsyms(TEXT)
    assert symbols.find("vfs_read") == (KernelSymbol("vfs_read", 0xFFFFFFFF81000300, "T", ""),)
    assert symbols.find("xt_match") == (KernelSymbol("xt_match", 0xFFFFFFFFC0000010, "t", "x_tables"),)
    assert symbols.find("last") == (KernelSymbol("last", 0, "A", ""),)


def test_every_symbol_of_a_name_is_found():
    assert [symbol.address & 0xFFFF for symbol in Kallsyms(TEXT).find("do_one")] == [0x100, 0x200]


@pytest.mark.parametrize(
    "name", ["vfs", "read", "T", "T vfs_read", "x_tables", "[x_tables]", "ffffffff81000300", "", "\n"]
)
def test_a_part_of_a_line_is_no_symbol(name):
    assert Kallsyms(TEXT).find(name) == ()


def test_functions_are_the_symbols_of_code():
    assert list(Kallsyms(TEXT).functions()) == ["_stext", "do_one", "do_one", "vfs_read", "vfs_readv", "xt_match"]
    assert [symbol.is_code for symbol in Kallsyms(TEXT).find("jiffies") + Kallsyms(TEXT).find("_stext")] == [
        False,
        True,
    ]


def test_tracepoints_are_told_by_the_symbols_that_serve_them():
    text = b"0 T __traceiter_sched_switch\n0 D __tracepoint_sched_switch\n0 D __tracepoint_old\t[mod]\n0 t __trace_x\n"
    assert Kallsyms(text).tracepoints() == ["old", "sched_switch"]


def test_lines_of_another_form_are_passed_over():
    symbols = Kallsyms(b"zz T one\n\nnothing here at all to see\nff T two\n \xff\xfe T three\n")
    assert symbols.find("one") == ()
    assert [symbol.address for symbol in symbols.find("two")] == [255]


def test_a_missing_name_brings_near_ones():
    assert Kallsyms(TEXT).did_you_mean("vfs_raed") == ["did you mean 'vfs_read' or 'vfs_readv'?"]


def test_the_running_kernel_has_a_symbol_for_its_start():
    assert read_kallsyms().find("_stext")[0].is_code


def test_an_unreadable_file_says_what_the_kernel_needs(tmp_path):
    with pytest.raises(KernelError, match="CONFIG_KALLSYMS"):
        read_kallsyms(str(tmp_path / "nowhere"))


def test_addresses_are_those_of_every_symbol_of_the_name_and_of_data_that_clang_renamed():
    symbols = Kallsyms(TEXT + b"\nffffffff81000600 d table.llvm.12345\nffffffff81000700 t code.llvm.99")
    assert symbols.addresses("do_one") == (0xFFFFFFFF81000100, 0xFFFFFFFF81000200)
    assert symbols.addresses("table") == (0xFFFFFFFF81000600,)
    assert symbols.addresses("code") == ()


def test_hidden_addresses_are_a_want_of_privilege_and_not_zero():
    hidden = Kallsyms(b"0000000000000000 T _text\n0000000000000000 T vfs_read")
    with pytest.raises(NotPermitted, match="shows every address as 0") as caught:
        hidden.addresses("vfs_read")
    assert "kernel.kptr_restrict" in str(caught.value)
    assert hidden.addresses("no_such") == ()
    whole = Kallsyms(b"ffffffff81000000 T _text\n0000000000000000 A fixed_percpu_data")
    assert whole.addresses("fixed_percpu_data") == (0,)
