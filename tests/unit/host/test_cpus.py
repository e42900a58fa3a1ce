"""Lists of CPUs as sysfs prints them."""

import pytest

from purebpf.host.cpus import online_cpus, parse_cpu_list, possible_cpus


@pytest.mark.parametrize(
    ("text", "cpus"),
    [("0\n", (0,)), ("0-3\n", (0, 1, 2, 3)), ("0-1,4,6-7", (0, 1, 4, 6, 7)), ("4,0", (0, 4)), ("0-1,1-2", (0, 1, 2))],
)
def test_a_list_names_its_cpus_in_order(text, cpus):
    assert parse_cpu_list(text) == cpus


@pytest.mark.parametrize("text", ["", "\n", "a", "1-", "-1", "3-1", "0-99999999999", "1-2-3", "0x1", "²"])
def test_anything_else_is_a_value_error_at_once(text):
    with pytest.raises(ValueError, match="list of CPUs"):
        parse_cpu_list(text)


def test_the_online_cpus_are_possible():
    assert set(online_cpus()) <= set(possible_cpus())
