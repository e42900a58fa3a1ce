"""Equal types once: what a merged BTF becomes before it is written.

Two types are equal when nothing one can follow from them tells them apart: name, kind, size, the names and places
of members, and, along every reference, types that are equal in the same sense. So two lists whose heads point at
each other's kind of list are equal although neither was shown equal first. Computed by refinement: all types that
look alike begin as one class; a class whose members refer to different classes is split, its largest part keeps its
name, and only what refers to the other parts is looked at again. That is n log n steps whatever the shape, without
recursion.

A declaration (FWD, or an enum without values) counts as its definition if all definitions of its name are equal.
Where they are not, a declaration says less than either and stays what it is, but for one that takes the place of a
definition in an otherwise equal type: there it is that definition.
"""

from array import array
from collections.abc import Iterator, Sequence

from purebpf.btf.kinds import KIND_MASK, VLEN_MASK
from purebpf.btf.reader import Btf
from purebpf.btf.slots import IdMap, bad_reference, id_slots, name_slots, record_ends, refuse_unknown_kinds
from purebpf.btf.types import Kind
from purebpf.btf.writer import BtfWriter
from purebpf.frozen import frozen

_FWD, _ENUM, _ENUM64 = Kind.FWD.value, Kind.ENUM.value, Kind.ENUM64.value
_STRUCT, _UNION = Kind.STRUCT.value, Kind.UNION.value
_VAR, _DATASEC = Kind.VAR.value, Kind.DATASEC.value
_MAX_ROUNDS = 8
"""Of guessing which declarations can be resolved. Every round gives up names; a real file takes one or two."""
_MAX_COMPARED = 10_000
"""Types looked at to resolve one declaration by what holds it."""

Signature = tuple[int, ...]


@frozen
class Deduplicated:
    """A BTF section, and what became of each id of the one it was made from."""

    data: bytes
    ids: IdMap


def dedup(btf: Btf, *, variables: bool = True) -> Deduplicated:
    """`btf` with equal types merged into the first of them; those of its base, where it has one, are kept and used.

    Variables are one if the sections that hold them are equal as a whole; `variables=False` keeps all of them, and
    all sections, apart: two objects to be linked may well have a section of the same form each.
    """
    graph = _Graph(btf, variables)
    graph.resolve_declarations()
    return _written(btf, graph)


class _Graph:
    """Every type as a signature (its record without ids, strings made comparable) and what it refers to."""

    def __init__(self, btf: Btf, variables: bool) -> None:
        self.btf = btf
        self.signatures: list[Signature] = [()]
        self.references: list[Sequence[int]] = [()]
        self.declarations: dict[tuple[str, int], list[int]] = {}
        self.definitions: dict[tuple[str, int], list[int]] = {}
        self._strings: dict[str, int] = {}
        self._apart = not variables
        chain = [btf]
        while chain[-1].base is not None:
            chain.append(chain[-1].base)
        for part in reversed(chain):
            self._read(part, own=part is btf)
        self.alias = list(range(btf.end_id))
        self.colors: list[int] = []
        if variables:
            self._bind_variables()

    def _read(self, part: Btf, own: bool) -> None:
        refuse_unknown_kinds(part)
        words, places, end_id = part.words, part.places, part.end_id
        canonical = self._canonical_strings(part)
        for type_id, (begin, end) in enumerate(zip(places, record_ends(part), strict=True), part.first_id):
            record = list(words[begin:end])
            info = record[1]
            references = []
            for slot in id_slots(info, 0):
                references.append(record[slot])
                record[slot] = 0
            if references and max(references) >= end_id:
                raise bad_reference(part, type_id, max(references))
            name = record[0]
            record[0] = canonical(name)
            for slot in name_slots(info, 0):
                record[slot] = canonical(record[slot])
            kind = info >> 24 & KIND_MASK
            if self._apart and own and kind in (_VAR, _DATASEC):
                record.append(type_id)
            if name:
                self._note(part.string(name), kind, info, type_id, own)
            self.signatures.append(tuple(record))
            self.references.append(references)

    def _note(self, name: str, kind: int, info: int, type_id: int, own: bool) -> None:
        if kind in (_STRUCT, _UNION):
            self.definitions.setdefault((name, kind), []).append(type_id)
        elif kind == _FWD and own:
            self.declarations.setdefault((name, _UNION if info >> 31 else _STRUCT), []).append(type_id)
        elif kind in (_ENUM, _ENUM64):
            table = self.definitions if info & VLEN_MASK or not own else self.declarations
            table.setdefault((name, _ENUM), []).append(type_id)

    def _canonical_strings(self, part: Btf) -> "_Canonical":
        return _Canonical(part, self._strings)

    def _bind_variables(self) -> None:
        """Let each variable refer to the sections that hold it, so that it equals only one in an equal section."""
        for type_id in self.btf.ids_of(_DATASEC):
            for variable in set(self.references[type_id]):
                self.references[variable] = [*self.references[variable], type_id]

    def resolve_declarations(self) -> None:
        """Find the classes of equal types, with each declaration as its definition where there is but one."""
        open_names = {}
        for key, declared in self.declarations.items():
            defined = self.definitions.get(key, ())
            if defined and len({self.signatures[each] for each in defined}) == 1:
                open_names[key] = declared
        for attempt in range(_MAX_ROUNDS + 1):
            if attempt == _MAX_ROUNDS:
                open_names = {}
            self.alias = list(range(len(self.signatures)))
            for key, declared in open_names.items():
                for each in declared:
                    self.alias[each] = self.definitions[key][0]
            self.colors = refine(self.signatures, self._resolved())
            failed = [key for key in open_names if len({self.colors[each] for each in self.definitions[key]}) > 1]
            if not failed:
                break
            for key in failed:
                del open_names[key]
        for _ in range(_MAX_ROUNDS):
            if not self._resolve_in_place():
                return
            self.colors = refine(self.signatures, self._resolved())

    def _resolve_in_place(self) -> bool:
        """Resolve declarations with several definitions by the types that hold them; tell whether there were any."""
        left = [
            each
            for key, declared in self.declarations.items()
            if key in self.definitions
            for each in declared
            if self.alias[each] == each
        ]
        if not left:
            return False
        matcher = _Matcher(self)
        for each in left:
            for pair in matcher.holders(each):
                found = matcher.match(*pair)
                if each in found:
                    self.alias[each] = found[each]
                    break
        return any(self.alias[each] != each for each in left)

    def _resolved(self) -> list[Sequence[int]]:
        """The references, with aliases followed."""
        alias = self.alias
        changed = {each for each, target in enumerate(alias) if each != target}
        if not changed:
            return self.references
        return [
            references if changed.isdisjoint(references) else [alias[each] for each in references]
            for references in self.references
        ]


class _Matcher:
    """Compares types that are not equal, to see whether declarations are all that keeps them apart."""

    def __init__(self, graph: _Graph) -> None:
        self._graph = graph
        self._key_of = {
            each: key for table in (graph.declarations, graph.definitions) for key, ids in table.items() for each in ids
        }
        self._declared = {each for ids in graph.declarations.values() for each in ids}
        self._sources: list[list[int]] = [[] for _ in graph.signatures]
        for node, targets in enumerate(graph.references):
            for target in targets:
                self._sources[target].append(node)

    def holders(self, declaration: int) -> Iterator[tuple[int, int]]:
        """Structs that refer to the declaration, by pointers and the like, each with one that looks like it."""
        graph, seen, todo = self._graph, {declaration}, [declaration]
        while todo and len(seen) < _MAX_COMPARED:
            for source in self._sources[todo.pop()]:
                if source in seen:
                    continue
                seen.add(source)
                key = self._key_of.get(source)
                if key is None:
                    todo.append(source)
                    continue
                for other in graph.definitions.get(key, ()):
                    alike = graph.signatures[other] == graph.signatures[source]
                    if alike and graph.colors[other] != graph.colors[source]:
                        yield source, other

    def match(self, one: int, other: int) -> dict[int, int]:
        """What each declaration must be for the two types to be equal; empty if nothing makes them so."""
        graph, found = self._graph, dict[int, int]()
        seen, todo = {(one, other)}, [(one, other)]
        while todo:
            pair = todo.pop()
            first, second = graph.alias[pair[0]], graph.alias[pair[1]]
            if graph.colors[first] == graph.colors[second]:
                continue
            if first in self._declared or second in self._declared:
                declaration, definition = (first, second) if first in self._declared else (second, first)
                fits = definition not in self._declared and self._key_of.get(definition) == self._key_of[declaration]
                if not fits or graph.colors[found.setdefault(declaration, definition)] != graph.colors[definition]:
                    return {}
                continue
            if graph.signatures[first] != graph.signatures[second] or len(seen) > _MAX_COMPARED:
                return {}
            for deeper in zip(graph.references[first], graph.references[second], strict=True):
                if deeper not in seen:
                    seen.add(deeper)
                    todo.append(deeper)
        return found


class _Canonical:
    """Numbers for strings, equal for equal ones wherever they stand."""

    __slots__ = ("_known", "_numbers", "_part")

    def __init__(self, part: Btf, numbers: dict[str, int]) -> None:
        self._part = part
        self._numbers = numbers
        self._known: dict[int, int] = {}

    def __call__(self, offset: int) -> int:
        number = self._known.get(offset)
        if number is None:
            text = self._part.string(offset)
            number = self._known[offset] = self._numbers.setdefault(text, len(self._numbers))
        return number


def refine(signatures: Sequence[Signature], references: Sequence[Sequence[int]]) -> list[int]:
    """A color for each node; two nodes share one exactly if nothing reachable from them differs.

    A node's look is its signature, its edges are ordered. Every class that splits leaves its largest part as it is,
    so that a node is looked at again at most log n times for each of its edges.
    """
    numbers: dict[Signature, int] = {}
    colors = [numbers.setdefault(signature, len(numbers)) for signature in signatures]
    members = _classes(colors, range(len(colors)))
    sources: list[list[int]] = [[] for _ in colors]
    for node, targets in enumerate(references):
        for target in targets:
            sources[target].append(node)
    dirty: set[int] = {node for node, targets in enumerate(references) if targets}
    while dirty:
        moved: list[int] = []
        for color, nodes in _classes(colors, dirty).items():
            moved += _split(color, nodes, members, colors, references)
        dirty = {source for node in moved for source in sources[node]}
    return colors


def _classes(colors: Sequence[int], nodes: "Sequence[int] | set[int]") -> dict[int, set[int]]:
    classes: dict[int, set[int]] = {}
    for node in nodes:
        classes.setdefault(colors[node], set()).add(node)
    return classes


def _split(
    color: int, dirty: set[int], members: dict[int, set[int]], colors: list[int], references: Sequence[Sequence[int]]
) -> list[int]:
    """Split one class by what its dirty nodes refer to now, and tell which nodes left it.

    The nodes that are not dirty referred to the same classes before and still do: they stay together.
    """
    whole = members[color]
    if len(whole) == 1:
        return []
    parts: dict[Signature, set[int]] = {}
    for node in dirty:
        parts.setdefault(tuple([colors[each] for each in references[node]]), set()).add(node)
    rest = len(whole) - len(dirty)
    if len(parts) == 1 and not rest:
        return []
    groups = sorted(parts.values(), key=len, reverse=True)
    if rest:
        # Costs as much as there are dirty nodes; the rest may be many times that.
        whole.difference_update(dirty)
        groups.insert(0 if rest >= len(groups[0]) else 1, whole)
    members[color] = groups.pop(0)
    moved: list[int] = []
    for group in groups:
        number = len(members)
        members[number] = group
        for node in group:
            colors[node] = number
        moved += group
    return moved


def _written(btf: Btf, graph: _Graph) -> Deduplicated:
    """The first type of each class under new ids, with the strings that they use."""
    aliased = graph.alias
    first_of: dict[int, int] = {}
    for type_id, color in enumerate(graph.colors):
        if aliased[type_id] == type_id:
            first_of.setdefault(color, type_id)
    kept = [each for each in btf.ids() if aliased[each] == each and first_of[graph.colors[each]] == each]
    ids = array("I", range(btf.first_id))
    ids.extend([0] * len(btf.ids()))
    for new, old in enumerate(kept, btf.first_id):
        ids[old] = new
    for old in btf.ids():
        ids[old] = ids[first_of[graph.colors[aliased[old]]]]
    writer = BtfWriter(byteorder=btf.byteorder, base=btf.base)
    writer.add_renumbered(btf, kept, ids)
    return Deduplicated(writer.build(), ids)
