"""Which pair of types makes two types incompatible: what an error shows where both look the same as C.

Rules: walked as `compat.types_compatible` walks, and only after it said no. A pair is looked at once and their number
is bounded; where that or the nesting ends the walk, nobody knows the pair.
"""

from __future__ import annotations

from purebpf.btf import Array, Btf, FunctionProto, Pointer, resolve
from purebpf.relocate.compat import DEEPEST, kinds_compatible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from purebpf.units import TypeId

_MOST_PAIRS: Final = 4096


def first_mismatch(local: Btf, local_id: TypeId, target: Btf, target_id: TypeId) -> tuple[TypeId, TypeId] | None:
    """The first pair, without modifiers and typedefs, whose kinds differ; None where no such pair is found."""
    seen: set[tuple[int, int]] = set()
    pending = [(local_id, target_id, DEEPEST)]
    while pending and len(seen) < _MOST_PAIRS:
        ours, theirs, level = pending.pop()
        ours, theirs = resolve(local, ours), resolve(target, theirs)
        if not level or (ours, theirs) in seen:
            continue
        seen.add((ours, theirs))
        if not kinds_compatible(local.kind(ours), target.kind(theirs)):
            return ours, theirs
        match local[ours], target[theirs]:
            case (Pointer(target=a), Pointer(target=b)) | (Array(element=a), Array(element=b)):
                pending.append((a, b, level - 1))
            case (FunctionProto() as mine, FunctionProto() as its):
                pairs = [(mine.return_type, its.return_type)]
                pairs += [(a.type, b.type) for a, b in zip(mine.parameters, its.parameters, strict=False)]
                pending += [(a, b, level - 1) for a, b in reversed(pairs)]
    return None
