"""The package's source as the rules of the tree see it: files, modules, imports, functions."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "purebpf"


class Import(NamedTuple):
    """One imported module or name: `name` is dotted and absolute, `line` where it stands, `lazy` inside a function."""

    name: str
    line: int


def modules() -> list[str]:
    """Every module of the package, by its dotted name."""
    return sorted(_name_of(path) for path in PACKAGE.rglob("*.py"))


@cache
def tree_of(module: str) -> ast.Module:
    """The syntax tree of a module of the package."""
    return ast.parse(path_of(module).read_text())


def path_of(module: str) -> Path:
    """The file of a module of the package."""
    path = ROOT / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def imports_of(module: str) -> Iterator[Import]:
    """Everything a module imports, wherever in it, import_module of a literal name included."""
    return imports_in(tree_of(module), module)


def imports_in(tree: ast.AST, module: str) -> Iterator[Import]:
    """As `imports_of`, for a syntax tree that stands for `module`."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (Import(alias.name, node.lineno) for alias in names)
            case ast.ImportFrom(level=0, module=str(source), names=names):
                yield from (Import(f"{source}.{alias.name}", node.lineno) for alias in names)
            case ast.ImportFrom(level=level, names=names):
                assert level == 0, f"{module}:{node.lineno}: relative import; write the whole name"
            case ast.Call(func=ast.Name("import_module"), args=[ast.Constant(str(name)), *_]):
                yield Import(name, node.lineno)


def functions_of(path: Path) -> Iterator[tuple[str, int]]:
    """Each function of a Python file with its length in lines, decorators and docstring not counted."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            docstring = ast.get_docstring(node, clean=False)
            yield node.name, node.end_lineno - node.lineno + 1 - (docstring.count("\n") + 1 if docstring else 0)


def _name_of(path: Path) -> str:
    inside = path.relative_to(ROOT).with_suffix("")
    return ".".join(inside.parts[:-1] if inside.name == "__init__" else inside.parts)
