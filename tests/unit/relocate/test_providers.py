"""Hints at what brings a kernel function."""

import re

import pytest

from purebpf.relocate.providers import _PROVIDERS, module_of, provider_of


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
