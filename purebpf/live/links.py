"""The links of one object together.

Rules: closing detaches in the reverse order of attaching, and goes on when one refuses: the first refusal is
raised when all were tried. Closing twice is fine.
"""

from __future__ import annotations

from purebpf.standard import Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

    from purebpf.live.link import Link


class Links(Mapping[str, "Link"]):
    """Links by the name of their program; a context manager that detaches them."""

    def __init__(self) -> None:
        self._links: dict[str, Link] = {}

    def add(self, program: str, link: Link) -> None:
        """Take charge of `link`."""
        known = self._links.pop(program, None)
        if known is not None:
            known.close()
        self._links[program] = link

    def __getitem__(self, program: str) -> Link:
        return self._links[program]

    def __iter__(self) -> Iterator[str]:
        return iter(self._links)

    def __len__(self) -> int:
        return len(self._links)

    def close(self) -> None:
        """Detach and close all."""
        failed: OSError | None = None
        while self._links:
            _, link = self._links.popitem()
            try:
                link.close()
            except OSError as error:
                failed = failed or error
        if failed is not None:
            raise failed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Links of {', '.join(self._links) or 'nothing'}>"
