"""A limit on the CPU time of a block, so that a hang becomes a failure with its traceback."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class TookTooLong(AssertionError):
    """The block was still running at its limit."""


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Raise `TookTooLong` inside the block once it has used so much CPU time."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise TookTooLong(f"more than {seconds} s of CPU time")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
