"""The target's types that a local type may stand for, and what is remembered of a target.

A candidate is a type of the same kind (ENUM and ENUM64 are one) and the same essential name: `task_struct` and
`task_struct___v2` of the program both look for `task_struct`, and for any flavour of it that the kernel's own types
have. The kernel itself is looked at first; a module's types only if the kernel has no candidate.

What was found out about a target's types is kept as long as they are (the running kernel's: as long as the process),
so that the second object that asks for `task_struct.pid` pays for a look into a dict.
"""

from __future__ import annotations

from purebpf.errors import RelocationError
from purebpf.frozen import Frozen, Mutable, field
from purebpf.relocate.access import Place, enumerators_of, places_of
from purebpf.relocate.compat import essential_name, kinds_compatible
from purebpf.units import TypeId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from purebpf.btf import Btf
    from purebpf.relocate.kernel_facts import KernelTypes


class Candidate(Frozen):
    """A type of a kernel or of a module."""

    btf: Btf = field(repr=False, compare=False)
    type: TypeId


_MOST_CANDIDATES = 1000
"""Kernels have a dozen types of one name at the most; each costs every record that asks for it 50 us."""


class _Known(Mutable):
    """What was found out about one BTF."""

    flavours: dict[str, list[str]] | None = None
    searched: int = 0
    named: dict[tuple[str, int], tuple[TypeId, ...]] = field(default_factory=dict)
    places: dict[TypeId, dict[str, Place]] = field(default_factory=dict)
    enumerators: dict[TypeId, dict[str, int]] = field(default_factory=dict)
    questions: dict[Any, Any] = field(default_factory=dict)
    answers: dict[object, dict[Any, Any]] = field(default_factory=dict)
    token: object = field(default_factory=object)


_FEW_NAMES = 3
"""So many names are each searched for; the search for all flavours there are takes as long as three of them."""
_MOST_OBJECTS = 64
"""Of how many objects at once the answers are remembered with a target."""


def known_questions(local: Btf) -> dict[Any, Any]:
    """What was read out of an object's records before: a place for `resolve`, kept as long as the types."""
    return _known(local).questions


def known_answers(target: Btf, local: Btf) -> dict[Any, Any]:
    """What types of a target answered to records of an object before, kept with the target.

    The object's types may not be referred to by what stands in it, for then they would not go before the target.
    """
    answers, token = _known(target).answers, _known(local).token
    found = answers.get(token)
    if found is None:
        if len(answers) >= _MOST_OBJECTS:
            answers.pop(next(iter(answers), None), None)
        found = answers[token] = {}
    return found


def candidates(target: KernelTypes, kernel: Btf, name: str, kind: int) -> tuple[Candidate, ...]:
    """The types that a local type of that name and kind may stand for, in the order of their ids.

    `kernel` are the target's own types. Those of its modules are read only when the kernel has none that fits.
    """
    essential = essential_name(name)
    found = [Candidate(kernel, type_id) for type_id in _own_candidates(kernel, essential, kind)]
    if not found:
        for module in target.core_modules():
            types = module.btf
            found += [Candidate(types, type_id) for type_id in _own_candidates(types, essential, kind)]
    return tuple(found)


def _own_candidates(btf: Btf, essential: str, kind: int) -> tuple[TypeId, ...]:
    known = _known(btf)
    found = known.named.get((essential, kind))
    if found is None:
        names = [essential, *_flavours(btf, known, essential)]
        first = btf.first_id
        ids = [
            type_id
            for name in names
            for type_id in btf.find(name)
            if type_id >= first and kinds_compatible(kind, btf.kind(type_id))
        ]
        if len(ids) > _MOST_CANDIDATES:
            raise RelocationError(
                f"{len(ids)} types of {btf.name or 'the target'} are named '{essential}': these are no kernel's",
                remedy="give the kernel's own types",
            )
        found = known.named[essential, kind] = tuple(sorted(ids))
    return found


def places(btf: Btf, type_id: TypeId) -> dict[str, Place]:
    """`places_of`, remembered."""
    known = _known(btf).places
    found = known.get(type_id)
    if found is None:
        found = known[type_id] = places_of(btf, type_id)
    return found


def enumerators(btf: Btf, type_id: TypeId) -> dict[str, int]:
    """`enumerators_of`, remembered."""
    known = _known(btf).enumerators
    found = known.get(type_id)
    if found is None:
        found = known[type_id] = enumerators_of(btf, type_id)
    return found


def _known(btf: Btf) -> _Known:
    known: _Known | None = btf.derived.get(_Known)
    if known is None:
        known = btf.derived[_Known] = _Known()
    return known


def _flavours(btf: Btf, known: _Known, essential: str) -> list[str]:
    """The strings that are flavours of a name; a vmlinux has about five in all."""
    if known.flavours is None and known.searched < _FEW_NAMES:
        known.searched += 1
        found = btf.strings_with(f"{essential}___".encode("utf-8", "surrogateescape"))
        return [name for name in found if essential_name(name) == essential]
    if known.flavours is None:
        known.flavours = {}
        for name in btf.strings_with(b"___"):
            if essential_name(name) != name:
                known.flavours.setdefault(essential_name(name), []).append(name)
    return known.flavours.get(essential, [])
