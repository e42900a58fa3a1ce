"""What a load uses of functools, types and collections.abc, without importing them.

They draw in collections, operator, reprlib and keyword, and are as much work to import as twenty modules of ours. Their
names here are the same things, from where Python has them in any case; what remembers is written out, and as it is a
function in Python (60 ns more a call than that of functools), what a load asks hundreds of times looks into a dict.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable as Callable
    from collections.abc import Mapping as Mapping
    from types import MappingProxyType as MappingProxyType
    from types import ModuleType as ModuleType
    from typing import Any, ParamSpec, TypeVar

    _Given = ParamSpec("_Given")
    _Answer = TypeVar("_Answer")
else:
    # The module os has imported it: it is what collections.abc gives.
    from _collections_abc import Callable, Mapping

    MappingProxyType = type(type.__dict__)
    ModuleType = type(sys)

__all__ = ["Callable", "Mapping", "MappingProxyType", "ModuleType", "remembered", "remembered_lately"]


def remembered(function: Callable[_Given, _Answer]) -> Callable[_Given, _Answer]:
    """The function, which is called once for each of the (positional) arguments; as `functools.cache`."""
    known: dict[Any, Any] = {}

    def remembering(*given: Any) -> Any:
        try:
            return known[given]
        except KeyError:
            pass
        answer = known[given] = function(*given)  # type: ignore[call-arg]
        return answer

    return _dressed(remembering, function)


def remembered_lately(most: int) -> Callable[[Callable[_Given, _Answer]], Callable[_Given, _Answer]]:
    """`remembered`, but of no more than `most` arguments, those asked for last; as `functools.lru_cache`."""

    def decorator(function: Callable[_Given, _Answer]) -> Callable[_Given, _Answer]:
        known: dict[Any, Any] = {}

        def remembering(*given: Any) -> Any:
            try:
                kept = known.pop(given)
            except KeyError:
                kept = given, function(*given)  # type: ignore[call-arg]
            # Under the arguments of the first call: what was made of them may hold them already.
            known[kept[0]] = kept
            if len(known) > most:
                # A copy, as other threads put in and take out.
                for oldest in list(known)[:-most]:
                    known.pop(oldest, None)
            return kept[1]

        return _dressed(remembering, function)

    return decorator


def _dressed(remembering: Any, function: Callable[_Given, _Answer]) -> Callable[_Given, _Answer]:
    """What remembers, looking like the function it asks, which is its `__wrapped__`."""
    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(remembering, name, getattr(function, name))
    remembering.__wrapped__ = function
    made: Callable[_Given, _Answer] = remembering
    return made
