"""Decoded values for people.

Rules: what comes from other programs (names of processes and files) never reaches the terminal raw: characters
that are not printable are escaped, so that no process can write control sequences by choosing its name.
"""

from collections.abc import Iterable
from typing import Any

from purebpf.btf.codec.records import Record
from purebpf.enums import Enum


def printable(text: str) -> str:
    """`text` with everything that could move the cursor, or that no terminal can show, escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def counted(number: int, noun: str) -> str:
    """A number with its noun: '1 event', '2 events'."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def kconfig_text(options: Iterable[str]) -> str | None:
    """What the options --kconfig say, as the text of a .config: each is NAME=VALUE or a file; None without any."""
    texts = []
    for option in options:
        if option.startswith("CONFIG_") and "=" in option:
            texts.append(option)
        else:
            with open(option, encoding="utf-8", errors="surrogateescape") as file:
                texts.append(file.read())
    return "\n".join(texts) if texts else None


def compact(value: Any) -> str:
    """A value on one line: a record as `name=value` pairs, bytes in hexadecimal, enumerators by name."""
    match value:
        case Record():
            return " ".join(f"{name}={_inner(member)}" for name, member in value._asdict().items())
        case _:
            return _inner(value)


def _inner(value: Any) -> str:
    match value:
        case str():
            shown = printable(value)
            return f"'{shown}'" if " " in shown or not shown else shown
        case bytes():
            return value.hex()
        case Enum():
            return value.name
        case Record():
            return "{" + compact(value) + "}"
        case list():
            return "[" + ", ".join(map(_inner, value)) + "]"
        case _:
            return printable(str(value))
