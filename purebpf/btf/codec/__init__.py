"""Bytes to Python values and back, by BTF.

    codec = codec_for(btf, type_id)
    event = codec.decode(buffer)            # event(pid=1, comm='init')
    raw = codec.encode({"pid": 1, "comm": "init"})

| C | Python | accepted by `encode` besides |
|---|---|---|
| integers, pointers | int | bool, anything with `__index__` |
| bool | bool | 0, 1 |
| float, double | float | int; 80 and 128 bits: bytes, both ways |
| enum | a member of an IntEnum, int if the value has no name | int, the enumerator's name |
| char[N] | str up to the first NUL (surrogateescape) | bytes; at most N bytes |
| unsigned char[N] | bytes | bytearray, memoryview; exactly N bytes |
| T[N] | list | any sequence of N |
| struct | `Record` | a mapping, a sequence, an object with the members as attributes |
| union | `UnionValue` | its bytes, a mapping with exactly one member |

A value that does not fit is a TypeError (wrong shape) or a ValueError (out of range) whose text leads to the part at
fault: `addr.port: 70000 does not fit u16`; both are a `Misfit`, to which a caller may add a step (`within("key")`).
"""

from purebpf.btf.codec.arrays import bytes_codec
from purebpf.btf.codec.base import Codec
from purebpf.btf.codec.compiling import codec_for
from purebpf.btf.codec.misfit import Misfit
from purebpf.btf.codec.records import Record, UnionValue, plain

__all__ = ["Codec", "Misfit", "Record", "UnionValue", "bytes_codec", "codec_for", "plain"]
