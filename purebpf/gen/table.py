"""A BTF and its bases as one flat table of words: what a pass over every type of a kernel reads.

Building the 126 000 types of a vmlinux takes 700 ms, and most of them no header shows; here a struct costs a slice.
"""

from array import array
from collections.abc import Sequence
from itertools import accumulate

from purebpf.btf.kinds import KIND_MASK, VLEN_MASK
from purebpf.btf.reader import Btf
from purebpf.btf.slots import refuse_unknown_kinds
from purebpf.errors import BtfError
from purebpf.gen.names import identifier


class _Texts(dict[int, str]):
    """The strings by their offsets, split in one go: a kernel's header wants most of them."""

    def __init__(self, btf: Btf, strings: bytes) -> None:
        parts = strings.split(b"\0")
        offsets = accumulate(map((1).__add__, map(len, parts)), initial=0)
        super().__init__(zip(offsets, [part.decode("utf-8", "surrogateescape") for part in parts], strict=False))
        self._btf = btf

    def __missing__(self, offset: int) -> str:
        # The tail of another string, or a mistake.
        text = self[offset] = self._btf.string(offset)
        return text


class _Identifiers(dict[int, str]):
    """The same strings as C accepts them for members and parameters."""

    def __init__(self, texts: _Texts) -> None:
        super().__init__()
        self._texts = texts

    def __missing__(self, offset: int) -> str:
        name = self[offset] = identifier(self._texts[offset])
        return name


class Table:
    """Types by id, base's included: `places[id]` is the word of `words` at which its record begins."""

    def __init__(self, btf: Btf) -> None:
        chain = [btf]
        while chain[-1].base is not None:
            chain.append(chain[-1].base)
        self.btf = btf
        self.first_id = btf.first_id
        self.end_id = btf.end_id
        self.pointer_size = btf.pointer_size
        # Void is a record of its own kind, so that id 0 needs no test anywhere.
        self.words = array("I", (0, 0, 0))
        self.places = [0]
        strings = []
        for part in reversed(chain):
            refuse_unknown_kinds(part)
            shift = len(self.words)
            self.words.frombytes(memoryview(part.words).cast("B"))
            self.places += [shift + place for place in part.places]
            strings.append(part.strings)
        words = self.words
        self.kinds = bytes([words[place + 1] >> 24 & KIND_MASK for place in self.places])
        self.texts = _Texts(btf, b"".join(strings))
        self.identifiers = _Identifiers(self.texts)

    def name(self, type_id: int) -> str:
        """The type's name."""
        return self.texts[self.words[self.places[type_id]]]

    def flag(self, type_id: int) -> bool:
        """The type's kind_flag."""
        return bool(self.words[self.places[type_id] + 1] >> 31)

    def count(self, type_id: int) -> int:
        """How many members, values or parameters the type has."""
        return self.words[self.places[type_id] + 1] & VLEN_MASK

    def third(self, type_id: int) -> int:
        """The size of the type or what it refers to."""
        return self.words[self.places[type_id] + 2]

    def target(self, type_id: int) -> int:
        """What the type refers to; BtfError for an id that does not exist."""
        target = self.words[self.places[type_id] + 2]
        if target >= self.end_id:
            raise self.fault(type_id, f"refers to type {target}, the last one is {self.end_id - 1}")
        return target

    def element(self, type_id: int) -> tuple[int, int]:
        """An array's element type and count."""
        at = self.places[type_id]
        element, count = self.words[at + 3], self.words[at + 5]
        if element >= self.end_id:
            raise self.fault(type_id, f"refers to type {element}, the last one is {self.end_id - 1}")
        return element, count

    def columns(self, type_id: int, width: int) -> list[Sequence[int]]:
        """The elements behind the head, `width` words each, as that many columns."""
        begin = self.places[type_id] + 3
        rest = self.words[begin : begin + width * (self.words[begin - 2] & VLEN_MASK)]
        return [rest[column::width] for column in range(width)]

    def checked(self, type_id: int, targets: Sequence[int]) -> Sequence[int]:
        """`targets`, which the type refers to; BtfError for an id that does not exist."""
        if targets and max(targets) >= self.end_id:
            raise self.fault(type_id, f"refers to type {max(targets)}, the last one is {self.end_id - 1}")
        return targets

    def fault(self, type_id: int, reason: str) -> BtfError:
        """The complaint about a type."""
        name = self.name(type_id)
        subject = f"type {type_id} '{name}'" if name else f"type {type_id}"
        return BtfError(f"{subject} {reason}", file=self.btf.name, section=".BTF")
