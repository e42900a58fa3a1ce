"""Which places names and patterns mean, before a kernel is asked."""

import pytest

from purebpf.live.link import multi


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("vfs_*", ["vfs_read", "vfs_readv", "vfs_x.isra.0"]),
        ("vfs_rea?", ["vfs_read"]),
        ("*read*", ["vfs_read", "vfs_readv", "ksys_read"]),
        ("*.isra.*", ["vfs_x.isra.0"]),
        ("vfs_xxisra*", []),
    ],
)
def test_a_pattern_stands_for_whole_names(pattern: str, found: list[str]) -> None:
    assert multi._matching(pattern, ["vfs_read", "vfs_readv", "ksys_read", "vfs_x.isra.0"]) == found


def test_cookies_are_one_for_all_or_one_for_each() -> None:
    assert multi._packed(0, 3) == b""
    assert multi._packed(7, 2) == (7).to_bytes(8, "little") * 2
    assert multi._packed([1, -1], 2) == (1).to_bytes(8, "little") + b"\xff" * 8
    with pytest.raises(ValueError, match="1 cookies for 2 places"):
        multi._packed([1], 2)


def test_a_few_places_are_shown_and_the_others_counted() -> None:
    assert multi._shown(["a", "b"]) == "a, b"
    assert multi._shown(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"


def test_no_place_at_all_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="name functions of the kernel"):
        multi._functions([], multi.AttachType.TRACE_KPROBE_MULTI, "p")
