"""What a load has in place of functools, types and collections.abc, against those."""

import collections.abc
import functools
import inspect
import threading
import types
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purebpf import running_target, standard
from purebpf.standard import remembered, remembered_lately


def test_the_names_are_those_of_the_standard_library() -> None:
    assert standard.Mapping is collections.abc.Mapping
    assert standard.Callable is collections.abc.Callable
    assert standard.MappingProxyType is types.MappingProxyType
    assert standard.ModuleType is types.ModuleType


def asked(kind: Callable[[Any], Any], questions: list[tuple[int, ...]]) -> tuple[list[Any], list[tuple[int, ...]]]:
    """The answers of a function under a decorator, and what it was asked itself."""
    calls: list[tuple[int, ...]] = []

    def function(*given: int) -> list[int]:
        calls.append(given)
        return list(given)

    remembering = kind(function)
    return [remembering(*question) for question in questions], calls


questions = st.lists(st.lists(st.integers(0, 3), max_size=2).map(tuple), max_size=30)


@given(questions)
def test_each_is_asked_once_as_by_functools(asking: list[tuple[int, ...]]) -> None:
    assert asked(remembered, asking) == asked(functools.cache, asking)


@given(questions, st.integers(1, 4))
def test_the_last_ones_are_kept_as_by_functools(asking: list[tuple[int, ...]], most: int) -> None:
    assert asked(remembered_lately(most), asking) == asked(functools.lru_cache(maxsize=most), asking)


@pytest.mark.parametrize("kind", [remembered, remembered_lately(2)])
def test_the_answer_is_the_same_object(kind: Callable[[Any], Any]) -> None:
    make = kind(lambda name: [name])
    assert make("a") is make("a")
    assert make("a") is not make("b")


@pytest.mark.parametrize("kind", [remembered, remembered_lately(2)])
def test_an_error_is_raised_and_asked_for_again(kind: Callable[[Any], Any]) -> None:
    calls = []

    @kind
    def refuse(name: str) -> None:
        calls.append(name)
        raise KeyError(name)

    for _ in range(2):
        with pytest.raises(KeyError, match="'a'"):
            refuse("a")
    assert calls == ["a", "a"]


def test_the_arguments_of_the_first_call_are_kept() -> None:
    held = []
    twice = remembered_lately(2)(held.append)
    first, second = bytes([7] * 100), bytes([7] * 100)
    twice(first)
    twice(second)
    assert held == [first]
    assert [kept for (kept,) in inspect.getclosurevars(twice).nonlocals["known"]][0] is first  # noqa: RUF015


def test_it_looks_like_the_function() -> None:
    assert (running_target.__name__, running_target.__module__) == ("running_target", "purebpf.host.target")
    assert (running_target.__doc__ or "").startswith("The running kernel")
    assert str(inspect.signature(running_target)) == "() -> 'Target'"


def test_threads_that_ask_for_many_things_lose_none() -> None:
    """What is kept changes under a thread that makes room; each still gets the answer to its question."""
    double = remembered_lately(3)(lambda number: 2 * number)
    wrong: list[int] = []

    def ask() -> None:
        wrong.extend(number for number in [*range(8)] * 400 if double(number) != 2 * number)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
