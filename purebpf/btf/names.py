"""All the names of a BTF's types, for a search among them: what a misspelt one may have meant.

Rules: each name once, however many types have it, and none that is absurdly long: the types of a damaged file may have
a hundred thousand names of a megabyte, all in one string.
"""

from collections.abc import Iterator

from purebpf.btf.reader import Btf

MAX_NAME = 512
"""Bytes; the kernel's symbols have no longer names."""


def names_of(btf: Btf, *kinds: int) -> Iterator[str]:
    """The names of the own types of these kinds, in the order of the first that has each."""
    words, places, first = btf.words, btf.places, btf.first_id
    strings = btf.strings
    begin = btf.string_end - len(strings)
    for offset in dict.fromkeys([words[places[each - first]] for each in btf.ids_of(*kinds)]):
        at = offset - begin
        if offset and (at < 0 or strings.find(b"\0", at, at + MAX_NAME) > 0):
            yield btf.string(offset)
