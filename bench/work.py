"""purebpf's side of the benches: the same work as peer.c, through the public API, one figure a line as "name value".

python -m bench.work maps FILE COUNT | ring FILE COUNT SIZE | callback FILE COUNT SIZE | load FILE TIMES |
                     load-new FILE TIMES | first FILE | types NAME

Times are nanoseconds of this thread's CPU time for all of the work together; what is done unmeasured in C (loading
the object, filling the ring, the first pass over the buffer) is unmeasured here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from struct import Struct
from time import thread_time_ns
from typing import Any

import purebpf

_ARGUMENTS = Struct("=QQQ")
_NO_WAKEUP = 1
_HEADER = 8


def maps(path: str, count: int) -> dict[str, int]:
    """Update, look up and delete `count` entries of the map 'numbers', as a dict."""
    with purebpf.load(path) as loaded:
        numbers: Any = loaded.maps["numbers"]
        start = thread_time_ns()
        for key in range(count):
            numbers[key] = key * 3
        update = thread_time_ns() - start
        total = 0
        start = thread_time_ns()
        for key in range(count):
            total += numbers[key]
        lookup = thread_time_ns() - start
        start = thread_time_ns()
        for key in range(count):
            del numbers[key]
        delete = thread_time_ns() - start
    return {"update": update, "lookup": lookup, "sum": total, "delete": delete}


def ring(path: str, count: int, size: int) -> dict[str, int]:
    """Drain `count` events of `size` bytes into a buffer."""
    stride = _HEADER + (size + 7) // 8 * 8
    buffer = bytearray(count * stride)

    def drain(reader: purebpf.RingBuffer) -> int:
        moved, used = reader.into(buffer)
        assert used == moved * stride
        return moved

    spent, taken = _two_passes(path, count, size, drain)
    first = memoryview(buffer)
    total = sum(int.from_bytes(first[at : at + 8], sys.byteorder) for at in range(_HEADER, len(buffer), stride))
    return {"drain": spent, "count": taken, "sum": total}


def callback(path: str, count: int, size: int) -> dict[str, int]:
    """Hand `count` events of `size` bytes to a Python function, each as bytes."""
    events: list[bytes] = []
    append = events.append

    def take(event: bytes) -> None:
        append(event)

    def drain(reader: purebpf.RingBuffer) -> int:
        events.clear()
        return reader.consume(take)

    spent, _ = _two_passes(path, count, size, drain)
    total = sum(int.from_bytes(event[:8], sys.byteorder) for event in events)
    return {"callback": spent, "count": len(events), "sum": total}


def _two_passes(path: str, count: int, size: int, drain: Callable[[purebpf.RingBuffer], int]) -> tuple[int, int]:
    """Fill the ring and drain it, twice; time of the second pass and what it drained."""
    spent = taken = 0
    with purebpf.load(path) as loaded:
        events: Any = loaded.maps["events"]
        with events.reader(raw=True) as reader:
            for _ in range(2):
                loaded.programs["emit"].test_run(context=_ARGUMENTS.pack(count, size, _NO_WAKEUP))
                start = thread_time_ns()
                taken = drain(reader)
                spent = thread_time_ns() - start
    return spent, taken


def load(path: str, times: int) -> dict[str, int]:
    """Open, load and close the same file, once unmeasured and then `times` times."""
    return _loads(times, lambda _number: purebpf.load(purebpf.open(path)).close())


def load_new(path: str, times: int) -> dict[str, int]:
    """As `load`, but each file is one that this process has not seen: the same object with other bytes at its end."""

    def once(number: int) -> None:
        with open(path, "rb", buffering=0) as file:
            data = file.read()
        purebpf.load(purebpf.open(data + bytes(1 + number), name="minimal")).close()

    return _loads(times, once)


def first(path: str) -> dict[str, int]:
    """Open, load and close twice: the first time in a process, all that is then imported included, and the second.

    "memory" is by how many bytes the most memory in use grew with the first.
    """
    before, start = _memory("VmRSS"), thread_time_ns()
    purebpf.load(purebpf.open(path)).close()
    once = thread_time_ns() - start
    grown = _memory("VmHWM") - before
    start = thread_time_ns()
    purebpf.load(purebpf.open(path)).close()
    return {"first": once, "second": thread_time_ns() - start, "memory": grown}


def _memory(row: str) -> int:
    """A row of /proc/self/status, in bytes."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(row))


def types(name: str) -> dict[str, int]:
    """Make the kernel's types usable, and look for a type: the first time in this process."""
    # What importing costs is the first row's.
    import purebpf.btf
    import purebpf.syscall.native

    target = purebpf.running_target()
    start = thread_time_ns()
    btf = target.btf
    loaded = thread_time_ns()
    assert btf is not None
    found = btf.find_one(name)
    return {"id": found or 0, "found": thread_time_ns() - start, "types": loaded - start, "count": len(btf)}


def _loads(times: int, once: Callable[[int], None]) -> dict[str, int]:
    once(0)
    start = thread_time_ns()
    for number in range(1, times + 1):
        once(number)
    return {"load": thread_time_ns() - start}


_KINDS: dict[str, Callable[..., dict[str, int]]] = {
    "maps": maps,
    "ring": ring,
    "callback": callback,
    "load": load,
    "load-new": load_new,
    "first": first,
    "types": types,
}

if __name__ == "__main__":
    kind, file, *figures = sys.argv[1:]
    for label, figure in _KINDS[kind](file, *map(int, figures)).items():
        print(label, figure)
