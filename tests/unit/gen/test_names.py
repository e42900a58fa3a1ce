"""Names that C accepts, none twice."""

import pytest

from purebpf.gen.names import NameSpace, identifier


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("task_struct", "task_struct"),
        ("", ""),
        ("default", "default_"),
        ("core::fmt::Arguments<'_>", "core__fmt__Arguments____"),
        ("0", "_0"),
        ("größe", "gr__e"),
        ("__builtin_va_list", "__builtin_va_list_"),
    ],
)
def test_an_identifier_is_the_name_or_something_like_it(name: str, text: str) -> None:
    assert identifier(name) == text


def test_the_first_keeps_its_name_and_others_get_numbers() -> None:
    names = NameSpace(lambda _: False)
    assert [names.unique("x") for _ in range(3)] == ["x", "x___2", "x___3"]
    assert names.unique("y") == "y"


def test_a_number_that_the_types_themselves_use_is_left_to_them() -> None:
    names = NameSpace(lambda name: name == "x___2")
    assert [names.unique("x"), names.unique("x"), names.unique("x___2")] == ["x", "x___3", "x___2"]


def test_names_that_become_alike_are_told_apart() -> None:
    names = NameSpace(lambda _: False)
    assert [names.unique("a<b"), names.unique("a>b"), names.unique("a_b")] == ["a_b", "a_b___2", "a_b___3"]
