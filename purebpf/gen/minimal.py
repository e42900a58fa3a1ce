"""The part of a kernel's BTF that CO-RE needs for some objects: kilobytes of five megabytes.

A kernel without BTF of its own can be served with such a file, made from its full BTF, that ships with the tool.

Rules: what is kept is what a loader asks when it carries out the objects' records, and no more:

- of a field its struct with the members on the way to it, in their places; a struct on the way that has no name is
  kept likewise. The field's own type is kept with its size and signedness, a struct without its members, a pointer
  without what it points to;
- of an enumerator its enum, of a type that is asked for its shape: what compatibility is decided by, which ends at
  the name of a struct; where all must match (TYPE_MATCHES), all members;
- of several kernel types of one name those that have what is asked for. Where a record finds nothing, it finds
  nothing in the cut BTF either, for nothing is added.

Sizes and places never change, so relocated code is the same but for type ids. Ids are new, in the order of the old.
"""

from collections.abc import Iterable, Iterator

from purebpf.btf import (
    Array,
    Btf,
    BtfType,
    BtfWriter,
    CoreKind,
    Enum,
    Pointer,
    Struct,
    Union,
    resolve,
)
from purebpf.btf.references import references, with_references
from purebpf.enums import IntEnum
from purebpf.errors import RelocationError
from purebpf.relocate.access import ENUM_KINDS, FIELD_KINDS, Access, locate
from purebpf.relocate.candidates import places
from purebpf.relocate.kernel_facts import ModuleTypes
from purebpf.relocate.resolve import Decision, Resolver, accesses_in_order
from purebpf.spec.model import ObjectSpec
from purebpf.units import TypeId


class Depth(IntEnum):
    """How much of a type is kept along its references."""

    PLAIN = 0
    """Its size: a pointer ends it, a struct has the members that others asked for."""
    SHAPE = 1
    """What makes it compatible with another: pointers are followed, structs end it."""
    WHOLE = 2
    """All members; what they point to by its shape."""


_PLAIN, _SHAPE, _WHOLE = Depth


def minimal_btf(objects: Iterable[ObjectSpec], kernel: Btf) -> bytes:
    """The BTF with which CO-RE gives `objects` the same code as with `kernel`; RelocationError if that gives none."""
    if kernel.base is not None:
        raise ValueError("the BTF of a module cannot be cut without its kernel's")
    needed = Needed(kernel)
    for spec in objects:
        needed.add_object(spec)
    return needed.written()


class _OneKernel:
    """A kernel that is nothing but its BTF, for the resolver."""

    def __init__(self, btf: Btf) -> None:
        self.name = btf.name or "the given BTF"
        self.core_btf = btf

    def core_modules(self) -> Iterator[ModuleTypes]:
        return iter(())


class Needed:
    """What is kept of one kernel's types."""

    def __init__(self, kernel: Btf) -> None:
        self._kernel = kernel
        self._depths: dict[TypeId, set[Depth]] = {}
        self._members: dict[TypeId, set[int]] = {}

    def add_object(self, spec: ObjectSpec) -> None:
        """Keep what the records of an object ask for."""
        if spec.btf is None:
            return
        resolver = Resolver(spec.btf, _OneKernel(self._kernel), spec.byteorder)
        for function, access in accesses_in_order(spec.functions.values()):
            try:
                decision = resolver.decide(access.record)
            except RelocationError as error:
                error.evidence = (f"in function '{function.name}' of '{spec.name}'", *error.evidence)
                raise
            if access.record.kind is not CoreKind.TYPE_ID_LOCAL:
                self._add(spec.btf, decision)

    def _add(self, local: Btf, decision: Decision) -> None:
        for candidate in decision.candidates:
            if decision.kind in FIELD_KINDS or decision.kind in ENUM_KINDS:
                found = locate(local, decision.access, self._kernel, candidate.type, places)
                if isinstance(found, Access):
                    self._add_access(found, is_field=decision.kind in FIELD_KINDS)
            elif decision.matching:
                self._keep(candidate.type, _WHOLE if decision.kind is CoreKind.TYPE_MATCHES else _SHAPE)

    def _add_access(self, access: Access, *, is_field: bool) -> None:
        self._keep(access.root, _PLAIN)
        if not is_field:
            self._keep(access.root, _WHOLE)
            return
        at = resolve(self._kernel, access.root)
        for part in access.parts:
            if part.name is None:
                at = part.type
                self._keep(at, _PLAIN)
                continue
            for owner, index in [*self._anonymous_way(at, part.type), (part.type, part.index)]:
                self._members.setdefault(owner, set()).add(index)
                compound = self._kernel[owner]
                assert isinstance(compound, Struct | Union)
                self._keep(compound.members[index].type, _PLAIN)
            compound = self._kernel[part.type]
            assert isinstance(compound, Struct | Union)
            at = resolve(self._kernel, compound.members[part.index].type)

    def _anonymous_way(self, outer: TypeId, owner: TypeId) -> list[tuple[TypeId, int]]:
        """The members without a name that lead from a struct to one inside it."""
        came_from: dict[TypeId, tuple[TypeId, int]] = {}
        waiting = [outer]
        while waiting and owner != outer and owner not in came_from:
            at = waiting.pop()
            compound = self._kernel[at]
            for index, member in enumerate(compound.members if isinstance(compound, Struct | Union) else ()):
                inner = resolve(self._kernel, member.type) if not member.name else at
                if inner != at and inner not in came_from:
                    came_from[inner] = at, index
                    waiting.append(inner)
        way = []
        at = owner
        while at != outer:
            at, index = came_from[at]
            way.append((at, index))
        return way[::-1]

    def _keep(self, type_id: TypeId, depth: Depth) -> None:
        waiting = [(type_id, depth)]
        while waiting:
            at, how = waiting.pop()
            known = self._depths.setdefault(at, set()) if at else {how}
            if how in known:
                continue
            known.add(how)
            waiting += _followed(self._kernel[at], how)

    def written(self) -> bytes:
        """The BTF."""
        kept = sorted(self._depths)
        new = {old: TypeId(number) for number, old in enumerate(kept, 1)}
        writer = BtfWriter(byteorder=self._kernel.byteorder)
        for old in kept:
            writer.add(with_references(self._cut(old), lambda reference: new.get(reference, TypeId(0))))
        return writer.build()

    def _cut(self, type_id: TypeId) -> BtfType:
        kind = self._kernel[type_id]
        if _WHOLE in self._depths[type_id]:
            return kind
        match kind:
            case Struct(name=name, size=size, members=members, kind_flag=flag):
                return Struct(name, size, tuple([members[i] for i in sorted(self._members.get(type_id, ()))]), flag)
            case Union(name=name, size=size, members=members, kind_flag=flag):
                return Union(name, size, tuple([members[i] for i in sorted(self._members.get(type_id, ()))]), flag)
            case Enum(name=name, size=size, signed=signed, wide=wide):
                return Enum(name, size, (), signed, wide)
        return kind


def _followed(kind: BtfType, depth: Depth) -> Iterator[tuple[TypeId, Depth]]:
    """The references of a type that are kept too, and how deeply."""
    match kind:
        case Pointer(target=target):
            if depth != _PLAIN:
                yield target, _SHAPE
        case Struct(members=members) | Union(members=members):
            if depth == _WHOLE:
                yield from [(member.type, _WHOLE) for member in members]
        case Array(element=element, index=index):
            yield element, depth
            yield index, _PLAIN
        case _:
            yield from [(reference, depth) for reference in references(kind)]
