"""Which programs may call a helper: what the table says, against libbpf's own questions to the running kernel."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from purebpf.plan.target import encode_version
from purebpf.preflight import helper_table
from purebpf.preflight.helpers import denied
from purebpf.preflight.kinds import Ages, Kind
from purebpf.uapi import ProgramType
from tools.corpus.libbpf import NEWER, VERSIONS, library

SOURCE = Path(__file__).parent / "harness" / "helpers.c"
RELEASE = os.uname().release
LOCKED_AWAY = {36}
"""bpf_probe_write_user(), which a lockdown takes from everybody."""


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Mapping[ProgramType, frozenset[int]]:
    """The helpers of each type of program, attach type 0, that libbpf finds in the running kernel."""
    folder = library(VERSIONS[NEWER])
    program = tmp_path_factory.mktemp("helpers") / "helpers"
    flags = [f"-I{folder / 'include'}", str(SOURCE), str(folder / "libbpf.a"), "-lelf", "-lz"]
    subprocess.run(["gcc", "-O1", "-Wall", "-Wextra", "-Werror", *flags, "-o", str(program)], check=True)
    words = [str(program), str(max(ProgramType) + 1), str(max(helper_table.HIGHEST))]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    found = {}
    for line in lines:
        number, *helpers = map(int, line.split())
        found[ProgramType(number)] = frozenset(helpers)
    return found


def _ages() -> Ages:
    version = encode_version(RELEASE)
    return Ages(version, version + 1)


def test_nothing_that_the_running_kernel_gives_is_denied(given: Mapping[ProgramType, frozenset[int]]) -> None:
    assert len(given) > 20
    wrong = {
        (str(kind), helper)
        for kind, helpers in given.items()
        for helper in helpers
        for sleepable in ([True] if kind is ProgramType.SYSCALL else [False])
        if denied(Kind(kind, sleepable=sleepable), helper, _ages())
    }
    assert wrong == set()


def test_what_a_kernel_of_the_table_does_not_give_is_denied(given: Mapping[ProgramType, frozenset[int]]) -> None:
    if RELEASE.split(".")[:2] not in [series.split(".") for series in helper_table.SERIES]:
        return
    newest = helper_table.HIGHEST[helper_table.SERIES.index(".".join(RELEASE.split(".")[:2]))]
    checked = 0
    for kind, helpers in given.items():
        name = f"{kind}.s" if kind is ProgramType.SYSCALL else str(kind)
        if name not in helper_table.GIVEN:
            continue
        asked = Kind(kind, sleepable=kind is ProgramType.SYSCALL)
        not_given = set(range(1, newest + 1)) - helpers - LOCKED_AWAY
        # Given by an older kernel or by one of another configuration: what was given once is not denied.
        let_through = {helper for helper in not_given if not denied(asked, helper, _ages())}
        assert len(let_through) <= 1, f"{kind}: {sorted(let_through)}"
        checked += len(not_given)
    assert checked > 1000
