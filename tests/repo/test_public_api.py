"""The public names change on purpose: `./dev check --update` rewrites the list, and the diff shows what users get."""

import os
import re
import subprocess
import sys

import pytest

import purebpf
from tests.repo.public_api import describe
from tests.repo.source import ROOT

GOLDEN = ROOT / "tests" / "data" / "public_api.txt"


def test_public_names_and_signatures_are_the_listed_ones() -> None:
    found = describe(purebpf)
    if os.environ.get("PUREBPF_UPDATE") == "1":
        GOLDEN.write_text(found)
    assert GOLDEN.exists(), "no list of public names yet: ./dev check --update"
    assert found == GOLDEN.read_text(), "the public names changed: if on purpose, ./dev check --update"


def test_every_public_name_has_a_docstring() -> None:
    assert not [name for name in purebpf.__all__ if not (getattr(purebpf, name).__doc__ or "").strip()]


def test_every_public_name_is_written_about() -> None:
    text = (ROOT / "docs" / "api.md").read_text()
    assert not [name for name in purebpf.__all__ if not re.search(rf"\b{name}\b", text)]


def one_name_of_each_module() -> list[str]:
    return sorted({getattr(getattr(purebpf, name), "__module__", name): name for name in purebpf.__all__}.values())


@pytest.mark.parametrize("first", one_name_of_each_module())
def test_a_name_is_the_same_thing_whatever_was_used_before_it(first: str) -> None:
    program = (
        f"import purebpf; purebpf.{first}\n"
        "for name in purebpf.__all__:\n"
        "    value = getattr(purebpf, name)\n"
        "    assert callable(value), f'purebpf.{name} is {value!r}'\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_dir_lists_what_all_lists() -> None:
    assert set(purebpf.__all__) <= set(dir(purebpf))


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        _ = purebpf.no_such_name  # type: ignore[attr-defined]
