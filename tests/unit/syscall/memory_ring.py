"""A ring buffer made of plain memory, with the test as its producer."""

import mmap
import struct

PAGE = mmap.PAGESIZE
BUSY = 1 << 31
DISCARD = 1 << 30


class MemoryRing:
    """The two mappings that the ring functions take; anonymous memory, so both halves are written by hand."""

    def __init__(self, size: int = 4096, position: int = 0) -> None:
        self.size = size
        self.consumer = mmap.mmap(-1, PAGE)
        self.data = mmap.mmap(-1, PAGE + 2 * size)
        self.produced = position
        struct.pack_into("@Q", self.consumer, 0, position)
        self._publish()

    @property
    def arguments(self) -> tuple[mmap.mmap, mmap.mmap, int]:
        return self.consumer, self.data, PAGE

    @property
    def consumed(self) -> int:
        position: int = struct.unpack_from("@Q", self.consumer)[0]
        return position

    def put(self, event: bytes, flags: int = 0) -> None:
        """Add a record; `flags` BUSY (not finished) or DISCARD."""
        self.put_header(len(event) | flags, event)

    def put_header(self, header: int, event: bytes = b"", *, advance: int | None = None) -> None:
        """Add a record with any header word; it takes `advance` bytes, by default what its event needs."""
        record = struct.pack("=II", header, 0) + event
        for position, byte in enumerate(record.ljust(-(-len(record) // 8) * 8, b"\0")):
            place = (self.produced + position) % self.size
            self.data[PAGE + place] = self.data[PAGE + self.size + place] = byte
        self.produced += -(-len(record) // 8) * 8 if advance is None else advance
        self._publish()

    def finish(self, position: int) -> None:
        """Clear the busy bit of the record at `position`."""
        place = PAGE + position % self.size
        (header,) = struct.unpack_from("=I", self.data, place)
        for copy in (place, place + self.size):
            struct.pack_into("=I", self.data, copy, header & ~BUSY)

    def _publish(self) -> None:
        struct.pack_into("@Q", self.data, 0, self.produced % (1 << 64))
