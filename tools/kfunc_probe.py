"""Ask the running kernel which of its own functions a program of each type may call, as helper_probe asks for helpers.

    python -m tools.kfunc_probe             as root; ./dev vm SERIES run does the same on Debian's kernels

The functions are those that the kernel's types mark as kfuncs or, before 6.10, those named in sets of its functions
(symbols '__BTF_ID__func__...'); modules are not asked. "calling kernel function X is not allowed" is the only no.

The second line has the kinds of programs that were asked, each line behind it functions with who may call them: a type
where all of its kinds may, else the kinds.
"""

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from purebpf.btf import Btf, Kind
from purebpf.host.target import running_target
from purebpf.insn.words import BPF_PSEUDO_KFUNC_CALL
from purebpf.relocate.providers import marked_functions
from tools.helper_probe import Context, contexts, deliver, said, without_hook

_NOT_ALLOWED = re.compile(r"calling kernel function \S* ?is not allowed")


def functions(btf: Btf) -> list[str]:
    """What may be a kfunc of this kernel."""
    found = set(marked_functions(btf))
    symbols = Path("/proc/kallsyms").read_text()
    found |= set(re.findall(r" __BTF_ID__func__(\w+?)__\d+$", symbols, re.MULTILINE))
    return sorted(name for name in found if btf.find(name, Kind.FUNC))


def _may_call(context: Context, function_id: int) -> bool:
    answer = said(context, function_id, source=BPF_PSEUDO_KFUNC_CALL)
    return not _NOT_ALLOWED.search(answer or "")


def _asked(btf: Btf) -> dict[str, list[Context]]:
    """The kinds to ask about, with a few hooks that stand for all."""
    by_kind: dict[str, list[Context]] = {}
    for context in contexts(btf, hooks=("task", "tcp", "file_open", "socket_bind")):
        by_kind.setdefault(without_hook(context.key), []).append(context)
    return by_kind


def _collapsed(kinds: Iterable[str], asked: Iterable[str]) -> list[str]:
    """The kinds, and types instead of all kinds of a type."""
    may = set(kinds)
    types: dict[str, set[str]] = {}
    for kind in asked:
        types.setdefault(type_of(kind), set()).add(kind)
    whole = [name for name, of_type in types.items() if of_type <= may]
    return sorted([*whole, *(kind for kind in may if type_of(kind) not in whole)])


def type_of(kind: str) -> str:
    """'tracing' of 'tracing/trace_iter.s'; of a struct_ops its struct stays."""
    kind, _, hook = kind.partition(":")
    name = kind.partition("/")[0].removesuffix(".s")
    return f"{name}:{hook}" if hook else name


def answers() -> str:
    """What the running kernel says, as text."""
    btf = running_target().require_btf("this tool")
    asked = _asked(btf)
    by_callers: dict[str, list[str]] = {}
    for name in functions(btf):
        function_id = btf.find(name, Kind.FUNC)[0]
        may = [kind for kind, made in asked.items() if any(_may_call(context, function_id) for context in made)]
        if may:
            by_callers.setdefault(" ".join(_collapsed(may, asked)), []).append(name)
    lines = [f"{callers} = {' '.join(names)}" for callers, names in sorted(by_callers.items())]
    return "\n".join([f"# Linux {os.uname().release}", f"# asked: {' '.join(sorted(asked))}", *lines]) + "\n"


if __name__ == "__main__":
    sys.exit(deliver(answers()))
