"""The modules of a load are listed in the order of need: one that is missing is imported at Python's full cost."""

from tools.make_load_path import PLACE, written


def test_the_file_is_what_the_tool_writes() -> None:
    assert PLACE.read_text() == written(), "python -m tools.make_load_path"
