"""The kernel functions that BPF programs may call, as a header declares them.

pahole 1.26 and newer mark them in the kernel's types with a tag; older types do not tell them from other functions.
What a header says is what bpftool's says: weak, so that a program can ask whether the kernel has one, and in the
section that makes a loader look it up. Whoever has prototypes of his own defines BPF_NO_KFUNC_PROTOTYPES.
"""

from purebpf.btf.types import Kind
from purebpf.gen.table import Table

_DECL_TAG, _FUNC = Kind.DECL_TAG.value, Kind.FUNC.value
_MARK, _FASTCALL = "bpf_kfunc", "bpf_fastcall"
_WHOLE = 0xFFFFFFFF
"""The component of a tag that is the function's own and none of a parameter's."""

OPENING = """\
#ifndef BPF_NO_KFUNC_PROTOTYPES
#ifndef __ksym
#define __ksym __attribute__((section(".ksyms")))
#endif
#ifndef __weak
#define __weak __attribute__((weak))
#endif
"""
_FASTCALL_MACRO = """\
#ifndef __bpf_fastcall
#if __has_attribute(bpf_fastcall)
#define __bpf_fastcall __attribute__((bpf_fastcall))
#else
#define __bpf_fastcall
#endif
#endif
"""
CLOSING = "#endif\n\n"


def kfuncs(table: Table) -> dict[int, str]:
    """The own functions that are marked, in the order of their marks, and what stands before their declaration."""
    tags: dict[int, set[str]] = {}
    type_id = table.kinds.find(_DECL_TAG, table.first_id)
    while type_id >= 0:
        function = table.target(type_id)
        if table.kinds[function] == _FUNC and table.words[table.places[type_id] + 3] == _WHOLE:
            tags.setdefault(function, set()).add(table.name(type_id))
        type_id = table.kinds.find(_DECL_TAG, type_id + 1)
    found: dict[str, tuple[int, str]] = {}
    for function, names in tags.items():
        if _MARK in names:
            found.setdefault(table.name(function), (function, "__bpf_fastcall " if _FASTCALL in names else ""))
    return dict(found.values())


def opening(functions: dict[int, str]) -> str:
    """What stands before the declarations: the macros that they use."""
    return OPENING + (_FASTCALL_MACRO if any(functions.values()) else "")
