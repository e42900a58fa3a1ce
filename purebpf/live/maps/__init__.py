"""Maps as Python objects: a mapping for what has entries, an iterable of events for ring buffers.

Rules: one file a kind; `open_map` chooses. Keys and values are typed by the object's BTF where it declares their
types, else bytes; `m.raw` is the same map by bytes.
"""

import sys
from typing import TYPE_CHECKING, Any

from purebpf.live.maps.array import Array
from purebpf.live.maps.base import Map, MapShape
from purebpf.live.maps.codecs import PerCpuCodec, ValueCodec, entry_codec
from purebpf.live.maps.fd_array import FdArray
from purebpf.live.maps.hash import HashMap
from purebpf.live.maps.ring import RingBufMap
from purebpf.syscall.fd import Fd
from purebpf.uapi import MapType

if TYPE_CHECKING:
    from purebpf.btf import Btf
    from purebpf.spec.model import MapSpec
    from purebpf.units import TypeId

__all__ = ["Array", "FdArray", "HashMap", "Map", "MapShape", "RingBufMap", "open_map", "open_shape"]

_HASHES = frozenset(
    {MapType.HASH, MapType.LRU_HASH, MapType.LPM_TRIE, MapType.RHASH, MapType.STACK_TRACE, MapType.DEVMAP_HASH}
    | {MapType.CGROUP_STORAGE}
)
_PER_CPU_HASHES = frozenset({MapType.PERCPU_HASH, MapType.LRU_PERCPU_HASH, MapType.PERCPU_CGROUP_STORAGE})
_FD_ARRAYS = frozenset({MapType.PROG_ARRAY, MapType.PERF_EVENT_ARRAY, MapType.CGROUP_ARRAY})
_ARRAYS = frozenset({MapType.ARRAY, MapType.DEVMAP, MapType.CPUMAP})


def open_map(fd: Fd, spec: "MapSpec", btf: "Btf | None", *, cpus: int) -> Map:
    """The object for a map as its file declares it; owns `fd`. `cpus` counts the possible CPUs.

    The kernel's figures are asked for where the file's may differ: sizes it rounds, numbers it fills in.
    """
    declared = spec.key_size and spec.value_size and spec.max_entries
    if declared and spec.type in _ARRAYS | _HASHES | _PER_CPU_HASHES:
        shape = MapShape(spec.name, spec.type, spec.key_size, spec.value_size, spec.max_entries, spec.flags)
    else:
        shape = MapShape.of(fd, spec.name)
    return open_shape(fd, shape, btf, spec.key_type, spec.value_type, cpus=cpus)


def open_shape(
    fd: Fd,
    shape: MapShape,
    btf: "Btf | None" = None,
    key_type: "TypeId | int" = 0,
    value_type: "TypeId | int" = 0,
    *,
    cpus: int,
) -> Map:
    """The object for a map of a known shape; owns `fd`."""
    kind = shape.type
    if kind == MapType.RINGBUF:
        return RingBufMap(fd, shape, btf, value_type)
    if kind in _FD_ARRAYS:
        return FdArray(fd, shape, _index_codec(), _index_codec())
    value: ValueCodec = entry_codec(btf, value_type, shape.value_size)
    if kind in _ARRAYS:
        return Array[Any](fd, shape, _index_codec(), value)
    if kind == MapType.PERCPU_ARRAY:
        return Array[Any](fd, shape, _index_codec(), PerCpuCodec(value, cpus))
    key = entry_codec(btf, key_type, shape.key_size)
    if kind in _PER_CPU_HASHES:
        return HashMap[Any, Any](fd, shape, key, PerCpuCodec(value, cpus))
    if kind in _HASHES:
        return HashMap[Any, Any](fd, shape, key, value)
    return Map(fd, shape)


def _index_codec() -> ValueCodec:
    from purebpf.btf.codec.scalars import int_codec

    return int_codec("u32", 4, False, "little" if sys.byteorder == "little" else "big")
