"""Hints at what brings a kernel function."""

import re

import pytest

from purebpf.btf import Btf, BtfWriter, DeclTag, Function, FunctionProto, Linkage
from purebpf.relocate.providers import _PROVIDERS, callable_names, module_of, provider_of
from purebpf.units import VOID


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("bpf_ct_set_nat_info", "nf_nat"),
        ("bpf_ct_release", "nf_conntrack"),
        ("bpf_skb_ct_lookup", "nf_conntrack"),
        ("bpf_skb_get_xfrm_info", "xfrm_interface"),
        ("bpf_testmod_test_mod_kfunc", "bpf_testmod"),
    ],
)
def test_the_module_of_a_known_function_is_named(name: str, module: str) -> None:
    assert f"module: {module}" in (provider_of(name) or "")


def test_functions_of_the_kernel_itself_name_no_module() -> None:
    assert provider_of("bpf_cpumask_create") == "functions of this kind came with Linux 6.3 or later"


def test_nothing_is_said_of_a_function_nobody_knows() -> None:
    assert provider_of("my_own_function") is None


def test_every_row_says_a_version_and_is_a_pattern() -> None:
    for row in _PROVIDERS:
        assert re.fullmatch(r"\d\.\d+", row.since)
        re.compile(row.names)


def test_the_module_of_a_function_is_told_where_it_may_be_in_one() -> None:
    assert module_of("bpf_skb_ct_lookup") == "nf_conntrack"
    assert module_of("bpf_task_acquire") == module_of("unheard_of") == ""


def functions(*names: str, marked: tuple[str, ...] = ()) -> Btf:
    writer = BtfWriter()
    proto = writer.add(FunctionProto(VOID, ()))
    made = {name: writer.add(Function(name, proto, Linkage.STATIC)) for name in names}
    for name in marked:
        writer.add(DeclTag("bpf_kfunc", made[name]))
    return Btf.parse(writer.build())


def test_marked_functions_are_those_that_can_be_called() -> None:
    kernel = functions("schedule", "bpf_loop", "bpf_task_acquire", marked=("bpf_task_acquire",))
    assert callable_names(kernel, functions("x", "bpf_ct_release", marked=("bpf_ct_release",))) == [
        "bpf_task_acquire",
        "bpf_ct_release",
    ]


def test_without_marks_helpers_are_left_out() -> None:
    assert callable_names(functions("bpf_loop", "bpf_task_acquire")) == ["bpf_task_acquire"]
