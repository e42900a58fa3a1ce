"""Hash maps: hash, LRU, per-CPU, LPM trie and whatever else is keyed by bytes of any size."""

from typing import TypeVar

from purebpf.live.maps.keyed import KeyedMap

K = TypeVar("K")
V = TypeVar("V")


class HashMap(KeyedMap[K, V]):
    """A hash map in the kernel, used as a dict.

    Programs change it while it is read: iterating visits some keys twice and misses others when entries go away
    meanwhile, as the kernel's own walk does; it always ends. An LRU map drops old entries when it is full, any
    other refuses new ones. The key of an LPM trie begins with its prefix length (struct bpf_lpm_trie_key); looking
    one up finds the longest prefix that matches. Values of per-CPU maps are lists, an item for each possible CPU.
    """
