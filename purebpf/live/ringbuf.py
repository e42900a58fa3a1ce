"""Reading a BPF ring buffer: one at a time, in batches, by callback, or into a buffer.

Rules: an event leaves the ring when it is handed over, in order, once; an exception in between loses none. A ring
is read with the ordering of memory accesses that the kernel asks for, which only the C side can give. `close()` may
be called from any thread: a reader that waits wakes up and ends; what it holds is released by the last one out.

Events are decoded by the codec given, else bytes. A record shorter than its type is not of that type (programs send
what they like) and is handed over as bytes.
"""

import mmap
import os
import select
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from purebpf.host import kernel_error
from purebpf.live.maps.base import MapShape
from purebpf.syscall.fd import Fd
from purebpf.syscall.native import ring_each, ring_into, ring_list
from purebpf.uapi import MapType

if TYPE_CHECKING:
    from typing_extensions import Buffer

# Events taken out of the ring at a time by the iterator: enough that the cost of a batch vanishes, few enough that
# the ring is soon free again.
ITERATOR_BATCH = 256

RECORD_HEADER = 8
"""Bytes before each event in what `into` gives: u32 length, u32 of the kernel's own."""

_POSITION = struct.Struct("@L")


class EventCodec(Protocol):
    """What a ring needs of a codec; those of `purebpf.btf` have it."""

    @property
    def size(self) -> int: ...
    @property
    def decode(self) -> Any: ...


class HasFileno(Protocol):
    """A map."""

    def fileno(self) -> int: ...


class RingBuffer:
    """A reader of one ring buffer map, given by an object with `fileno()` or an fd; the map stays the caller's.

    Several readers of one map share its events, each event going to one of them.
    """

    def __init__(self, source: HasFileno | int, codec: EventCodec | None = None, *, name: str = "") -> None:
        number = source if isinstance(source, int) else source.fileno()
        self.name = name or str(getattr(source, "name", "")) or f"fd {number}"
        self._closed = True
        self.size = self._size_of(number)
        self._decode = _decoder(codec)
        self._pending: deque[bytes] = deque()
        self._page = mmap.PAGESIZE
        try:
            self._consumer = mmap.mmap(number, self._page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
            self._data = mmap.mmap(
                number, self._page + 2 * self.size, mmap.MAP_SHARED, mmap.PROT_READ, offset=self._page
            )
        except OSError as error:
            raise kernel_error("map the memory of ring buffer", self.name, error) from error
        self._wakeup = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._epoll = select.epoll()
        self._epoll.register(number, select.EPOLLIN)
        self._epoll.register(self._wakeup, select.EPOLLIN)
        self._lock = threading.RLock()
        self._users = 0
        self._users_lock = threading.Lock()
        self._closed = False

    def _size_of(self, number: int) -> int:
        borrowed = Fd(number, f"ring buffer '{self.name}'")
        try:
            shape = MapShape.of(borrowed, self.name)
        finally:
            borrowed.detach()
        if shape.type != MapType.RINGBUF:
            raise TypeError(f"'{self.name}' is a {shape.kind} map, not a ring buffer")
        return shape.max_entries

    # ------------------------------------------------------------ reading

    def read(self, timeout: float | None = None) -> Any:
        """The next event; None when `timeout` seconds passed without one, or the ring was closed meanwhile."""
        for event in self._waiting(timeout, 1):
            return self._decode(event)
        return None

    def batch(self, timeout: float | None = None, limit: int = -1) -> list[Any]:
        """All events there are (at most `limit`), after waiting for the first; empty on timeout or close."""
        events = self._waiting(timeout, limit)
        return events if self._decode is bytes else [self._decode(event) for event in events]

    def __iter__(self) -> Iterator[Any]:
        """Events as they come, for ever; ends when the ring is closed."""
        return self.events()

    def events(self, timeout: float | None = None) -> Iterator[Any]:
        """Events as they come; ends when none came for `timeout` seconds, or when the ring is closed."""
        decode, pending = self._decode, self._pending
        while True:
            try:
                events = self._waiting(timeout, ITERATOR_BATCH)
            except ValueError:
                # Closed between two events: the loop ends as it does when closed while it waits.
                if self._closed:
                    return
                raise
            if not events:
                return
            # What is left when the caller breaks off the loop waits for the next reader, in order.
            pending.extendleft(reversed(events))
            while True:
                try:
                    event = pending.popleft()
                except IndexError:
                    break
                yield decode(event)

    def consume(self, callback: Callable[[Any], object], limit: int = -1) -> int:
        """Call `callback` with each event that is there, without waiting; how many there were.

        An exception of the callback comes out here; the next call goes on with the event after. The callback may
        read this ring itself, or close it.
        """
        decode = self._decode
        deliver = callback if decode is bytes else lambda event: callback(decode(event))
        self._enter()
        try:
            with self._lock:
                count = 0
                while count != limit and (event := self._next_pending()) is not None:
                    count += 1
                    deliver(event)
                rest = limit - count if limit >= 0 else -1
                return count + ring_each(self._consumer, self._data, self._page, deliver, rest)
        finally:
            self._leave()

    def into(self, buffer: "Buffer", limit: int = -1) -> tuple[int, int]:
        """Move the events that are there into `buffer`, undecoded; how many, and how many bytes of it they take.

        Each stands behind `RECORD_HEADER` bytes whose first four are its length, padded to a multiple of 8: see
        `split`. The cheapest way by far. A buffer too small for one event is a ValueError.
        """
        self._enter()
        try:
            with self._lock:
                if self._pending:
                    return self._pending_into(memoryview(buffer).cast("B"), limit)
                return ring_into(self._consumer, self._data, self._page, buffer, limit)
        finally:
            self._leave()

    def _pending_into(self, view: memoryview, limit: int) -> tuple[int, int]:
        count = used = 0
        while count != limit and (event := self._next_pending()) is not None:
            taken = RECORD_HEADER + -(-len(event) // 8) * 8
            if used + taken > len(view):
                self._pending.appendleft(event)
                if count == 0:
                    raise ValueError(f"a buffer of {len(view)} bytes is too small: the next record takes {taken}")
                break
            record = len(event).to_bytes(4, "little" if _LITTLE else "big") + bytes(4) + event
            view[used : used + taken] = record.ljust(taken, b"\0")
            used += taken
            count += 1
        return count, used

    def poll(self, timeout: float | None = None) -> bool:
        """Wait until there is something to read; False when `timeout` seconds passed or the ring was closed."""
        self._enter()
        try:
            return bool(self._pending) or self._wait(None if timeout is None else monotonic() + timeout)
        finally:
            self._leave()

    def _waiting(self, timeout: float | None, limit: int) -> list[bytes]:
        deadline = None if timeout is None else monotonic() + timeout
        self._enter()
        try:
            while True:
                events = self._take(limit)
                if events or self._closed:
                    return events
                # The first record may be one that its program has not finished: ready to poll, nothing to take.
                if not self._wait(deadline):
                    return self._take(limit)
        finally:
            self._leave()

    def _take(self, limit: int) -> list[bytes]:
        with self._lock:
            events: list[bytes] = []
            while len(events) != limit and (event := self._next_pending()) is not None:
                events.append(event)
            return events or ring_list(self._consumer, self._data, self._page, limit)

    def _next_pending(self) -> bytes | None:
        """The first event that a loop left behind. Loops take theirs without the lock: a look first proves nothing."""
        try:
            return self._pending.popleft() if self._pending else None
        except IndexError:
            return None

    def _wait(self, deadline: float | None) -> bool:
        left = -1 if deadline is None else max(0.0, deadline - monotonic())
        ready = self._epoll.poll(left, 2)
        return bool(ready) and not self._closed

    # ------------------------------------------------------------ state

    @property
    def available(self) -> int:
        """Bytes in the ring that are not consumed yet, headers included; unfinished records count."""
        self._enter()
        try:
            (produced,), (consumed,) = _POSITION.unpack_from(self._data), _POSITION.unpack_from(self._consumer)
            return int(produced - consumed)
        finally:
            self._leave()

    def fileno(self) -> int:
        """An fd that is readable when there is something to read or the ring was closed: for event loops."""
        if self._closed:
            raise ValueError(f"ring buffer '{self.name}' is closed")
        return self._epoll.fileno()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def close(self) -> None:
        """Stop reading, from any thread; events left in the ring stay there for another reader."""
        with self._users_lock:
            if self._closed:
                return
            self._closed = True
            os.eventfd_write(self._wakeup, 1)
            if self._users == 0:
                self._release()

    def _enter(self) -> None:
        with self._users_lock:
            if self._closed:
                raise ValueError(f"ring buffer '{self.name}' is closed")
            self._users += 1

    def _leave(self) -> None:
        with self._users_lock:
            self._users -= 1
            if self._closed and self._users == 0:
                self._release()

    def _release(self) -> None:
        self._epoll.close()
        os.close(self._wakeup)
        self._consumer.close()
        self._data.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if not getattr(self, "_closed", True):
            self.close()

    def __repr__(self) -> str:
        return f"<{'closed ' if self._closed else ''}ring buffer '{self.name}' of {self.size} bytes>"


_LITTLE = struct.pack("=H", 1) == b"\1\0"


def split(buffer: "Buffer", used: int) -> Iterator[memoryview]:
    """The events in the first `used` bytes that `RingBuffer.into` filled, as views of the buffer."""
    view = memoryview(buffer).cast("B")
    lengths = view[: used // 4 * 4].cast("I")
    at = 0
    while at < used:
        length = lengths[at // 4]
        yield view[at + RECORD_HEADER : at + RECORD_HEADER + length]
        at += RECORD_HEADER + -(-length // 8) * 8


def _decoder(codec: EventCodec | None) -> Callable[[bytes], Any]:
    if codec is None:
        return bytes
    size, decode = codec.size, codec.decode
    return lambda event: decode(event) if len(event) >= size else event
