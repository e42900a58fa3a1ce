"""What may import what: the table of docs/design.md, held against every import of the package."""

import ast
import re
from functools import cache

import pytest

from tests.repo.source import ROOT, imports_in, imports_of, modules

DESIGN = (ROOT / "docs" / "design.md").read_text()
_EVERYTHING = "everything"
HARMLESS = ("os.PathLike",)
_PURE_HALF = re.search(r"^The pure half \(([^)]*)\) imports no ((?:`\w+`[,.\s]+)+)", DESIGN, re.MULTILINE)


@cache
def table() -> dict[str, tuple[str, ...]]:
    """Unit of the package -> dotted prefixes below purebpf it may import."""
    rows = re.findall(r"^\| ((?:`\w+` ?)+)\| [^|]+ \| ([^|]+) \|$", DESIGN, re.MULTILINE)
    assert rows, "docs/design.md has no layering table"
    base = tuple(re.findall(r"`(\w+)`", rows[0][0]))
    allowed = {}
    for names, permission in rows:
        for unit in re.findall(r"`(\w+)`", names):
            allowed[unit] = (unit, *base, *_granted(permission.strip()))
    return allowed


def pure_half() -> tuple[str, ...]:
    assert _PURE_HALF is not None, "docs/design.md does not say what the pure half is"
    return tuple(_PURE_HALF[1].split(", "))


def forbidden_to_pure() -> tuple[str, ...]:
    assert _PURE_HALF is not None
    return tuple(re.findall(r"`(\w+)`", _PURE_HALF[2]))


def _granted(permission: str) -> tuple[str, ...]:
    if permission.startswith(_EVERYTHING):
        return (_EVERYTHING,)
    granted: list[str] = []
    for word in permission.split(", "):
        granted += {"the base": (), "the pure half": pure_half()}.get(word, (word.strip("`"),))
    return tuple(granted)


def trespasses(module: str, tree: ast.AST | None = None) -> list[str]:
    """The imports of a module that the table does not allow."""
    unit = module.split(".")[1]
    allowed = table()[unit]
    found = []
    for name, line in imports_of(module) if tree is None else imports_in(tree, module):
        if not name.startswith("purebpf.") or _EVERYTHING in allowed:
            continue
        inside = name.removeprefix("purebpf.")
        if not any(inside == prefix or inside.startswith(prefix + ".") for prefix in allowed):
            found.append(f"{module}:{line} imports {name}; {unit} may import {', '.join(allowed)}")
    return found


@pytest.mark.parametrize("module", [name for name in modules() if name != "purebpf"])
def test_a_module_imports_only_what_its_package_may(module: str) -> None:
    if module == "purebpf.__main__":
        assert {name for name, _ in imports_of(module) if name.startswith("purebpf")} == {"purebpf.cli.main.main"}
        return
    assert not trespasses(module)


@pytest.mark.parametrize("module", [name for name in modules() if name.split(".")[1:2] and name != "purebpf.__main__"])
def test_a_module_of_the_pure_half_cannot_touch_the_machine(module: str) -> None:
    if module.split(".")[1] not in pure_half():
        return
    names = {name.split(".")[0] for name, _ in imports_of(module) if name not in HARMLESS}
    assert not names & set(forbidden_to_pure())


def test_only_syscall_imports_the_extension() -> None:
    importers = {module for module in modules() for name, _ in imports_of(module) if "_fastpath" in name}
    assert {module.split(".")[1] for module in importers} <= {"syscall"}


def test_no_module_imports_a_private_name_of_another_package() -> None:
    found = []
    for module in modules():
        for name, line in imports_of(module):
            parts = name.split(".")
            private = parts[0] == "purebpf" and any(p.startswith("_") and p != "_fastpath" for p in parts)
            if private and parts[1:2] != module.split(".")[1:2]:
                found.append(f"{module}:{line} imports {name}")
    assert not found


def test_every_package_has_a_row_and_every_row_a_package() -> None:
    units = {name.split(".")[1] for name in modules() if "." in name} - {"__main__"}
    assert units == set(table())


def test_the_rules_catch_a_trespass() -> None:
    tree = ast.parse("def f():\n    from purebpf.live.object import BpfObject\n")
    assert trespasses("purebpf.spec.model", tree)
    assert trespasses("purebpf.relocate.core", ast.parse("from purebpf.spec.describe import describe"))
    assert not trespasses("purebpf.relocate.core", ast.parse("from purebpf.spec.model import ObjectSpec"))
    assert {"os", "mmap", "ctypes", "subprocess"} <= set(forbidden_to_pure())
