"""The loggers of purebpf, at no cost for programs that do not log.

Importing logging costs as much as loading a small object. As long as nobody has imported it, nobody can have asked
for messages of level debug or info, and these are all that loading has to tell.
"""

from __future__ import annotations

import sys

from purebpf.standard import remembered_lately

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logging import Logger

DEBUG = 10
"""logging.DEBUG."""


def logger(name: str) -> Logger:
    """The logger of the object of that name, 'purebpf.' and the name; without a name the parent of them all."""
    return _logger(name) if "logging" in sys.modules else _NOBODY_LISTENS


# logging itself takes a lock for each question, and a load asks three times.
@remembered_lately(64)
def _logger(name: str) -> Logger:
    import logging

    return logging.getLogger(f"purebpf.{name}" if name else "purebpf")


class _NobodyListens:
    """What a load asks of a logger, before logging is imported."""

    __slots__ = ()

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 (logging's name)
        return False

    def debug(self, text: str, *values: object) -> None:
        """Nobody can have asked for it."""

    info = debug


_NOBODY_LISTENS: Logger = _NobodyListens()  # type: ignore[assignment]
