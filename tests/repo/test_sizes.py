"""Size limits: a file or a function that outgrows them has two ideas in it."""

import re
from pathlib import Path

import pytest

from tests.repo.source import PACKAGE, ROOT, functions_of

HARD_FILE, HARD_EXTENSION = 600, 900
SHORT_FUNCTION, HARD_FUNCTION, SHORT_SHARE = 40, 70, 0.90
HARD_EXAMPLE = 80

# Tables: data, one fact a line, where length is no measure of anything.
TABLES = {"spec/sections.py", "insn/opcodes.py"}


def is_generated(path: Path) -> bool:
    return path.read_text()[:200].lstrip().startswith('"""GENERATED')


def written() -> list[Path]:
    found = [*PACKAGE.rglob("*.py"), *(ROOT / "tools").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    found += (ROOT / "bench").rglob("*.py")
    exempt = {PACKAGE / name for name in TABLES}
    return sorted(path for path in found if path not in exempt and not is_generated(path))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", written(), ids=name_of)
def test_a_file_is_short_and_so_are_its_functions(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= HARD_FILE
    assert not [(name, lines) for name, lines in functions_of(path) if lines > HARD_FUNCTION]


def test_most_functions_of_the_package_are_short() -> None:
    lengths = [lines for path in written() if path.is_relative_to(PACKAGE) for _, lines in functions_of(path)]
    short = sum(lines < SHORT_FUNCTION for lines in lengths)
    assert short >= SHORT_SHARE * len(lengths)


def test_the_extension_is_small() -> None:
    lengths = [len(path.read_text().splitlines()) for path in PACKAGE.glob("_fastpath*.[ch]")]
    assert lengths
    assert sum(lengths) <= HARD_EXTENSION


def test_an_example_fits_one_page() -> None:
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in (ROOT / "examples").glob("*.py")}
    assert not {name: lines for name, lines in lengths.items() if lines > HARD_EXAMPLE}


@pytest.mark.parametrize("path", [p for p in written() if p.is_relative_to(PACKAGE)], ids=name_of)
def test_a_module_opens_with_its_rules(path: Path) -> None:
    text = path.read_text()
    assert not text.strip() or re.match(r'r?"""\S', text)


def test_the_tables_that_are_exempt_exist() -> None:
    assert all((PACKAGE / name).exists() for name in TABLES)
