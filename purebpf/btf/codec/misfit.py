"""What encoding raises when a value does not fit its C type.

Both are builtins at heart (the caller is at fault): a wrong shape is a TypeError, a right shape with a value that
cannot be stored is a ValueError. Each level of nesting adds its name with `within` as the error passes through, so
that the innermost type explains the problem and the outermost caller sees the whole path:

    key.addr.port: 70000 does not fit u16
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self


class Misfit(Exception):
    """A value does not fit a C type; `path` leads from the encoded value to the part at fault."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.path: list[str | int] = []

    def within(self, step: str | int) -> Self:
        """Say that the part at fault lies in member or element `step`; gives the error itself, to be raised."""
        self.path.insert(0, step)
        return self

    def __str__(self) -> str:
        steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return f"{steps.lstrip('.')}: {self.problem}" if steps else self.problem


class WrongShape(Misfit, TypeError):
    """The value is not of the kind that the C type can be made of."""


class OutOfRange(Misfit, ValueError):
    """The value is of the right kind and cannot be stored: too large, too long, unknown."""


def wrong_shape(type_name: str, wanted: str, value: object) -> WrongShape:
    """The error for a value of a kind that `type_name` cannot be made of."""
    shown = repr(value)
    if len(shown) > 60:
        shown = f"{shown[:57]}..."
    return WrongShape(f"expected {type_name} ({wanted}), got {type(value).__name__} {shown}")
