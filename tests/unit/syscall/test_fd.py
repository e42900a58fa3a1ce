"""An Fd owns its number: closed once, forgotten first, warned about when lost."""

import os

import pytest

from purebpf.syscall.fd import Fd


@pytest.fixture
def number() -> int:
    return os.eventfd(0, os.EFD_CLOEXEC)


def is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def test_it_gives_its_number(number: int) -> None:
    with Fd(number, "map 'm'") as fd:
        assert (fd.number, fd.fileno()) == (number, number)


def test_leaving_the_with_block_closes_it(number: int) -> None:
    with Fd(number, "map 'm'"):
        assert is_open(number)
    assert not is_open(number)


def test_closing_twice_closes_once(number: int) -> None:
    fd = Fd(number, "map 'm'")
    fd.close()
    reused = os.eventfd(0, os.EFD_CLOEXEC)
    assert reused == number
    fd.close()
    assert is_open(reused)
    os.close(reused)


def test_a_closed_one_names_what_it_was(number: int) -> None:
    fd = Fd(number, "map 'counts'")
    fd.close()
    with pytest.raises(ValueError, match="map 'counts' is closed"):
        _ = fd.number


def test_detaching_leaves_it_open(number: int) -> None:
    fd = Fd(number, "map 'm'")
    assert fd.detach() == number
    assert fd.closed
    assert is_open(number)
    os.close(number)


def test_a_lost_one_warns_and_is_closed(number: int) -> None:
    with pytest.warns(ResourceWarning, match="program 'p' was never closed"):
        Fd(number, "program 'p'").__del__()
    assert not is_open(number)


def test_its_repr_says_whether_it_is_open(number: int) -> None:
    fd = Fd(number, "map 'm'")
    assert repr(fd) == f"Fd({number}, \"map 'm'\")"
    fd.close()
    assert "closed" in repr(fd)
