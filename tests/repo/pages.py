"""Reads a page of documentation: Python to execute, console sessions to replay, links to follow."""

import re
from typing import NamedTuple

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
_CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_ELLIPSIS = "..."


class Block(NamedTuple):
    """One fenced block: its language, its text, and the line it begins on."""

    language: str
    text: str
    line: int


class Step(NamedTuple):
    """A Python block and, where a `text` block comes right after it, the output that this shows."""

    code: Block
    shown: str


class Exchange(NamedTuple):
    """A command of a console block, and the output shown below it."""

    command: str
    shown: str


def blocks(markdown: str) -> list[Block]:
    """Every fenced block that names a language."""
    return [
        Block(match[1], match[2], markdown.count("\n", 0, match.start()) + 2) for match in _FENCE.finditer(markdown)
    ]


def steps(markdown: str) -> list[Step]:
    """The Python of a page, in order."""
    found = blocks(markdown)
    after = [*found[1:], Block("", "", 0)]
    return [
        Step(block, following.text if following.language == "text" else "")
        for block, following in zip(found, after, strict=True)
        if block.language == "python"
    ]


def exchanges(session: str) -> list[Exchange]:
    """The commands of a console block (lines after '$ ' or '# '), each with what follows it."""
    found: list[Exchange] = []
    for line in session.splitlines():
        if line.startswith(("$ ", "# ")):
            found.append(Exchange(line[2:].strip(), ""))
        elif found:
            found[-1] = found[-1]._replace(shown=found[-1].shown + line + "\n")
    return found


def links(markdown: str) -> list[str]:
    """What the page links to, code left out."""
    return _LINK.findall(_CODE.sub("", markdown))


def anchors(markdown: str) -> set[str]:
    """The names under which a page's headings can be linked to, as GitHub makes them."""
    headings = (heading.replace("`", "").lower() for heading in _HEADING.findall(markdown))
    return {re.sub(r"[^\w\- ]", "", heading).strip().replace(" ", "-") for heading in headings}


def agrees(shown: str, real: str) -> bool:
    """Tell whether real output is like the shown one: same shape, other numbers; `...` stands for any lines.

    Numbers, units of time and columns of blanks differ from run to run; a line that is `...` or ends with it is free
    from there on.
    """
    pattern = "".join(_line_pattern(line) for line in shown.strip("\n").splitlines())
    normal = "".join(_normal(line) + "\n" for line in real.strip("\n").splitlines())
    return re.fullmatch(pattern, normal) is not None


def _line_pattern(line: str) -> str:
    if line.strip() == _ELLIPSIS:
        return r"(?:.*\n)*?"
    head, dots, _ = line.partition(_ELLIPSIS)
    return re.escape(_normal(head)) + (r".*\n" if dots else r"\n")


def _normal(line: str) -> str:
    numbers = re.sub(r"\d+(?:[.,]\d+)*", "0", line)
    return re.sub(r"\s+", " ", re.sub(r"\b0 (us|ms|s)\b", "0 s", numbers)).rstrip()
