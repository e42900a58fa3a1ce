"""Maps with entries: what hash maps and arrays have in common.

Reading one entry is one system call. `m[key]` with integers or bytes is carried out by the base class `Entries`
in C; `_get`, `_set` and `_remove` here are for everything else: other types, missing keys, refusals. Whole-map reads
(`items`, `values`, `len`) move many entries a call (BPF_MAP_LOOKUP_BATCH, 5.6) and fall back to one key after the
other where the kernel cannot.

Programs change a map while it is read. Walking key by key, the kernel begins anew when the key it stands on was
deleted meanwhile; so keys may come twice, others not at all, and a walk ends after `max_entries` keys at the latest.
"""

import errno
import os
from collections.abc import ItemsView, Iterator, MutableMapping, ValuesView
from typing import Any, ClassVar, TypeVar, cast

from purebpf.btf.codec.misfit import Misfit
from purebpf.errors import KernelError
from purebpf.host import kernel_error
from purebpf.live.maps.base import Map, MapShape
from purebpf.live.maps.codecs import BYTES, RawCodec, ValueCodec, integer_kind
from purebpf.syscall.batch import map_batch
from purebpf.syscall.fd import Fd
from purebpf.syscall.native import Entries
from purebpf.uapi import BPF_EXIST, BPF_NOEXIST, Command, MapType

K = TypeVar("K")
V = TypeVar("V")

# Entries moved by one batch call: 4096 cost 4% more an entry than 65536, and a sixteenth of the memory.
BATCH = 4096

# A map without batch operations: EINVAL or (since 5.x, an errno that is no user-space one) ENOTSUPP.
ENOTSUPP = 524
_NO_BATCH = frozenset({errno.EINVAL, ENOTSUPP, errno.EOPNOTSUPP, errno.EPERM})

# Kinds whose updates wait for something in the kernel: the GIL is released around their calls.
_WAITING = frozenset(
    {MapType.ARRAY_OF_MAPS, MapType.HASH_OF_MAPS, MapType.PROG_ARRAY, MapType.STRUCT_OPS, MapType.SOCKMAP}
    | {MapType.SOCKHASH, MapType.PERF_EVENT_ARRAY, MapType.DEVMAP, MapType.DEVMAP_HASH, MapType.CPUMAP}
)

_LOOKUP = int(Command.MAP_LOOKUP_ELEM)
_LOOKUP_AND_DELETE = int(Command.MAP_LOOKUP_AND_DELETE_ELEM)
_UPDATE = int(Command.MAP_UPDATE_ELEM)
_DELETE = int(Command.MAP_DELETE_ELEM)
_NEXT_KEY = int(Command.MAP_GET_NEXT_KEY)

_MISSING = object()


class KeyedMap(Map, Entries, MutableMapping[K, V]):
    """A map used as a dict. Made by `open_map`."""

    # Of kinds whose `_set` does more than encode, False: C may not pass it by.
    _converts_nothing: ClassVar[bool] = True

    def __init__(self, fd: Fd, shape: MapShape, key_codec: ValueCodec, value_codec: ValueCodec) -> None:
        Map.__init__(self, fd, shape)
        self.key_codec = key_codec
        self.value_codec = value_codec
        key_kind, value_kind = integer_kind(key_codec), integer_kind(value_codec)
        self._plain_keys = key_kind != BYTES or isinstance(key_codec, RawCodec)
        self._plain_values = value_kind != BYTES or isinstance(value_codec, RawCodec)
        self._decode_value = value_codec.decode
        Entries.__init__(
            self,
            fd.number,
            shape.key_size,
            value_codec.size,
            key_kind=key_kind,
            value_kind=value_kind,
            waits=shape.type in _WAITING,
            direct=self._converts_nothing and self._plain_keys and self._plain_values,
        )
        self._raw: KeyedMap[Any, Any] | None = None
        self._owner: KeyedMap[Any, Any] | None = None

    # ------------------------------------------------------------ one entry

    def _get(self, key: K) -> V:
        self._check_open()
        try:
            value: Any = self._operate(_LOOKUP, key if self._plain_keys else self._encode_key(key))
        except OSError as error:
            raise self._refused("read", error) from error
        if value is None:
            raise self._missing(key)
        return value if self._plain_values else self._decode_value(value)  # type: ignore[no-any-return]

    def get(self, key: K, default: Any = None) -> Any:
        """The value of `key`, or `default`: a missing key costs no exception here."""
        try:
            value: Any = self._operate(_LOOKUP, key if self._plain_keys else self._encode_key(key))
        except OSError as error:
            raise self._refused("read", error) from error
        if value is None:
            return default
        return value if self._plain_values else self._decode_value(value)

    def __contains__(self, key: object) -> bool:
        return self.get(cast(K, key), _MISSING) is not _MISSING

    def _set(self, key: K, value: V) -> None:
        self._check_open()
        try:
            self._operate(
                _UPDATE,
                key if self._plain_keys else self._encode_key(key),
                value if self._plain_values else self._encode_value(value),
            )
        except OSError as error:
            raise self._not_stored(key, error) from error

    def insert(self, key: K, value: V) -> None:
        """Set a key that must be new: FileExistsError if it is there, as one step."""
        self._store(key, value, BPF_NOEXIST)

    def replace(self, key: K, value: V) -> None:
        """Set a key that must be there: KeyError if it is not, as one step."""
        self._store(key, value, BPF_EXIST)

    def _remove(self, key: K) -> None:
        self._check_open()
        try:
            self._operate(_DELETE, key if self._plain_keys else self._encode_key(key))
        except FileNotFoundError:
            raise self._missing(key) from None
        except OSError as error:
            raise self._refused("delete an entry of", error) from error

    def pop(self, key: K, default: Any = _MISSING) -> Any:
        """Take an entry out and give its value; one step in the kernel where it can (hash maps: 5.14)."""
        raw_key = key if self._plain_keys else self._encode_key(key)
        try:
            value: Any = self._operate(_LOOKUP_AND_DELETE, raw_key)
        except OSError as error:
            if error.errno not in _NO_BATCH:
                raise self._refused("take an entry out of", error) from error
            value = self._operate(_LOOKUP, raw_key)
            if value is not None:
                try:
                    self._operate(_DELETE, raw_key)
                except FileNotFoundError:
                    value = None
        if value is not None:
            return value if self._plain_values else self._decode_value(value)
        if default is _MISSING:
            raise self._missing(key)
        return default

    def _check_open(self) -> None:
        if self._fd < 0:
            raise ValueError(f"map '{self.name}' is closed")

    def _store(self, key: K, value: V, flags: int) -> None:
        raw_key = key if self._plain_keys else self._encode_key(key)
        raw_value = value if self._plain_values else self._encode_value(value)
        try:
            self._operate(_UPDATE, raw_key, raw_value, flags)
        except OSError as error:
            raise self._not_stored(key, error) from error

    def _not_stored(self, key: K, error: OSError) -> Exception:
        match error.errno:
            case errno.E2BIG if not self._holds(key):
                return self._full(key)
            case errno.ENOENT:
                return self._missing(key)
            case errno.EEXIST:
                return FileExistsError(errno.EEXIST, f"map '{self.name}' already has the key {key!r}")
        return self._refused("set an entry of", error)

    def _holds(self, key: K) -> bool:
        """Whether `key` can be one of this map's at all."""
        return False

    def _full(self, key: K) -> Exception:
        return KernelError(
            "set an entry of map",
            self.name,
            errno.E2BIG,
            reason=f"all of its {self.max_entries} entries are taken",
            remedy="delete entries, or raise max_entries before loading",
        )

    def _missing(self, key: object) -> KeyError:
        return KeyError(key)

    def _refused(self, operation: str, error: OSError) -> KernelError:
        return kernel_error(f"{operation} map", self.name, error)

    def _encode_key(self, key: K) -> bytes:
        try:
            return cast(bytes, self.key_codec.encode(key))
        except Misfit as misfit:
            raise misfit.within("key") from None

    def _encode_value(self, value: V) -> bytes:
        try:
            return cast(bytes, self.value_codec.encode(value))
        except Misfit as misfit:
            raise misfit.within("value") from None

    # ------------------------------------------------------------ all entries

    def __iter__(self) -> Iterator[K]:
        """Keys, each fetched before the one before it is given out: deleting that one does not disturb the walk."""
        decode = (lambda key: key) if self._plain_keys else self.key_codec.decode
        operate = self._operate
        try:
            key: Any = operate(_NEXT_KEY, None)
            for _ in range(self.max_entries):
                if key is None:
                    return
                following = operate(_NEXT_KEY, key)
                yield decode(key)
                key = following
        except OSError as error:
            raise self._refused("walk through", error) from error

    def items(self) -> ItemsView[K, V]:
        """Keys with their values, many a system call; as they were at some moment of the walk."""
        return _BatchItems(self)

    def values(self) -> ValuesView[V]:
        """Values, many a system call."""
        return _BatchValues(self)

    def __len__(self) -> int:
        """How many entries there are; the kernel keeps no count, so they are walked through."""
        return sum(count for count, _keys, _values in self._chunks())

    def clear(self) -> None:
        """Delete every entry that is there when its turn comes."""
        for key in self._raw_keys():
            try:
                self.raw._operate(_DELETE, key)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise self._refused("delete an entry of", error) from error

    def pairs(self) -> Iterator[tuple[K, V]]:
        """What `items()` gives, as a plain iterator."""
        keys_of, values_of = unpacker(self.key_codec), unpacker(self.value_codec)
        for count, keys, values in self._chunks():
            yield from zip(keys_of(keys, count), values_of(values, count), strict=True)

    def _raw_keys(self) -> list[bytes]:
        size = self.shape.key_size
        return [
            bytes(keys[start : start + size])
            for count, keys, _values in self._chunks()
            for start in range(0, count * size, size)
        ]

    def _chunks(self) -> Iterator[tuple[int, memoryview, memoryview]]:
        """Packed entries: how many, their keys, their values; the buffers are used again for the next chunk."""
        room = max(1, min(self.max_entries, BATCH))
        key_size, value_size = self.shape.key_size, self.value_codec.size
        started = False
        place: bytearray | None = None
        while True:
            keys, values, ahead = bytearray(room * key_size), bytearray(room * value_size), bytearray(max(4, key_size))
            # A batch lets other threads run. One that closed the map meanwhile must not make the kernel write the
            # entries of whatever gets the number next into these buffers, so the number is kept for the call.
            with Fd(os.dup(self.fileno()), self.fd.what) as held:
                count, error = map_batch(
                    Command.MAP_LOOKUP_BATCH, held.number, room, key_size=key_size, value_size=value_size, keys=keys,
                    values=values, place=place, next_place=ahead,
                )  # fmt: skip
            if error == errno.ENOSPC:
                # One bucket of the hash holds more entries than there was room for; nothing was moved of it.
                room *= 2
                continue
            if error in _NO_BATCH and not started:
                yield from self._chunks_by_key()
                return
            if error not in (0, errno.ENOENT):
                raise self._refused("read", OSError(error, ""))
            started = True
            if count:
                yield count, memoryview(keys), memoryview(values)
            if error == errno.ENOENT:
                return
            place = ahead

    def _chunks_by_key(self) -> Iterator[tuple[int, memoryview, memoryview]]:
        raw = self.raw
        for key in KeyedMap.__iter__(raw):
            value = raw._operate(_LOOKUP, key)
            if value is not None:
                yield 1, memoryview(key), memoryview(cast(bytes, value))

    # ------------------------------------------------------------ bytes

    @property
    def raw(self) -> "KeyedMap[bytes, bytes]":
        """The same map by bytes: keys and values as the kernel has them. Closing either closes both."""
        if self._raw is None:
            raw = KeyedMap[bytes, bytes](
                self.fd, self.shape, RawCodec(self.shape.key_size), RawCodec(self.value_codec.size)
            )
            raw._owner = self
            raw._raw = raw
            self._raw = raw
        return self._raw

    def close(self) -> None:
        """Let go of the map and of its raw view; it lives on while programs use it or it is pinned."""
        if self._owner is not None:
            self._owner.close()
            return
        # The C side forgets the number before another file can get it.
        self._fd = -1
        if self._raw is not None:
            self._raw._fd = -1
        super().close()


class _BatchItems(ItemsView[K, V]):
    def __iter__(self) -> Iterator[tuple[K, V]]:
        return cast(KeyedMap[K, V], self._mapping).pairs()  # type: ignore[attr-defined]


class _BatchValues(ValuesView[V]):
    def __iter__(self) -> Iterator[V]:
        mapping = cast(KeyedMap[Any, V], self._mapping)  # type: ignore[attr-defined]
        values_of = unpacker(mapping.value_codec)
        for count, _keys, values in mapping._chunks():
            yield from values_of(values, count)


def unpacker(codec: ValueCodec) -> Any:
    """A function from a packed buffer and a count to a list of values, the fastest this codec allows."""
    size, decode = codec.size, codec.decode
    if integer_kind(codec) != BYTES:
        letter = getattr(codec, "format", "")
        return lambda buffer, count: buffer[: count * size].cast(letter).tolist()
    return lambda buffer, count: [decode(buffer, start) for start in range(0, count * size, size)]
