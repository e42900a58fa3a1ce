"""The kernel's words for its numbers, both ways."""

import pytest

from purebpf.uapi import AttachType, LinkType, MapType, ProgramType
from purebpf.units import KernelEnum


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (MapType.LRU_PERCPU_HASH, "lru_percpu_hash"),
        (ProgramType.RAW_TRACEPOINT_WRITABLE, "raw_tracepoint_writable"),
        (AttachType.CGROUP_INET4_BIND, "cgroup_inet4_bind"),
        (LinkType.KPROBE_MULTI, "kprobe_multi"),
    ],
)
def test_a_number_has_the_word_that_bpftool_prints(number: KernelEnum, word: str) -> None:
    assert (str(number), f"{number:>4}") == (word, word)
    assert type(number)(word) is number


@pytest.mark.parametrize("enum", [MapType, ProgramType, AttachType, LinkType])
def test_every_word_leads_back_to_its_number(enum: type[KernelEnum]) -> None:
    assert all(enum(str(member)) is member for member in enum)


def test_an_unknown_word_is_a_value_error_that_quotes_it() -> None:
    with pytest.raises(ValueError, match="'ringbuff' is not a valid MapType"):
        MapType("ringbuff")
