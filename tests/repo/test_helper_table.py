"""The table of what programs may call is what its checked-in inputs give."""

from tools import make_helpers


def test_the_generated_table_is_current() -> None:
    kernels = make_helpers.inputs()
    assert list(kernels) == sorted(kernels, key=lambda series: tuple(map(int, series.split("."))))
    assert make_helpers.MODULE.read_text() == make_helpers.module(kernels), "run python -m tools.make_helpers"


def test_what_a_newer_kernel_no_longer_gives_is_what_its_lockdown_takes_away() -> None:
    lost = make_helpers.gone(make_helpers.inputs())
    assert lost
    assert all(line.endswith(" 36") for line in lost), lost
