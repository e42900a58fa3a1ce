"""One owner for one file descriptor.

Rules: every fd here is O_CLOEXEC (the kernel makes bpf fds so); closing twice is fine; a closed `Fd` forgets its
number before the kernel is told, so a number reused meanwhile by another thread is never closed by mistake.
"""

from __future__ import annotations

import os
from _warnings import warn  # warnings itself takes a millisecond to import, and cannot be imported at the very end

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self


class Fd:
    """Owns `number` until `close()` or `detach()`; `what` names it in errors and warnings."""

    __slots__ = ("_number", "what")

    def __init__(self, number: int, what: str) -> None:
        self._number = number
        self.what = what

    @property
    def number(self) -> int:
        """The descriptor's number; ValueError once closed."""
        if self._number < 0:
            raise ValueError(f"{self.what} is closed")
        return self._number

    @property
    def closed(self) -> bool:
        """Whether there is no descriptor any more."""
        return self._number < 0

    def fileno(self) -> int:
        """As `number`: makes an `Fd` good for select, poll and os functions."""
        return self.number

    def close(self) -> None:
        """Close the descriptor; nothing happens the second time."""
        number, self._number = self._number, -1
        if number >= 0:
            os.close(number)

    def detach(self) -> int:
        """Give the descriptor away: the caller closes it."""
        number = self.number
        self._number = -1
        return number

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # An instance whose __init__ never ran has no number.
        number = getattr(self, "_number", -1)
        if number >= 0:
            warn(f"{self.what} was never closed", ResourceWarning, source=self, stacklevel=2)
            self.close()

    def __repr__(self) -> str:
        return f"Fd({self._number}, {self.what!r})" if self._number >= 0 else f"<closed Fd of {self.what!r}>"
