"""What a declaration tag says of a whole program: `exception_callback:NAME`, the function that ends it when it throws.

Rules: here the names are only read; whether a program has one, and one that the kernel takes, matters when it is
loaded (`relocate.link`). Other tags of functions and arguments are the kernel's to read (but see `plan.context_tags`).
"""

from __future__ import annotations

from purebpf.btf import Btf, DeclTag, Function, Kind
from purebpf.frozen import replace
from purebpf.spec.model import EXCEPTION_CALLBACK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from purebpf.spec.model import ProgramSpec


def with_exception_callbacks(programs: dict[str, ProgramSpec], btf: Btf) -> dict[str, ProgramSpec]:
    """The programs, each with the callbacks that its tags name."""
    tags = _tags(btf)
    return {
        name: replace(program, exception_callbacks=tags[name]) if name in tags else program
        for name, program in programs.items()
    }


def _tags(btf: Btf) -> Mapping[str, tuple[str, ...]]:
    """Name of a function -> the callbacks that its tags name, in the order of the tags."""
    found: dict[str, tuple[str, ...]] = {}
    for tag_id in btf.ids_of(Kind.DECL_TAG):
        tag = btf[tag_id]
        if isinstance(tag, DeclTag) and tag.component < 0 and tag.name.startswith(EXCEPTION_CALLBACK):
            function = btf[tag.type]
            if isinstance(function, Function):
                callback = tag.name.removeprefix(EXCEPTION_CALLBACK)
                found[function.name] = (*found.get(function.name, ()), callback)
    return found
