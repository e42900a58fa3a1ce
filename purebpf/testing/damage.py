"""Bytes made wrong: what a bad disk, a cut download or an attacker makes of a file.

Rules: damage is drawn, so a failing example shrinks to the few changes that matter. Numbers that lie at the edges
of what a field can hold stand in for lengths and offsets; a plain random number would nearly always just be
refused by the first bounds check.
"""

from struct import pack

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

_LARGEST_SPAN = 64
_BYTES = (0, 1, 0x7F, 0x80, 0xFF)
_NUMBERS = (0, 1, 2, 0xFF00, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**63, 2**64 - 1)


def damaged(files: SearchStrategy[bytes], *, changes: int = 4) -> SearchStrategy[bytes]:
    """What `files` gives, after 1 to `changes` changes.

    A change flips a bit, sets a byte or an aligned number of 2, 4 or 8 bytes, or cuts the end off, removes, inserts
    or repeats up to 64 bytes.
    """
    return _damaged(files, changes)


@st.composite
def _damaged(draw: DrawFn, files: SearchStrategy[bytes], changes: int) -> bytes:
    data = bytearray(draw(files))
    for _ in range(draw(st.integers(1, changes))):
        _change(draw, data)
    return bytes(data)


def _change(draw: DrawFn, data: bytearray) -> None:
    kind = draw(st.sampled_from(("flip", "set", "number", "number", "cut", "remove", "insert", "repeat")))
    at = draw(st.integers(0, max(len(data) - 1, 0)))
    match kind:
        case "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=_LARGEST_SPAN))
        case "cut":
            del data[at:]
        case "remove":
            del data[at : at + draw(st.integers(1, _LARGEST_SPAN))]
        case "repeat":
            data[at:at] = data[at : at + draw(st.integers(1, _LARGEST_SPAN))]
        case "flip" if data:
            data[at] ^= 1 << draw(st.integers(0, 7))
        case "set" if data:
            data[at] = draw(st.sampled_from(_BYTES) | st.integers(0, 255))
        case "number":
            _set_number(draw, data, at)


def _set_number(draw: DrawFn, data: bytearray, at: int) -> None:
    size, code = draw(st.sampled_from(((2, "H"), (4, "I"), (8, "Q"))))
    order = draw(st.sampled_from("<>"))
    at -= at % size
    if at + size > len(data):
        return
    near_the_size = st.integers(-8, 8).map(lambda distance: max(len(data) + distance, 0))
    number = draw(st.sampled_from(_NUMBERS) | near_the_size | st.integers(0, 255)) % (1 << 8 * size)
    data[at : at + size] = pack(f"{order}{code}", number)
