"""What stands behind the "/" of a SEC() name, taken apart: the place where a program wants to be attached.

Pure text in, a frozen value out; whether the place exists is found out when the program is attached. A text that
names no place is an `AttachTargetError` that shows the form it should have.
"""

import re

from purebpf.errors import AttachTargetError
from purebpf.frozen import Frozen

_SYMBOL_AND_OFFSET = re.compile(r"([A-Za-z0-9_.$]+)(?:\+(0[xX][0-9a-fA-F]{1,16}|\d{1,19}))?")
_ADDRESS = re.compile(r"0[xX][0-9a-fA-F]{1,16}|\d{1,19}")
_PATTERN = re.compile(r"[A-Za-z0-9_.$*?]+")
_WORD = re.compile(r"[A-Za-z0-9_]+")
_LARGEST_OFFSET = (1 << 63) - 1


class KernelFunction(Frozen):
    """An instruction of the kernel: `offset` bytes into function `symbol`."""

    symbol: str
    offset: int = 0

    def __str__(self) -> str:
        return f"{self.symbol}+{self.offset:#x}" if self.offset else self.symbol


class UserFunction(Frozen):
    """An instruction of a program or library: `offset` bytes into `symbol`, or into the file where that is ''.

    `path` may be a bare name ("libc.so.6"), which is searched for when the program is attached.
    """

    path: str
    symbol: str
    offset: int = 0

    def __str__(self) -> str:
        if not self.symbol:
            return f"{self.path}:{self.offset:#x}"
        return f"{self.path}:{self.symbol}+{self.offset:#x}" if self.offset else f"{self.path}:{self.symbol}"


class TraceEvent(Frozen):
    """A tracepoint of the kernel as tracefs names it."""

    category: str
    name: str

    def __str__(self) -> str:
        return f"{self.category}/{self.name}"


def parse_kprobe(text: str) -> KernelFunction:
    """Read 'function' or 'function+offset' (decimal or 0x...)."""
    match = _SYMBOL_AND_OFFSET.fullmatch(text)
    if match is None or match[1][0].isdigit():
        raise _misnamed("kprobe", text, "function or function+offset")
    return KernelFunction(match[1], _number(match[2] or "0"))


def parse_uprobe(text: str) -> UserFunction:
    """Read 'path:function', 'path:function+offset', 'path:function@VERSION' or 'path:offset' (into the file).

    The path ends at the first colon, as it does for libbpf.
    """
    form = "path:function, path:function+offset or path:offset"
    path, _, place = text.partition(":")
    if not path or not place:
        raise _misnamed("uprobe", text, form)
    if _ADDRESS.fullmatch(place):
        return UserFunction(path, "", _number(place))
    symbol, plus, offset = place.rpartition("+")
    if not plus:
        symbol, offset = place, "0"
    if not symbol or "+" in symbol or any(map(str.isspace, symbol)) or not _ADDRESS.fullmatch(offset):
        raise _misnamed("uprobe", text, form)
    return UserFunction(path, symbol, _number(offset))


def parse_function_pattern(text: str) -> str:
    """Read the name of a kernel function, or a pattern with `*` and `?`."""
    if not _PATTERN.fullmatch(text):
        raise _misnamed("kprobe.multi", text, "function or a pattern, such as vfs_*")
    return text


def parse_uprobe_pattern(text: str) -> tuple[str, str]:
    """Read 'path:function' or 'path:pattern', with `*` and `?`: both parts."""
    path, _, pattern = text.partition(":")
    if not path or not pattern or any(map(str.isspace, pattern)):
        raise _misnamed("uprobe.multi", text, "path:function or path:pattern, such as libssl.so.3:SSL_*")
    return path, pattern


def parse_tracepoint(text: str) -> TraceEvent:
    """Read 'category/name'."""
    category, _, name = text.partition("/")
    if not _is_event_name(category) or not _is_event_name(name):
        raise _misnamed("tracepoint", text, "category/name, such as sched/sched_process_exec")
    return TraceEvent(category, name)


def parse_raw_tracepoint(text: str) -> str:
    """Read the name of a raw tracepoint: no category."""
    if not _WORD.fullmatch(text):
        raise _misnamed("raw tracepoint", text, "name, such as sched_process_exec")
    return text


def _is_event_name(word: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9_.-]+", word) is not None and not word.startswith(".")


def _number(text: str) -> int:
    number = int(text, 16) if text[:2] in ("0x", "0X") else int(text)
    if number > _LARGEST_OFFSET:
        raise AttachTargetError(f"the offset {text} is out of range")
    return number


def _misnamed(kind: str, text: str, form: str) -> AttachTargetError:
    if not text:
        return AttachTargetError(
            f"the section does not say where the {kind} goes", remedy=f"name it in SEC(), or attach it by hand: {form}"
        )
    return AttachTargetError(f"'{text}' is no place for a {kind}", remedy=f"the form is {form}")
