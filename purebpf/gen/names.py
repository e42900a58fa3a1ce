"""Names that C accepts: one for each type and enumerator, none twice in a name space.

C has one name space for the tags of structs, unions and enums and one for typedefs and enumerators. The first to be
printed keeps its name; another one of that name gets `___2`, `___3`: behind three underscores libbpf and purebpf
ignore the rest when they look for the kernel's type, so the copies still find it.
"""

from collections.abc import Callable

_KEYWORDS = frozenset(
    [
        "asm",
        "auto",
        "break",
        "case",
        "char",
        "const",
        "continue",
        "default",
        "do",
        "double",
        "else",
        "enum",
        "extern",
        "float",
        "for",
        "goto",
        "if",
        "inline",
        "int",
        "long",
        "register",
        "restrict",
        "return",
        "short",
        "signed",
        "sizeof",
        "static",
        "struct",
        "switch",
        "typedef",
        "typeof",
        "union",
        "unsigned",
        "void",
        "volatile",
        "while",
        "_Alignas",
        "_Alignof",
        "_Atomic",
        "_Bool",
        "_Complex",
        "_Generic",
        "_Imaginary",
        "_Noreturn",
        "_Static_assert",
        "_Thread_local",
        "__int128",
        "__attribute__",
        "__asm__",
        "__inline",
        "__inline__",
        "__restrict",
        "__volatile__",
        "__const",
        "__signed__",
        "__typeof__",
        "__extension__",
        "__builtin_va_list",
        "__builtin_va_arg",
        "__builtin_offsetof",
        "__bf16",
        "_Float16",
        "__float128",
    ]
)
"""Of C and of what clang adds: a type of such a name in a BTF comes from another language or from the compiler."""

C23_KEYWORDS = frozenset(
    ["alignas", "alignof", "bool", "constexpr", "false", "nullptr", "static_assert", "thread_local", "true"]
)
"""Names in older C, and so in the kernel: those that C23 made keywords and that clang had not made so before."""


def identifier(name: str) -> str:
    """`name` if C accepts it as an identifier, else something like it."""
    if name.isidentifier() and name.isascii():
        return f"{name}_" if name in _KEYWORDS else name
    if not name:
        return name
    text = "".join(each if each.isascii() and (each.isalnum() or each == "_") else "_" for each in name)
    return f"_{text}" if text[0].isdigit() else text


class NameSpace:
    """The names given so far; `is_taken` tells of those that the BTF has and nobody asked for yet."""

    def __init__(self, is_taken: Callable[[str], bool]) -> None:
        self._counts: dict[str, int] = {}
        self.given: set[str] = set()
        self._is_taken = is_taken

    def unique(self, name: str) -> str:
        """`name` as an identifier, with a number if it was given before."""
        count = self._counts.get(name)
        if count is None:
            text = identifier(name)
            if text not in self.given:
                self._counts[name] = 1
                self.given.add(text)
                return text
            count = 1
        while True:
            count += 1
            text = f"{identifier(name)}___{count}"
            if text not in self.given and not self._is_taken(text):
                self._counts[name] = count
                self.given.add(text)
                return text
