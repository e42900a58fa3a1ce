"""Where the rows of a live table go.

Rules: what is no terminal gets the rows and nothing else. On a terminal a row is cut to its width, for a wrapped row is
harder to read than one without its end, and is coloured unless NO_COLOR or TERM=dumb forbid it. With rich there (the
extra `cli`) a line below the rows tells meanwhile how it goes; it is gone at the end. Rows come already escaped.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

BOLD, DIM = "bold", "dim"
_CODES = {BOLD: "\x1b[1m", DIM: "\x1b[2m"}
_PLAIN = "\x1b[0m"
_REFRESHES_PER_SECOND = 4

Row = Callable[[str, str], None]
"""Show a row in a style: BOLD, DIM or ''."""


@contextmanager
def screen(tell: Callable[[], str]) -> Iterator[Row]:
    """A function that shows a row; `tell` gives the line below, and is asked several times a second."""
    if not sys.stdout.isatty():
        yield plain_row
    elif not is_coloured() or (live := _live_console()) is None:
        yield _print_cut
    else:
        with live(tell) as row:
            yield row


def is_coloured() -> bool:
    """Whether standard output is a terminal on which colours are wanted."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def styled(text: str, style: str) -> str:
    """`text` with the codes of a style around it, where colours are wanted."""
    return f"{_CODES[style]}{text}{_PLAIN}" if style and is_coloured() else text


def plain_row(text: str, style: str = "") -> None:
    """Show a row as it is, whatever standard output is."""
    print(text, flush=True)


def _print_cut(text: str, style: str = "") -> None:
    print(styled(text[: shutil.get_terminal_size().columns], style), flush=True)


def _live_console() -> Callable[[Callable[[], str]], AbstractContextManager[Row]] | None:
    """What shows rows with a line below them; None without rich."""
    try:
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text
    except ImportError:
        return None

    @contextmanager
    def show(tell: Callable[[], str]) -> Iterator[Row]:
        console = Console(highlight=False)

        def row(text: str, style: str = "") -> None:
            console.print(Text(text, style), no_wrap=True, overflow="crop")

        class Below:
            # Asked at each refresh and for each row, so it is never behind the rows.
            def __rich__(self) -> Text:
                return Text(tell(), DIM, no_wrap=True, overflow="ellipsis")

        with Live(Below(), console=console, transient=True, refresh_per_second=_REFRESHES_PER_SECOND):
            yield row

    return show
