"""Rows of a live table, on a terminal and elsewhere."""

import sys

import pytest

from purebpf.cli.screen import BOLD, DIM, screen

LONG = "/" + "x" * 100


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let standard output be a terminal of 60 columns."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "20")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)


def without_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)


def show() -> None:
    with screen(lambda: "1 event") as row:
        row("HEADER", BOLD)
        row(LONG, "")
        row("done", DIM)


def test_what_is_no_terminal_gets_whole_rows_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    show()
    assert capsys.readouterr().out == f"HEADER\n{LONG}\ndone\n"


def test_without_rich_rows_are_cut_and_coloured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_a_terminal(monkeypatch)
    without_rich(monkeypatch)
    show()
    assert capsys.readouterr().out == f"\x1b[1mHEADER\x1b[0m\n{LONG[:60]}\n\x1b[2mdone\x1b[0m\n"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_that_wants_no_colours_gets_no_control_codes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    on_a_terminal(monkeypatch)
    monkeypatch.setenv(name, value)
    show()
    assert capsys.readouterr().out == f"HEADER\n{LONG[:60]}\ndone\n"


def test_with_rich_a_line_below_tells_how_it_goes_and_is_gone_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_a_terminal(monkeypatch)
    show()
    shown = capsys.readouterr().out
    assert shown.index("HEADER") < shown.index(LONG[:60]) < shown.index("done")
    assert LONG[:61] not in shown
    assert "1 event" in shown
    last = shown.rindex("1 event")
    assert "\x1b[2K" in shown[last:], "the line is cleared after it was last shown"


def test_markup_in_a_row_is_text(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    on_a_terminal(monkeypatch)
    with screen(lambda: "") as row:
        row("[bold]not markup[/bold] :smile:", "")
    assert "[bold]not markup[/bold] :smile:" in capsys.readouterr().out
