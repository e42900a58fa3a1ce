"""Where purebpf means to differ from libbpf, each with its reason; docs/corpus.md tells the same at more length.

An entry says which differences it explains by what differs and by patterns of the two answers. `./dev corpus` names the
entries that explain nothing any more.
"""

import re
from dataclasses import dataclass
from typing import Final

from tools.corpus.compare import Difference


@dataclass(frozen=True, slots=True)
class Explanation:
    """`what` a difference is called; patterns searched in libbpf's answer, purebpf's and the object's name."""

    what: str
    reason: str
    libbpf: str = ""
    purebpf: str = ""
    object: str = ""

    def fits(self, difference: Difference) -> bool:
        """Whether it is the reason of a difference."""
        return (
            self.what == difference.what
            and re.search(self.libbpf, difference.libbpf) is not None
            and re.search(self.purebpf, difference.purebpf) is not None
            and re.search(self.object, difference.object) is not None
        )


EXPLAINED: Final = (
    Explanation(
        "MAP_CREATE btf",
        "libbpf names the object's types for a map that has no type ids; the kernel does not look at them then",
        libbpf="^btf$",
        purebpf="^$",
    ),
    Explanation(
        "opened",
        "libbpf opens objects of its own byte order only; purebpf looks at both",
        libbpf="endianness mismatch",
    ),
    Explanation(
        "opened",
        "libbpf dropped the legacy map section with 1.0; old objects need it",
        libbpf="legacy map definitions",
    ),
)
"""The whole table."""


def explain(difference: Difference) -> Explanation | None:
    """The entry that explains a difference."""
    return next((entry for entry in EXPLAINED if entry.fits(difference)), None)
