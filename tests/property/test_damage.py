"""`damaged` makes every kind of damage, and the package says what it needs."""

import subprocess
import sys

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import purebpf.testing
from purebpf.testing import damaged

ORIGINAL = bytes(range(64))
PLAIN = settings(
    deadline=None,
    max_examples=150,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def kind_of(data: bytes) -> str:
    if data == ORIGINAL:
        return "as it was"
    if len(data) > len(ORIGINAL):
        return "longer"
    if len(data) < len(ORIGINAL):
        return "cut" if ORIGINAL.startswith(data) else "gap"
    changed = sum(before != after for before, after in zip(ORIGINAL, data, strict=True))
    return "byte" if changed == 1 else "number"


def test_every_kind_of_damage_is_made() -> None:
    seen = set()

    @PLAIN
    @given(damaged(st.just(ORIGINAL), changes=1))
    def look(data: bytes) -> None:
        seen.add(kind_of(data))

    look()
    assert seen - {"as it was"} == {"longer", "cut", "gap", "byte", "number"}


@PLAIN
@given(damaged(st.just(b"")))
def test_an_empty_file_can_be_damaged_too(data: bytes) -> None:
    assert len(data) <= 4 * 64


def test_every_public_name_is_there_and_documented() -> None:
    for name in purebpf.testing.__all__:
        assert getattr(purebpf.testing, name).__doc__


def test_without_hypothesis_the_import_says_what_to_install() -> None:
    script = """
import sys
sys.modules["hypothesis"] = None
try:
    import purebpf.testing
except ImportError as error:
    print(error)
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout == "purebpf.testing needs hypothesis: pip install 'purebpf[testing]'\n"
