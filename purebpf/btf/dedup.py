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

from __future__ import annotations

from array import array
from collections import defaultdict

from purebpf.btf.kinds import KIND_MASK, VLEN_MASK
from purebpf.btf.slots import (
    ARRAY,
    HEAD_KINDS,
    LISTED_IDS,
    LISTED_NAMES,
    IdMap,
    bad_reference,
    record_ends,
    refuse_unknown_kinds,
)
from purebpf.btf.types import Kind
from purebpf.btf.writer import BtfWriter
from purebpf.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Sequence

    from purebpf.btf.reader import Btf

_FWD, _ENUM, _ENUM64 = Kind.FWD.value, Kind.ENUM.value, Kind.ENUM64.value
_STRUCT, _UNION = Kind.STRUCT.value, Kind.UNION.value
_VAR, _DATASEC = Kind.VAR.value, Kind.DATASEC.value
_MAX_ROUNDS = 8
"""Of guessing which declarations can be resolved. Every round gives up names; a real file takes one or two."""
_MAX_COMPARED = 10_000
"""Types looked at to resolve one declaration by what holds it."""

_NONE: tuple[int, ...] = ()


class Deduplicated(Frozen):
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
        self.signatures: list[bytes] = [b""]
        self.references: list[Sequence[int]] = [()]
        self.declarations: dict[tuple[int, int], list[int]] = {}
        self.definitions: dict[tuple[int, int], list[int]] = {}
        self._strings: dict[bytes, int] = {}
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
        words = array("I", bytes(memoryview(part.words).cast("B")))
        self._take_references(part, words)
        make_comparable(part, words, self._strings)
        raw = words.tobytes()
        places, ends = part.places, record_ends(part)
        self.signatures += [raw[4 * begin : 4 * end] for begin, end in zip(places, ends, strict=True)]
        if self._apart and own:
            for type_id in part.ids_of(_VAR, _DATASEC):
                self.signatures[type_id] += type_id.to_bytes(4, "little")
        for type_id in part.ids_of(_STRUCT, _UNION, _FWD, _ENUM, _ENUM64):
            at = places[type_id - part.first_id]
            if words[at]:
                self._note(words[at], words[at + 1], type_id, own)

    def _take_references(self, part: Btf, words: array[int]) -> None:
        """Move the type ids out of the records."""
        add, end_id = self.references.append, part.end_id
        heads, listed = HEAD_KINDS, LISTED_IDS
        for at in part.places:
            info = words[at + 1]
            kind = info >> 24 & KIND_MASK
            found = _NONE
            if kind in heads:
                found = (words[at + 2],)
                words[at + 2] = 0
            count = 2 if kind == ARRAY else info & VLEN_MASK
            if count and kind in listed:
                begin, width = listed[kind]
                slots = slice(at + begin, at + begin + width * count, width)
                found = (*found, *words[slots])
                words[slots] = array("I", bytes(4 * count))
            if found and max(found) >= end_id:
                raise bad_reference(part, len(self.references), max(found))
            add(found)

    def _note(self, name: int, info: int, type_id: int, own: bool) -> None:
        kind = info >> 24 & KIND_MASK
        if kind in (_STRUCT, _UNION):
            self.definitions.setdefault((name, kind), []).append(type_id)
        elif kind == _FWD and own:
            self.declarations.setdefault((name, _UNION if info >> 31 else _STRUCT), []).append(type_id)
        elif kind in (_ENUM, _ENUM64):
            table = self.definitions if info & VLEN_MASK or not own else self.declarations
            table.setdefault((name, _ENUM), []).append(type_id)

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


def make_comparable(part: Btf, words: array[int], known: dict[bytes, int]) -> None:
    """Have equal strings at equal offsets in `words`, the records of `part`; `known` are the strings seen before.

    In a section that was written with care they are, but for what a base has too, and nothing is to be done.
    """
    used = _names_used(part, words)
    if used and max(used) >= part.string_end:
        part.string(max(used))  # refuses it
    begin, odd = part.string_end - len(part.strings), dict[int, int]()
    at = begin
    for text in part.strings.split(b"\0")[:-1]:
        first = known.setdefault(text, at)
        if first != at:
            odd[at] = first
        used.discard(at)
        at += len(text) + 1
    for tail in used:
        if tail >= begin:
            text = part.string(tail).encode("utf-8", "surrogateescape")
            odd[tail] = known.setdefault(text, tail)
    if odd:
        _replace_names(part, words, odd)


def _names_used(part: Btf, words: array[int]) -> set[int]:
    used = set(map(words.__getitem__, part.places))
    for slots in _names_inside(part, words):
        used.update(words[slots])
    return used


def _replace_names(part: Btf, words: array[int], odd: dict[int, int]) -> None:
    for at in part.places:
        words[at] = odd.get(words[at], words[at])
    for slots in _names_inside(part, words):
        words[slots] = array("I", [odd.get(each, each) for each in words[slots]])


def _names_inside(part: Btf, words: array[int]) -> Iterator[slice]:
    """Where the names of members, values and parameters are, record by record."""
    places, first = part.places, part.first_id
    for type_id in part.ids_of(*LISTED_NAMES):
        at = places[type_id - first]
        info = words[at + 1]
        if info & VLEN_MASK:
            begin, width = LISTED_NAMES[info >> 24 & KIND_MASK]
            yield slice(at + begin, at + begin + width * (info & VLEN_MASK), width)


def refine(signatures: Sequence[Hashable], references: Sequence[Sequence[int]]) -> list[int]:
    """A color for each node; two nodes share one exactly if nothing reachable from them differs.

    A node's look is its signature, its edges are ordered. Every class that splits leaves its largest part as it is,
    so that a node is looked at again at most log n times for each of its edges.
    """
    numbers: dict[Hashable, int] = {}
    colors = [numbers.setdefault(signature, len(numbers)) for signature in signatures]
    classes = _Classes(colors)
    sources: list[list[int]] = [[] for _ in colors]
    for node, targets in enumerate(references):
        for target in targets:
            sources[target].append(node)
    dirty: Iterable[int] = [node for node, targets in enumerate(references) if targets]
    while dirty:
        by_color = defaultdict[int, list[int]](list)
        for node in dirty:
            by_color[colors[node]].append(node)
        moved: list[int] = []
        for color, nodes in by_color.items():
            if classes.sizes[color] > 1:
                moved += classes.split(color, nodes, references)
        dirty = {source for node in moved for source in sources[node]}
    return colors


class _Classes:
    """The nodes of each color."""

    def __init__(self, colors: list[int]) -> None:
        self._colors = colors
        # Nodes that left a class are still listed there until somebody reads the list.
        self._members: list[list[int]] = [[] for _ in range(max(colors, default=-1) + 1)]
        for node, color in enumerate(colors):
            self._members[color].append(node)
        self.sizes = list(map(len, self._members))

    def split(self, color: int, dirty: list[int], references: Sequence[Sequence[int]]) -> list[int]:
        """Split one class by what its dirty nodes refer to now, and tell which nodes left it.

        The nodes that are not dirty referred to the same classes before and still do: they stay together.
        """
        colors = self._colors
        looks = [tuple([colors[each] for each in references[node]]) for node in dirty]
        rest = self.sizes[color] - len(dirty)
        if not rest and looks.count(looks[0]) == len(looks):
            return []
        parts = defaultdict[tuple[int, ...], list[int]](list)
        for node, look in zip(dirty, looks, strict=True):
            parts[look].append(node)
        groups = sorted(parts.values(), key=len, reverse=True)
        if rest >= len(groups[0]):
            # Costs as much as there are dirty nodes; the rest may be many times that.
            self.sizes[color] = rest
        else:
            if rest:
                gone = set(dirty)
                groups.append([node for node in self._members[color] if colors[node] == color and node not in gone])
            self._members[color] = groups.pop(0)
            self.sizes[color] = len(self._members[color])
        moved: list[int] = []
        for group in groups:
            for node in group:
                colors[node] = len(self._members)
            self._members.append(group)
            self.sizes.append(len(group))
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
