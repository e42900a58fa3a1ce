"""The patterns of `__init__` are those of the value classes: another would be compiled in each process anew."""

import pytest

from purebpf import initializers
from tools.make_initializers import PLACE, value_classes, written


def test_the_file_is_what_the_tool_writes() -> None:
    assert PLACE.read_text() == written(), "python -m tools.make_initializers"


@pytest.mark.parametrize("cls", value_classes(), ids=lambda cls: f"{cls.__module__}.{cls.__name__}")
def test_the_initializer_of_a_value_class_is_made_of_one(cls: type) -> None:
    patterns = {value.__code__.co_code for value in vars(initializers).values() if callable(value)}
    assert cls.__init__.__code__.co_code in patterns  # type: ignore[misc]
